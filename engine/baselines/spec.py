"""The settings of a comparison with baselines, as records. Light to import."""

from dataclasses import dataclass
from typing import Annotated, Any

from prunescope.engine.config.check import check_record
from prunescope.engine.config.describe import Setting
from prunescope.engine.errors import SettingError
from prunescope.engine.formatting import pluralize
from prunescope.engine.records import StudySpec

# In bytes, near to every number of blocks of six, and to int8.
LEVELS = (0.2, 0.4, 0.5, 0.7, 0.75, 0.8, 0.875, 0.9)

# Titles of groups of settings, in --help and in docs/cli.md.
SMALLER, LATENCY = "baselines", "latency"


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
    """The baselines to compare, and the study whose examples they are measured on."""

    study: StudySpec  # its levels are the pruned ones
    blocks: Annotated[
        tuple[int, ...] | None,
        Setting(
            "Blocks",
            "how many of the first blocks to keep, without training; none for no such model",
            "LIST",
            SMALLER,
            default="every number below all",
        ),
    ] = None
    int8: Annotated[bool, Setting("int8", "compare with int8 weights", group=SMALLER)] = True
    pruned_int8: Annotated[
        tuple[float, ...],
        Setting(
            "Pruned int8",
            "levels that are also stored in int8; none for no such model",
            "LIST",
            SMALLER,
            default="those of 0.5 and 0.75 that are levels",
        ),
    ] = (0.5, 0.75)
    small: Annotated[
        tuple[int, ...],
        Setting(
            "Small models",
            "blocks of smaller models that are fine-tuned from the first blocks of the base",
            "LIST",
            SMALLER,
            default="none",
        ),
    ] = ()
    base: Annotated[
        str, Setting("Base", "the pretrained checkpoint of the smaller models", "BASE", SMALLER)
    ] = "embedded"
    epochs: Annotated[
        float,
        Setting(
            "Epochs",
            "passes over the training examples, for the smaller models",
            "NUMBER",
            SMALLER,
            gt=0,
        ),
    ] = 1.0
    learning_rate: Annotated[
        float,
        Setting(
            "Learning rate", "highest learning rate, for the smaller models", "RATE", SMALLER, gt=0
        ),
    ] = 1e-4
    sentences: Annotated[int, Setting("Sentences", "texts a round", "N", LATENCY, gt=0)] = 64
    batch: Annotated[int, Setting("Batch", "texts a forward pass", "N", LATENCY, gt=0)] = 8
    rounds: Annotated[
        int, Setting("Rounds", "rounds, in which the models take turns", "N", LATENCY, gt=0)
    ] = 20

    def __post_init__(self) -> None:
        check_record(self)
        for name in ("blocks", "small"):
            numbers = getattr(self, name) or ()
            if len(set(numbers)) < len(numbers) or any(number < 1 for number in numbers):
                raise SettingError(
                    f"`{name}` is {','.join(map(str, numbers))}; give different numbers of at "
                    "least 1."
                )
        if missing := sorted(set(self.pruned_int8) - set(self.study.levels)):
            raise SettingError(
                f"Pruning to {missing[0]:g} in int8 needs the level {missing[0]:g}; add it to "
                "`levels`."
            )

    def ways(self, blocks: int) -> tuple[Way, ...]:
        """The requested ways for a victim of so many blocks, dense first."""
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
