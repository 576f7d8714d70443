"""How large a run is: as P1 prints it, or small enough to see it work on a laptop."""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prunescope.engine.errors import SettingError
from prunescope.engine.records import check_seed


@dataclass(frozen=True, slots=True)
class DataSet:
    """One of P1's data sets, with the examples that its tables are measured on."""

    name: str
    source: str  # what `--data` takes
    labels: tuple[str, ...]
    evaluated: int
    attacked: int

    def training(self) -> dict[str, Any]:
        """The options of a command that trains on it; P1 trains on the whole training split."""
        names = ",".join(self.labels)
        return {"data": self.source, "label_names": names, "allow_overlap": True}


@dataclass(frozen=True, slots=True)
class Scale:
    """Models, attack and counts of one scale."""

    name: str
    base: str  # the pretrained checkpoint
    members: str  # a shipped recipe of members
    attack: str
    selection: int  # examples of the selection set, which members are chosen on
    selection_attacked: int  # of these
    epochs: float  # of the dense models beside the average
    rate: float  # their learning rate
    calibration: int
    held_out: int
    seeds: tuple[int, ...]
    table_seeds: tuple[int, ...]  # of Table 2, whose subnetworks are trained
    sets: tuple[str, ...]
    examples: int | None = None  # evaluated, where it is not the whole split
    attacked: int | None = None

    def sized(self, data: DataSet) -> DataSet:
        """The data set with this scale's counts."""
        return replace(
            data,
            evaluated=self.examples or data.evaluated,
            attacked=self.attacked or data.attacked,
        )

    def folder(self, root: Path) -> Path:
        """Where the models of this base and scale are; tables share them."""
        slug = "".join(
            letter if letter.isalnum() or letter in ".-" else "-" for letter in self.base
        )
        return root / f"{slug.strip('-.') or 'base'}-{self.name}"


SETS = {
    data.name: data
    for data in (
        DataSet("sst2", "stanfordnlp/sst2", ("negative", "positive"), 872, 872),
        DataSet(
            "ag_news", "fancyzhx/ag_news", ("World", "Sports", "Business", "Sci/Tech"), 7600, 500
        ),
        DataSet("imdb", "stanfordnlp/imdb", ("negative", "positive"), 25000, 500),
    )
}
FULL = Scale(
    name="full",
    base="bert-base-uncased",
    members="p1-table8",
    attack="textfooler",
    selection=500,
    selection_attacked=100,
    epochs=3,
    rate=2e-5,
    calibration=1024,
    held_out=256,
    seeds=(0, 1, 2, 3, 4),
    table_seeds=(1, 2, 3, 4, 5),
    sets=tuple(SETS),
)
SMALL = Scale(
    name="small",
    base="sentence-transformers/all-MiniLM-L6-v2",
    members="p1-small",
    attack="deepwordbug",
    selection=200,
    selection_attacked=20,
    epochs=0.1,
    rate=1e-4,
    calibration=512,
    held_out=64,
    seeds=(0,),
    table_seeds=(1,),
    sets=("sst2",),
    examples=200,
    attacked=20,
)
SCALES = {scale.name: scale for scale in (FULL, SMALL)}


def chosen_scale(
    options: argparse.Namespace, sets: tuple[str, ...], base: str | None = None
) -> Scale:
    """The scale that the options name, with what they replace in it.

    `sets` are the data sets of the table, `base` its checkpoint at full scale. Raises SettingError
    where an option does not fit.
    """
    if options.scale not in SCALES:
        raise SettingError(f"There is no scale {options.scale!r}; choose {', '.join(SCALES)}.")
    if options.attack == "none":
        raise SettingError(
            "The tables need accuracy under attack, and the attack is none; name one: --attack "
            "NAME."
        )
    scale = SCALES[options.scale]
    names = options.sets.split(",") if options.sets else [n for n in scale.sets if n in sets]
    if unknown := [name for name in names if name not in SETS]:
        raise SettingError(f"There is no data set {unknown[0]!r}; choose from {', '.join(SETS)}.")
    seeds = _seeds(options.seeds) if options.seeds else None
    return replace(
        scale,
        base=options.base or (base if base and scale is FULL else scale.base),
        attack=options.attack or scale.attack,
        sets=tuple(names),
        seeds=seeds or scale.seeds,
        table_seeds=seeds or scale.table_seeds,
    )


def _seeds(text: str) -> tuple[int, ...]:
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise SettingError(f"--seeds is {text!r}, not a list such as 0,1,2; correct it.") from None
    for seed in seeds:
        check_seed(seed, "--seeds")
    return seeds
