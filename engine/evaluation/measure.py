"""Measure a victim: accuracy, the error of its last [CLS] embedding, and every layer's error
against the dense one.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prunescope.engine.data import Examples
from prunescope.engine.models.forward import read_batch
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import Rate


@dataclass(frozen=True, slots=True)
class Predictions:
    """A victim's predictions on an evaluation set."""

    predicted: tuple[int, ...]
    cls: Tensor  # (examples, width)

    def correct(self, labels: Sequence[int]) -> tuple[int, ...]:
        """Rows that are classified correctly."""
        return tuple(
            i for i, (a, b) in enumerate(zip(self.predicted, labels, strict=True)) if a == b
        )


def read(
    victim: Victim, examples: Examples, report: Progress = SILENT, piece: int = 256
) -> Predictions:
    """Predictions and last [CLS] embeddings, in the examples' order."""
    predicted: list[int] = []
    embedded = []
    for start in range(0, len(examples), piece):
        report("evaluate", start, len(examples))
        part = examples.take(range(start, min(start + piece, len(examples))))
        logits, cls = victim.read(part.texts, part.pairs)
        predicted += logits.argmax(dim=1).tolist()
        embedded.append(cls)
    return Predictions(tuple(predicted), torch.cat(embedded))


def accuracy(reading: Predictions, labels: Sequence[int]) -> Rate:
    """Acc = correct / n."""
    return Rate.of(len(reading.correct(labels)), len(labels))


def above_chance(reading: Predictions, labels: Sequence[int]) -> float | None:
    """Σ_c (correct of class c / examples of class c) / k − 1 / k over the k classes that occur.

    One answer to everything gets 0. None where only one class occurs.
    """
    examples = Counter(labels)
    if len(examples) < 2:
        return None
    correct = Counter(labels[row] for row in reading.correct(labels))
    return (sum(correct[c] / n for c, n in examples.items()) - 1) / len(examples)


def below_chance(acc: Rate, classes: int) -> tuple[str, ...]:
    """A notice where a dense model is worse than chance: it may not be one for these labels."""
    if acc.high >= 1 / classes:
        return ()
    return (
        f"The dense model is right on {acc.hits} of {acc.n} examples, fewer than by chance with "
        f"{classes} classes; its classes may be numbered differently from the labels.",
    )


def relative_error(dense: Tensor, sparse: Tensor) -> float:
    """‖dense − sparse‖² / ‖dense − mean(dense)‖², rows being tokens or examples."""
    dense, sparse = dense.double(), sparse.double()
    spread = float((dense - dense.mean(dim=0)).square().sum())
    return float((dense - sparse).square().sum()) / spread if spread else 0.0


@torch.inference_mode()
def layer_errors(
    dense: Victim,
    sparse: Victim,
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    report: Progress = SILENT,
) -> dict[str, float]:
    """`block.module` → ‖(W X_d + b) − (Ŵ X_s + b)‖² / ‖W X_d − mean‖² over the tokens of `texts`.

    Padding is left out. `texts` must be calibration text that the solver has not seen. Sums run
    over streams, so memory stays bounded.
    """
    sums: dict[str, list[Tensor]] = {}
    for batch in dense.batches(texts, pairs):
        report("layer errors", 0, 1)
        dense_outputs: dict[str, list[Tensor]] = {}

        def remember(
            layer: str, value: Tensor, outputs: dict[str, list[Tensor]] = dense_outputs
        ) -> None:
            # a model may go on to scale or add to an output in place, as DeBERTa and Falcon do
            outputs.setdefault(layer, []).append(value.clone())

        def compare(
            layer: str, value: Tensor, outputs: dict[str, list[Tensor]] = dense_outputs
        ) -> None:
            expected = outputs[layer].pop(0).double()
            parts = (
                (expected - value).square().sum(),
                expected.square().sum(),
                expected.sum(dim=0),
                torch.tensor(float(len(expected))),
            )
            old = sums.get(layer)
            sums[layer] = [a + b for a, b in zip(old, parts, strict=True)] if old else list(parts)

        for victim, tap in ((dense, remember), (sparse, compare)):
            victim.check_answers(read_batch(victim.model, victim.architecture, batch, tap)[0])
    return {layer: _ratio(*sums[layer]) for layer in dense.architecture.paths}


def _ratio(error: Tensor, power: Tensor, total: Tensor, tokens: Tensor) -> float:
    spread = float(power - total.square().sum() / tokens)
    return float(error) / spread if spread > 0 else 0.0
