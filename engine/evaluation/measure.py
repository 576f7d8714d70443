"""Measure a victim: accuracy, the error of its last [CLS] embedding, and every layer's error
against the dense one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prunescope.engine.data import Examples
from prunescope.engine.models.forward import run_stream
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import MODULES, Rate


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a victim says about an evaluation set."""

    predicted: tuple[int, ...]
    cls: Tensor  # (examples, width)

    def correct(self, labels: Sequence[int]) -> tuple[int, ...]:
        """Rows that are classified rightly."""
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


def below_chance(acc: Rate, classes: int) -> tuple[str, ...]:
    """What to say of a dense model that is worse than a coin: it hardly is one for these labels."""
    if acc.high >= 1 / classes:
        return ()
    return (
        f"The dense model is right on {acc.hits} of {acc.n} examples, fewer than by chance with "
        f"{classes} classes; its classes may be numbered otherwise than the labels.",
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
    """`block.module` → ‖(W X_d + b) − (Ŵ X_s + b)‖² / ‖W X_d − mean‖² over the real tokens of
    `texts`.

    `texts` must be calibration text that the solver has not seen. Sums run over streams, so memory
    stays bounded.
    """
    sums: dict[str, list[Tensor]] = {}
    for stream in dense.streams(texts, pairs):
        report("layer errors", 0, 1)
        seen: dict[str, Tensor] = {}

        def remember(block: int, name: str, value: Tensor, seen: dict[str, Tensor] = seen) -> None:
            seen[f"{block}.{name}"] = value

        def compare(block: int, name: str, value: Tensor, seen: dict[str, Tensor] = seen) -> None:
            wanted = seen.pop(f"{block}.{name}").double()
            parts = (
                (wanted - value).square().sum(),
                wanted.square().sum(),
                wanted.sum(dim=0),
                torch.tensor(float(len(wanted))),
            )
            old = sums.get(f"{block}.{name}")
            sums[f"{block}.{name}"] = (
                [a + b for a, b in zip(old, parts, strict=True)] if old else list(parts)
            )

        for victim, tap in ((dense, remember), (sparse, compare)):
            victim.check_answers(run_stream(victim.family, victim.model, stream, tap)[0])
    order = {name: place for place, name in enumerate(MODULES)}
    names = sorted(sums, key=lambda key: (int(key.split(".")[0]), order[key.split(".")[1]]))
    return {name: _ratio(*sums[name]) for name in names}


def _ratio(error: Tensor, power: Tensor, total: Tensor, tokens: Tensor) -> float:
    spread = float(power - total.square().sum() / tokens)
    return float(error) / spread if spread > 0 else 0.0
