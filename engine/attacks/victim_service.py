"""A victim as a service: texts in, probabilities out, the same bits whatever else is in a batch."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from prunescope.engine.attacks.services import NotAttackable, check_cancel
from prunescope.engine.errors import DataError
from prunescope.engine.models.forward import Batch, filled_rows, padded_length, read_batch
from prunescope.engine.models.victim import Victim

Item = str | tuple[str, str]
# of one batch: matrix products are at their peak from some hundred rows on, and a cancel waits for
# one batch
TOKENS = 2048
# of one batch for every thread: fewer rows of a matrix product take other kernels
LEAST_TOKENS = 64
LEAST_TEXTS = 8  # those of a linear of the head, which reads a row a text


class VictimService:
    """Probabilities of a victim, one row (labels,) in float64 a text or pair.

    softmax runs in float64 on the fp32 logits, so that a victim as sure as 1 − 1e-15 still ranks
    candidates. An answer does not depend on the batch, to the last bit: texts with equal token ids
    are computed once, a batch holds texts that are padded to the same length, one of fewer than
    `LEAST_TOKENS` tokens a thread is filled up with its first text, and so are the rows of the head
    below `LEAST_TEXTS` a thread, because matrix products of a few rows take other kernels than
    those of many, which add up in another order. A victim that must not pad
    reads every text alone: it has a convolution or the like, whose kernels differ in more. So
    nothing is rounded, and ties are those of the exact inputs. That holds on the CPU for victims of
    width 64 and more (narrower ones on one thread); on a GPU, where kernels are picked by the size
    of a batch in ways of their own, the last digits may differ. A victim whose logits are not
    finite is a ModelError.
    """

    cached = False

    def __init__(self, victim: Victim) -> None:
        self.name, self.victim = victim.name, victim

    def answer(self, items: Sequence[Item]) -> list[Tensor]:
        """One row of probabilities an item; items are all texts or all pairs."""
        encoded = self._encode(items)
        indices: dict[tuple[tuple[int, ...], ...], list[int]] = {}
        for index, ids in enumerate(
            zip(*(map(tuple, lists) for lists in encoded.values()), strict=True)
        ):
            indices.setdefault(ids, []).append(index)
        answers: list[Tensor] = [torch.empty(0)] * len(items)
        for batch in self._batches(sorted(indices, key=lambda ids: (len(ids[0]), ids[0]))):
            check_cancel()
            rows = self._computed(
                dict(zip(encoded, map(list, zip(*batch, strict=True)), strict=True))
            )
            for ids, row in zip(batch, rows, strict=True):
                for index in indices[ids]:
                    answers[index] = row
        return answers

    def _encode(self, items: Sequence[Item]) -> dict[str, list[list[int]]]:
        try:
            if isinstance(items[0], str):
                return self.victim.encode([str(item) for item in items])
            return self.victim.encode([item[0] for item in items], [item[1] for item in items])
        # of a candidate: it concerns the attack that tried it, not the others
        except DataError as error:
            raise NotAttackable(str(error)) from error

    def _batches(
        self, ordered: Sequence[tuple[tuple[int, ...], ...]]
    ) -> Iterator[list[tuple[tuple[int, ...], ...]]]:
        """Runs of encoded texts of one padded length, of at most `TOKENS` tokens, or one text."""
        victim = self.victim
        batch: list[tuple[tuple[int, ...], ...]] = []
        longest = 0
        for ids in ordered:
            pads = victim.architecture.pads
            length = padded_length(len(ids[0]), pads, victim.max_tokens)
            if batch and (not pads or length != longest or (len(batch) + 1) * length > TOKENS):
                yield batch
                batch = []
            batch.append(ids)
            longest = length
        if batch:
            yield batch

    def _computed(self, encoded: dict[str, list[tuple[int, ...]]]) -> list[Tensor]:
        victim, count = self.victim, len(encoded["input_ids"])
        longest = padded_length(
            len(encoded["input_ids"][0]), victim.architecture.pads, victim.max_tokens
        )
        least = -(-LEAST_TOKENS * _threads() // longest) if victim.architecture.pads else 1
        missing = max(0, least - count)
        filled = {
            name: [*map(list, lists), *([list(lists[0])] * missing)]
            for name, lists in encoded.items()
        }
        (batch,) = victim.encoded_batches(filled, 1 << 62)
        rows = dict(zip(batch.rows, self._rows(batch), strict=True))
        return [rows[index] for index in range(count)]

    @torch.inference_mode()
    def _rows(self, batch: Batch) -> list[Tensor]:
        """The answers to the texts of a batch."""
        victim = self.victim
        least = LEAST_TEXTS * _threads() if victim.architecture.pads else 1
        with filled_rows(victim.model, victim.architecture.heads, least):
            logits = read_batch(victim.model, victim.architecture, batch)[0].float().cpu()
        victim.check_answers(logits)
        return list(logits.double().softmax(dim=1))


def _threads() -> int:
    """Threads that share a matrix product; two at least, so that one thread answers as two do."""
    return max(2, torch.get_num_threads())
