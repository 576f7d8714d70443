"""Tables of subnetworks in and out of distribution: read from the bundle and from the user's cache.

    subnetworks/<name>/table.json    a recipe with what every one of its cells reached

Only figures are read here, so a page that shows them imports neither torch nor transformers.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prunescope.engine.evaluation.statistics import Statistic, bits_from_hex
from prunescope.engine.records import Rate
from prunescope.engine.store import Store

TABLE = "table.json"


@dataclass(frozen=True, slots=True)
class MeasuredSet:
    """One model on one set."""

    name: str
    metric: str  # the one that counts here
    figures: dict[str, Statistic]  # "accuracy", "f1_weighted", "f1_binary"
    groups: dict[str, dict[str, Statistic]]  # column → value → accuracy
    correct: tuple[bool, ...]  # row by row

    @property
    def headline(self) -> Statistic:
        """The metric that counts on this set."""
        return self.figures[self.metric]


@dataclass(frozen=True, slots=True)
class SubnetworkRun:
    """One cell of a table with one seed."""

    cell: str
    method: str  # "full", "mask", "imp", "hard-concrete", "isolated"
    loss: str
    schedule: str  # "fixed", "gradual"
    init: str
    sparsity: float  # asked for
    achieved: float  # zeros / prunable weights
    seed: int
    seconds: float
    inside: MeasuredSet
    outside: tuple[MeasuredSet, ...]
    gaps: dict[str, Statistic] = field(default_factory=dict)  # by set: ID − OOD
    aua: Rate | None = None  # accuracy under attack on rows of the inside set
    adversarial: str = "none"  # how its training was attacked: "freelb", "pgd", "smart"
    rewind: bool = False  # imp: the start's own weights under the mask


@dataclass(frozen=True, slots=True)
class SubnetworkTable:
    """A recipe's cells, as far as they are measured."""

    name: str
    folder: Path
    bundled: bool
    title: str
    about: str
    # what keeps the figures from being compared with published ones; empty where nothing does
    stand_in: str
    recipe: dict[str, Any]
    bias: dict[str, Any]  # how the bias model was made and what it reaches alone
    rows: dict[str, int]
    runs: tuple[SubnetworkRun, ...]
    planned: int


def subnetwork_tables(store: Store) -> list[SubnetworkTable]:
    """All tables, bundled ones first. What cannot be read is named in the store's notices."""
    tables = []
    for base, bundled in ((store.bundled, True), (store.root, False)):
        for path in sorted((base / "subnetworks").glob(f"*/{TABLE}")):
            try:
                tables.append(_read(path, bundled))
            except (OSError, ValueError, KeyError, TypeError) as error:
                store.notices.append(
                    f"The table {path} cannot be read ({type(error).__name__}: {error}); make it "
                    "again with `prunescope subnetworks`."
                )
    return tables


def _read(path: Path, bundled: bool) -> SubnetworkTable:
    table = json.loads(path.read_text(encoding="utf-8"))
    recipe = table["recipe"]
    return SubnetworkTable(
        path.parent.name,
        path.parent,
        bundled,
        recipe["title"],
        recipe.get("about", ""),
        recipe.get("stand_in", ""),
        recipe,
        table["bias"],
        table["rows"],
        tuple(_run(entry) for entry in table["runs"]),
        table["planned"],
    )


def _run(entry: dict[str, Any]) -> SubnetworkRun:
    names = (
        "cell",
        "method",
        "loss",
        "schedule",
        "init",
        "sparsity",
        "achieved",
        "seed",
        "seconds",
    )
    return SubnetworkRun(
        **{name: entry[name] for name in names},
        inside=_set(entry["id"]),
        outside=tuple(_set(figures) for figures in entry["ood"]),
        gaps={name: Statistic(**figures) for name, figures in entry["gaps"].items()},
        aua=Rate(**entry["aua"]) if entry.get("aua") else None,
        adversarial=entry.get("adversarial", "none"),
        rewind=entry.get("rewind", False),
    )


def _set(entry: dict[str, Any]) -> MeasuredSet:
    figures = {
        name: Statistic(**entry[name])
        for name in ("accuracy", "f1_weighted", "f1_binary")
        if entry[name]
    }
    groups = {
        column: {value: Statistic(**figure) for value, figure in values.items()}
        for column, values in entry["groups"].items()
    }
    return MeasuredSet(
        entry["name"],
        entry["metric"],
        figures,
        groups,
        tuple(bits_from_hex(entry["correct"], figures["accuracy"].n)),
    )
