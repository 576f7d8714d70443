"""Replacements for a word by a masked language model, for BAE and BERT-Attack.

Import this module only after `textattack_import.textattack`: it imports TextAttack.
"""

import itertools
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from textattack.shared import utils
from textattack.transformations import WordSwap, WordSwapMaskedLM
from torch import Tensor
from transformers import AutoModelForMaskedLM, AutoTokenizer

from prunescope.engine.attacks.services import ask, check_cancel
from prunescope.engine.errors import ModelError

TOKENS = 512  # of one batch, and the most of one text: a row of logits is as wide as the vocabulary


class MaskedLM:
    """A masked language model with its tokenizer. Raises ModelError for a folder that is none."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.folder = folder
        try:
            self.model, loading = AutoModelForMaskedLM.from_pretrained(
                folder,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
            # transformers would fill what is missing with random numbers
            if missing := sorted(loading["missing_keys"]):
                raise ValueError(f"the weights lack {missing[0]}")
            self.tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise ModelError(
                f"{folder} cannot be opened as a masked language model ({error}); save one there "
                "with model.save_pretrained and tokenizer.save_pretrained."
            ) from error
        self.model.to(device).eval()
        if self.tokenizer.mask_token_id is None or not _tells_pieces(self.model.config.model_type):
            raise ModelError(
                f"{folder} holds a {self.model.config.model_type} model, whose word pieces "
                "TextAttack cannot tell from words; put a BERT, RoBERTa or ELECTRA with a head for "
                "masked tokens there."
            )
        self.most = min(TOKENS, int(self.model.config.max_position_embeddings))

    def check(self) -> None:
        """Raises ModelError where the model has no finite answer to a masked word."""
        _, _, logits = next(self.logits([f"a {self.tokenizer.mask_token} film"]))
        if not bool(logits.isfinite().all()):
            raise ModelError(
                f"{self.folder} answers a masked word with numbers that are not finite; save the "
                "model again."
            )

    def ids(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Token ids, cut to what the model reads."""
        encoded = self.tokenizer(list(texts), truncation=True, max_length=self.most)
        return [tuple(ids) for ids in encoded["input_ids"]]

    @torch.inference_mode()
    def logits(self, texts: Sequence[str]) -> Iterator[tuple[int, tuple[int, ...], Tensor]]:
        """(index in `texts`, token ids, logits (tokens, vocabulary)) of every text.

        Texts of one length are read together, unpadded.
        """
        encoded = self.ids(texts)
        order = sorted(range(len(texts)), key=lambda index: len(encoded[index]))
        for length, run in itertools.groupby(order, key=lambda index: len(encoded[index])):
            indices = list(run)
            size = max(1, TOKENS // length)
            for start in range(0, len(indices), size):
                check_cancel()
                batch = indices[start : start + size]
                inputs = torch.tensor([encoded[index] for index in batch], device=self.model.device)
                logits = self.model(input_ids=inputs, attention_mask=torch.ones_like(inputs)).logits
                for index, rows in zip(batch, logits.float().cpu(), strict=True):
                    yield index, encoded[index], rows


class WordsForMask:
    """A service: texts with one mask in, the likeliest whole words in its place out, likeliest
    first.
    """

    name = "masked language model"
    cached = True

    def __init__(self, model: MaskedLM, most: int, least: float) -> None:
        self._lm = model
        self._most, self._least = most, least  # words returned, and the least probability of one

    def answer(self, items: Sequence[str]) -> list[tuple[str, ...]]:
        """The words of each text; none where the mask was cut off."""
        words: list[tuple[str, ...]] = [()] * len(items)
        for index, ids, logits in self._lm.logits(items):
            if (mask := self._lm.tokenizer.mask_token_id) in ids:
                position = ids.index(mask)
                likely = self._words(logits[position].softmax(dim=0), position == 1)
                words[index] = tuple(itertools.islice(likely, self._most))
        return words

    def _words(self, probabilities: Tensor, first: bool) -> Iterator[str]:
        kind = self._lm.model.config.model_type
        for token in probabilities.argsort(descending=True).tolist():
            if probabilities[token] < self._least:
                return
            word = str(self._lm.tokenizer.convert_ids_to_tokens(token))
            if utils.check_if_subword(word, kind, first):
                word = utils.strip_BPE_artifacts(word, kind)
            if utils.is_one_word(word) and not utils.check_if_punctuations(word):
                yield word


class TopTokens:
    """A service: texts in, the likeliest tokens at each of their token positions out, likeliest
    first.
    """

    name = "masked language model"
    cached = True

    def __init__(self, model: MaskedLM, most: int) -> None:
        self._lm, self._most = model, most

    def answer(self, items: Sequence[str]) -> list[tuple[tuple[int, ...], ...]]:
        """`most` token ids a position."""
        tokens: list[tuple[tuple[int, ...], ...]] = [()] * len(items)
        for index, _, logits in self._lm.logits(items):
            tokens[index] = tuple(map(tuple, logits.topk(self._most, dim=1).indices.tolist()))
        return tokens


class MaskedSwap(WordSwapMaskedLM):  # type: ignore[misc]
    """TextAttack's swap by a masked language model, asking a service.

    BERT-Attack's combinations of word pieces come in the order of their pieces' ranks, as in
    TextAttack, which computes their perplexities and then leaves them out of account.
    """

    def __init__(
        self, model: MaskedLM, method: str, max_candidates: int, min_confidence: float = 5e-4
    ) -> None:
        WordSwap.__init__(self)
        self.method, self.max_candidates = method, max_candidates
        self.min_confidence = min_confidence
        self.max_length, self.masked_lm_name = model.most, type(model.model).__name__
        self._lm, self._lm_tokenizer = model, model.tokenizer
        self._words = WordsForMask(model, max_candidates, min_confidence)
        self._tokens = TopTokens(model, max_candidates)

    def _masked(self, text: Any, index: int) -> str:
        return str(text.replace_word_at_index(index, self._lm_tokenizer.mask_token).text)

    def _bae_replacement_words(
        self, current_text: Any, indices_to_modify: Sequence[int]
    ) -> list[tuple[str, ...]]:
        return ask(self._words, [self._masked(current_text, index) for index in indices_to_modify])

    def _get_transformations(
        self, current_text: Any, indices_to_modify: Sequence[int]
    ) -> list[Any]:
        if self.method == "bae":
            return list(super()._get_transformations(current_text, indices_to_modify))
        (top,) = ask(self._tokens, [current_text.text])
        return [
            current_text.replace_word_at_index(index, word)
            for index in indices_to_modify
            for word in (
                candidate.strip("Ġ") for candidate in self._whole_words(current_text, index, top)
            )
            if word != current_text.words[index]
        ]

    def _whole_words(self, text: Any, index: int, top: tuple[tuple[int, ...], ...]) -> list[str]:
        """BERT-Attack's words for one word, from the likeliest tokens at its own positions."""
        (ids,) = self._lm.ids([self._masked(text, index)])
        if self._lm_tokenizer.mask_token_id not in ids:
            return []  # cut off
        start = ids.index(self._lm_tokenizer.mask_token_id)
        own = self._lm_tokenizer.encode(text.words[index], add_special_tokens=False)
        choices = top[start : start + len(own)]
        tokens = [self._lm_tokenizer.convert_ids_to_tokens(list(row)) for row in choices]
        if len(choices) == 1:
            kind = self._lm.model.config.model_type
            return [
                token
                for token in tokens[0]
                if utils.is_one_word(token) and not utils.check_if_subword(token, kind, index == 0)
            ]
        joined = (
            "".join(pieces).replace("##", "") for pieces in itertools.product(*tokens) if pieces
        )
        words = (word for word in joined if utils.is_one_word(word))
        return list(itertools.islice(words, self.max_candidates))


def _tells_pieces(kind: str) -> bool:
    try:
        utils.check_if_subword("a", kind, False)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1)
def masked_lm(folder: Path, _sha256: str, device: str) -> MaskedLM:
    """The model in a folder on a device, loaded once."""
    return MaskedLM(folder, torch.device(device))
