"""What a comparison with the baselines is asked to do, as records. Light to import."""

import math
from dataclasses import dataclass
from typing import Any

from prunescope.engine.errors import SettingError
from prunescope.engine.formatting import pluralize
from prunescope.engine.records import StudySpec

LEVELS = (
    0.2,
    0.4,
    0.5,
    0.7,
    0.75,
    0.8,
    0.875,
    0.9,
)  # in bytes, near to every number of blocks of six, and to int8


@dataclass(frozen=True, slots=True)
class Way:
    """One way to a smaller model."""

    kind: str  # one of prunescope.engine.baselines.records.KINDS
    sparsity: float = 0.0
    blocks: int | None = None  # the first so many; None is all
    head: bool = False  # re-solved for them, in closed form

    @property
    def name(self) -> str:
        """For people, and to tell ways apart."""
        share = f"{100 * self.sparsity:g} %"
        depth = pluralize(self.blocks or 0, "block")
        return {
            "dense": "dense",
            "pruned": f"pruned {share}",
            "int8": "int8",
            "pruned-int8": f"pruned {share}, int8",
            "blocks": f"first {depth}{', head re-solved' if self.head else ''}",
            "small": f"{depth}, fine-tuned",
        }[self.kind]


@dataclass(frozen=True, slots=True)
class BaselineSpec:
    """Which baselines, on the rows of which study."""

    study: StudySpec  # its levels are the pruned ones
    blocks: tuple[int, ...] | None = (
        None  # how many of the first blocks to keep; None is every number below all
    )
    int8: bool = True
    pruned_int8: tuple[float, ...] = (0.5, 0.75)
    small: tuple[int, ...] = ()  # blocks of models that are fine-tuned from the base's first blocks
    base: str = "embedded"  # the pretrained checkpoint of these
    epochs: float = 1.0
    learning_rate: float = 1e-4
    sentences: int = 64  # of one round of the latency
    batch: int = 8
    rounds: int = 20

    def __post_init__(self) -> None:
        for name in ("epochs", "learning_rate", "sentences", "batch", "rounds"):
            if not 0 < getattr(self, name) < math.inf:
                raise SettingError(f"{name} is {getattr(self, name)}; it must be above 0.")
        for name in ("blocks", "small"):
            numbers = getattr(self, name) or ()
            if len(set(numbers)) < len(numbers) or any(number < 1 for number in numbers):
                raise SettingError(
                    f"{name} is {','.join(map(str, numbers))}; give different numbers of at least "
                    "1."
                )
        if unknown := sorted(set(self.pruned_int8) - set(self.study.levels)):
            raise SettingError(
                f"Pruning to {unknown[0]:g} in int8 needs the level {unknown[0]:g}; add it to "
                "--levels."
            )

    def ways(self, blocks: int) -> tuple[Way, ...]:
        """Dense first, then everything asked for, for a victim of so many blocks."""
        fewer = tuple(range(blocks - 1, 0, -1)) if self.blocks is None else self.blocks
        if wrong := [number for number in (*fewer, *self.small) if number >= blocks]:
            raise SettingError(
                f"The victim has {blocks} blocks and the first {wrong[0]} were asked for; give 1 "
                f"to {blocks - 1}."
            )
        pruned = [Way("pruned", level) for level in sorted(set(self.study.levels)) if level]
        small = [Way("pruned-int8", level) for level in sorted(self.pruned_int8)]
        cut = [
            Way("blocks", blocks=number, head=head) for head in (True, False) for number in fewer
        ]
        return (
            Way("dense"),
            *pruned,
            *([Way("int8")] if self.int8 else []),
            *small,
            *cut,
            *(Way("small", blocks=number) for number in self.small),
        )

    def training(self) -> dict[str, Any]:
        """How the smaller models are trained."""
        return {
            "base": self.base,
            "epochs": self.epochs,
            "learning_rate": self.learning_rate,
            "seed": self.study.seed,
        }
