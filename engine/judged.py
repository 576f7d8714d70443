"""Sets of fine-tuned members and their averages, as they were judged: read from the bundle and from the user's cache.

    members/<name>/members.json        the members of a recipe with their scores
    members/<name>/average-<by>.json   how an average of them came about
    members/<name>/evaluation.json     members and averages on the evaluation rows, dense and pruned

Only figures are read here, so a page that shows them imports neither torch nor transformers.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.records import Rate
from engine.store import Store

ORDERS = ("uniform", "acc", "aua")


@dataclass(frozen=True, slots=True)
class Judged:
    """What one dense model reaches on the judging rows."""

    acc: Rate
    aua: Rate | None


@dataclass(frozen=True, slots=True)
class Member:
    """One fine-tuned member; `judged` is None where it diverged."""

    name: str
    settings: dict[str, Any]  # of its fine-tuning, see engine.training.spec
    status: str  # "trained", "diverged", "guessing"
    reason: str  # why it is left out, if it is
    judged: Judged | None
    averaged: bool  # in the victim that ships


@dataclass(frozen=True, slots=True)
class Trial:
    """One decision of an average: the average with this member, and whether it was kept."""

    member: str
    judged: Judged
    taken: bool


@dataclass(frozen=True, slots=True)
class MadeAverage:
    """How an average came about."""

    by: str  # "uniform", "acc", "aua"
    trials: tuple[Trial, ...]
    ingredients: tuple[str, ...]
    judged: Judged


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A member or an average on the evaluation rows, dense or pruned."""

    model: str
    sparsity: float
    judged: Judged


@dataclass(frozen=True, slots=True)
class MemberSet:
    """The members of one recipe on one data set."""

    name: str
    folder: Path
    bundled: bool
    base: str
    data: str
    about: str
    training_rows: int
    selection: dict[str, Any]  # rows, attack, attacked, seed
    members: tuple[Member, ...]
    averages: dict[str, MadeAverage]  # by "uniform", "acc", "aua"
    evaluated: tuple[Evaluated, ...] = ()  # on the evaluation rows; empty where nobody measured it
    evaluation: dict[str, Any] | None = None  # how: attack, method, counts, seed


def member_sets(store: Store) -> list[MemberSet]:
    """All sets with judged members: bundled ones first, of those the ones that were evaluated.

    What cannot be read is named in the store's notices.
    """
    found = []
    for base, bundled in ((store.bundled, True), (store.root, False)):
        for path in sorted((base / "members").glob("*/members.json")):
            try:
                found.append(_read(path, bundled))
            except (OSError, ValueError, KeyError, TypeError) as error:
                store.notices.append(f"The members in {path.parent} cannot be read ({type(error).__name__}: {error}); make them "
                                     "again with `python -m engine members`.")  # fmt: skip
    return sorted(found, key=lambda one: (not one.bundled, not one.evaluated, one.name))


def _read(path: Path, bundled: bool) -> MemberSet:
    manifest = json.loads(path.read_text(encoding="utf-8"))
    averages = {}
    for by in ORDERS:
        file = path.parent / f"average-{by}.json"
        if file.is_file():
            averages[by] = _average(json.loads(file.read_text(encoding="utf-8")))
    members = tuple(
        Member(entry["name"], entry["spec"], entry["status"], entry["reason"], _judged(entry), entry["averaged"])
        for entry in manifest["members"]
    )
    evaluated, how = _evaluation(path.parent / "evaluation.json")
    return MemberSet(path.parent.name, path.parent, bundled, manifest["base"], manifest["data_name"], manifest["about"],
                     manifest["rows"], manifest["selection"], members, averages, evaluated, how)  # fmt: skip


def _evaluation(file: Path) -> tuple[tuple[Evaluated, ...], dict[str, Any] | None]:
    if not file.is_file():
        return (), None
    record = json.loads(file.read_text(encoding="utf-8"))
    rows = record.pop("levels")
    return tuple(Evaluated(row["model"], row["sparsity"], _surely(row)) for row in rows), record


def _average(record: dict[str, Any]) -> MadeAverage:
    trials = tuple(Trial(step["member"], _surely(step), step["taken"]) for step in record["steps"])
    return MadeAverage(record["by"], trials, tuple(record["ingredients"]), _surely(record))


def _judged(entry: dict[str, Any]) -> Judged | None:
    return None if entry["acc"] is None else _surely(entry)


def _surely(entry: dict[str, Any]) -> Judged:
    return Judged(Rate(**entry["acc"]), None if entry["aua"] is None else Rate(**entry["aua"]))
