"""Figures in words, and the bundled studies by what they are about."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prunescope import engine
from prunescope.engine import (
    AttackRecord,
    LevelResult,
    Rate,
    Statistic,
    Store,
    Study,
    paired_difference,
    usual_allocation,
)
from prunescope.engine.attacks.metrics import WITHSTOOD
from prunescope.engine.paths import BUNDLED
from prunescope.engine.pruning.methods import canonical_name
from prunescope.engine.reading.findings import ClaimTest, compare, unmeasured
from prunescope.engine.reading.titles import method_name_title, tuning_title
from prunescope.engine.reading.verdicts import has_collapsed, percent

# in the order of columns
ATTACKS = {name: engine.ATTACKS[name] for name in ("deepwordbug", "textfooler", "textbugger")}


def share(rate: Rate | None) -> str:
    """A rate with its interval, in per cent."""
    if rate is None or rate.value is None:
        return "–"
    return f"{100 * rate.value:.1f} [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


def bare(rate: Rate | None) -> str:
    """A rate without its interval, in per cent."""
    return "–" if rate is None or rate.value is None else f"{100 * rate.value:.1f}"


def points(metric: Statistic) -> str:
    """A difference in points with its interval, bold where the interval leaves out zero."""
    if metric.value is None:
        return "–"
    text = f"{100 * metric.value:+.1f} [{100 * metric.low:+.1f}, {100 * metric.high:+.1f}]"
    return f"**{text}**" if metric.low > 0 or metric.high < 0 else text


def level_name(sparsity: float) -> str:
    """A sparsity in per cent."""
    return percent(sparsity)


def baseline_name(name: str) -> str:
    """The name of a baseline as it is stored, with percentages as the page writes them."""
    return name.replace(" %", "%")


def rows(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is left, the others are as they come."""
    head = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*head, *("| " + " | ".join(line) + " |" for line in lines)]) + "\n"


def shipped() -> list[Study]:
    """The studies that the dashboard shows, with their levels."""
    return _all(BUNDLED)


def evidence(name: str) -> list[Study]:
    """The studies of one sweep that only this page reads."""
    return _all(BUNDLED / "evidence" / name)


def _all(folder: Path) -> list[Study]:
    store = Store(BUNDLED / "no-such-cache", bundled=folder)
    studies = [store.study(study.key) for study in store.studies() if study.bundled]
    if store.notices:
        raise SystemExit(store.notices[0])
    return [_under_todays_names(study) for study in studies if study is not None]


def _under_todays_names(study: Study) -> Study:
    """A stored study may hold the former name of its method."""
    return replace(study, about={**study.about, "method": canonical_name(study.about["method"])})


def about(studies: Iterable[Study], **settings: Any) -> list[Study]:
    """Those whose settings are the ones named, in their order."""
    return [
        study
        for study in studies
        if all(study.about[name] == value for name, value in settings.items())
    ]


def usual(study: Study) -> bool:
    """Whether it spreads sparsity over layers as its method does unless asked otherwise, and tunes
    nothing afterwards.
    """
    as_usual = study.about["allocation"] == usual_allocation(study.about)
    return as_usual and not tuning_title(study.about)


def right(level: LevelResult, n: int) -> list[bool]:
    """Whether each evaluated row is classified correctly."""
    correct = set(level.correct)
    return [row in correct for row in range(n)]


def holding(records: Sequence[AttackRecord]) -> list[bool]:
    """Whether each attacked example is right and stays so, in the order of the examples."""
    return [
        record.outcome in WITHSTOOD for record in sorted(records, key=lambda record: record.example)
    ]


def acc_difference(
    first: Study, second: Study, sparsity: float, of_first: float | None = None
) -> Statistic:
    """Accuracy of the second study's level minus the first's (at `of_first`, else the same), on the
    same rows.
    """
    n = first.about["counts"]["evaluation"]
    first_level, second_level = (
        first.level(sparsity if of_first is None else of_first),
        second.level(sparsity),
    )
    if (
        first_level is None
        or second_level is None
        or first.identity["evaluation"] != second.identity["evaluation"]
    ):
        return Statistic(None, 0, -1.0, 1.0)
    return paired_difference([right(first_level, n)], [right(second_level, n)])


def aua_difference(
    first: Study, second: Study, sparsity: float, of_first: float | None = None
) -> Statistic:
    """The same of accuracy under attack, on the same attacked examples."""
    first_level, second_level = (
        first.level(sparsity if of_first is None else of_first),
        second.level(sparsity),
    )
    if (
        first_level is None
        or second_level is None
        or not first_level.attacks
        or not second_level.attacks
    ):
        return Statistic(None, 0, -1.0, 1.0)
    if {record.example for record in first_level.attacks} != {
        record.example for record in second_level.attacks
    }:
        return Statistic(None, 0, -1.0, 1.0)
    return paired_difference([holding(first_level.attacks)], [holding(second_level.attacks)])


def by_attack(studies: Iterable[Study]) -> Mapping[str, Study]:
    """Attack → study."""
    return {study.about["attack"]: study for study in studies}


def acc_test(
    setting: str,
    first: Study | None,
    second: Study | None,
    sparsity: float,
    of_first: float | None = None,
    *,
    claimed: int = 1,
) -> ClaimTest:
    """The accuracy of the second study's level against the first's, on the same rows."""
    pair = _levels(first, second, sparsity, of_first)
    if pair is None or first is None or second is None:
        return unmeasured(setting, "not run")
    if first.identity["evaluation"] != second.identity["evaluation"]:
        return unmeasured(setting, "not run on the same examples")
    n = first.about["counts"]["evaluation"]
    return compare(setting, right(pair[0], n), right(pair[1], n), "Acc", claimed=claimed)


def aua_test(
    setting: str,
    first: Study | None,
    second: Study | None,
    sparsity: float,
    of_first: float | None = None,
    *,
    claimed: int = 1,
) -> ClaimTest:
    """The same of accuracy under attack; a collapsed model is not tested."""
    pair = _levels(first, second, sparsity, of_first)
    if pair is None or first is None or second is None or not all(part.attacks for part in pair):
        return unmeasured(setting, "not run")
    if len({frozenset(record.example for record in part.attacks) for part in pair}) > 1:
        return unmeasured(setting, "not run on the same examples")
    for study, level in zip((first, second), pair, strict=True):
        if has_collapsed(study, level):
            name = method_name_title(study.about["method"])
            return unmeasured(setting, f"{name} has collapsed ({bare(level.acc)} Acc)")
    rows_of = [holding(part.attacks) for part in pair]
    return compare(setting, *rows_of, "Aua", claimed=claimed)


def heading_anchor(heading: str) -> str:
    """The anchor that a heading gets on the site and on GitHub."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def _levels(
    first: Study | None, second: Study | None, sparsity: float, of_first: float | None
) -> tuple[LevelResult, LevelResult] | None:
    """What is compared; None where one of the two was not measured."""
    if first is None or second is None:
        return None
    before = first.level(sparsity if of_first is None else of_first)
    after = second.level(sparsity)
    return None if before is None or after is None else (before, after)
