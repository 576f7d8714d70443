"""HotFlip for word pieces: swap words for single pieces of the victim's vocabulary, picked by the
gradient of its loss.

At a text with pieces e_1 … e_T (input embeddings) and loss L of the label the victim gives, a word
of the pieces J has the gain of a swap for piece b estimated to first order,

    Δ(J → b) = Σ_{j ∈ J} (e_b − e_j) · ∂L/∂e_j .

Only pieces that are a word of their own are offered, and a swap counts only if the new text is
tokenised into the intended ids. The `TRIED` best swaps of a text are put to the victim, the best
one stays, up to two words, as in the paper. Unlike the paper's, swaps are not held to be alike in
meaning. Source: Ebrahimi et al., ACL 2018, arXiv:1712.06751.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from prunescope.engine.attacks.resources import Resources
from prunescope.engine.attacks.services import ask, check_cancel
from prunescope.engine.attacks.victim_service import Item, VictimService
from prunescope.engine.models.forward import Batch, read_batch

TRIED = 32  # swaps of one text put to the victim
SWAPPED = 2  # words at most


class GradientService(VictimService):
    """∂L/∂e of a text's pieces, (pieces, width) in fp32, with L the cross-entropy of the label the
    victim gives.
    """

    def _rows(self, batch: Batch) -> list[Tensor]:
        """The victim stays in evaluation mode, without dropout, and no gradient of a weight is
        taken.
        """
        caught: list[Tensor] = []

        def catch(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
            caught.append(output.detach().requires_grad_())
            return caught[0]

        handle = self.victim.model.get_input_embeddings().register_forward_hook(catch)
        try:
            with torch.enable_grad():
                victim = self.victim
                logits = read_batch(victim.model, victim.architecture, batch)[0].float()
                loss = torch.nn.functional.cross_entropy(
                    logits, logits.detach().argmax(dim=1), reduction="sum"
                )
                (gradient,) = torch.autograd.grad(loss, caught)  # (sentences, longest, width)
        finally:
            handle.remove()
        return [row[:length].cpu() for row, length in zip(gradient, batch.lengths, strict=True)]


class Vocabulary:
    """The pieces of a victim that are words of their own, with their input embeddings."""

    def __init__(self, victim: Any) -> None:
        self.victim, tokenizer = victim, victim.tokenizer
        every = range(len(tokenizer))
        texts = [tokenizer.decode([number]).strip() for number in every]
        read = tokenizer([f" {text}" for text in texts], add_special_tokens=False)["input_ids"]
        self.ids = [i for i in every if texts[i].isalpha() and len(texts[i]) > 1 and read[i] == [i]]
        self.words = [texts[i] for i in self.ids]
        self.embeddings = victim.model.get_input_embeddings().weight.detach().float().cpu()
        self.offered = self.embeddings[self.ids]  # (words, width)

    def swaps(
        self, attacked: Any, indices: Sequence[int], gradient: Tensor
    ) -> list[tuple[int, str]]:
        """The best swaps (index of the word, new word) of a text, most promising first.

        A swap that the tokenizer would read otherwise than intended is left out.
        """
        positions = self._pieces(attacked)
        ids = self._ids(attacked.tokenizer_input)
        indices_read = [i for i in indices if positions.get(i)]
        if not indices_read:
            return []
        # (words of the text, width)
        pulls = torch.stack([gradient[positions[i]].sum(dim=0) for i in indices_read])
        lost = torch.stack(
            [
                (gradient[positions[i]] * self.embeddings[[ids[j] for j in positions[i]]]).sum()
                for i in indices_read
            ]
        )
        gains = pulls @ self.offered.T - lost[:, None]
        swaps: list[tuple[int, str]] = []
        for flat in gains.flatten().topk(min(4 * TRIED, gains.numel())).indices.tolist():
            row, piece = divmod(flat, len(self.ids))
            span = positions[indices_read[row]]
            intended = [*ids[: span[0]], self.ids[piece], *ids[span[-1] + 1 :]]
            check_cancel()
            changed = attacked.replace_word_at_index(indices_read[row], self.words[piece])
            if (
                self.words[piece] != attacked.words[indices_read[row]].lower()
                and self._ids(changed.tokenizer_input) == intended
            ):
                swaps.append((indices_read[row], self.words[piece]))
            if len(swaps) == TRIED:
                break
        return swaps

    def _ids(self, item: Item) -> list[int]:
        """All ids, not cut."""
        first, second = (item, None) if isinstance(item, str) else item
        return list(self.victim.tokenizer(first, second)["input_ids"])

    def _pieces(self, attacked: Any) -> dict[int, list[int]]:
        """The positions of each word's pieces among those the victim reads."""
        item = attacked.tokenizer_input
        columns = (item,) if isinstance(item, str) else tuple(item)
        coded = self.victim.tokenizer(*columns, truncation=True, max_length=self.victim.max_tokens)
        positions, number = {}, 0
        for column, (text, words) in enumerate(zip(columns, attacked.words_per_input, strict=True)):
            start = 0
            for word in words:
                start = text.index(word, start)
                read = {
                    coded.char_to_token(i, sequence_index=column)
                    for i in range(start, start + len(word))
                } - {None}
                positions[number] = sorted(int(token) for token in read if token is not None)
                start, number = start + len(word), number + 1
        return positions


@cache
def _transformation() -> Any:
    from textattack.transformations import WordSwap

    class GradientSwap(WordSwap):  # type: ignore[misc]
        def __init__(self, victim: Any, stop_words: set[str]) -> None:
            super().__init__()
            # in small letters; TextAttack's own constraint lets "The" through
            self._stop_words = stop_words
            self._service, self._vocabulary = GradientService(victim), Vocabulary(victim)

        def _get_transformations(self, current_text: Any, indices_to_modify: set[int]) -> list[Any]:
            (gradient,) = ask(self._service, [current_text.tokenizer_input])
            free = [
                i
                for i in sorted(indices_to_modify)
                if current_text.words[i].lower() not in self._stop_words
            ]
            swaps = self._vocabulary.swaps(current_text, free, gradient)
            return [current_text.replace_word_at_index(index, word) for index, word in swaps]

    return GradientSwap


def build(package: Any, model: Any, _resources: Resources) -> Any:
    """HotFlip as a TextAttack `Attack`; `model` is the wrapper of the victim whose gradient it
    follows.
    """
    before = package.constraints.pre_transformation
    stop_words = before.StopwordModification()
    return package.Attack(
        package.goal_functions.UntargetedClassification(model),
        [
            before.RepeatModification(),
            stop_words,
            package.constraints.overlap.MaxWordsPerturbed(max_num_words=SWAPPED),
        ],
        _transformation()(model.victim, stop_words.stopwords),
        package.search_methods.GreedySearch(),
    )
