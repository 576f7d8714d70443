"""Studies beside one another: their settings, their rates at one sparsity, and flip tables. Studies
in, data frames out; pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from prunescope.engine import (
    LevelResult,
    Study,
    attack_title,
    data_title,
    mcnemar,
    paired_attack,
    short_names,
    study_names,
)
from prunescope.engine.reading.flips import same_attack, same_examples
from prunescope.engine.reading.series import RATES, Value, bytes_at, neighbours, rate_at
from prunescope.engine.reading.titles import method_name_title

MOST = 12  # studies in one comparison
TITLES = {"acc": "Acc", "aua": "Aua", "asr": "Asr"}


def settings(study: Study) -> dict[str, Any]:
    """The settings of a study as people read them."""
    about, counts = study.about, study.about["counts"]
    return {
        "model": about["model"],
        "data": data_title(about["data"]),
        "method": method_name_title(about["method"]),
        "pattern": about["pattern"],
        "allocation": about.get("allocation", "uniform"),
        "layers": about.get("layers") or "–",
        "precision": about.get("precision", "fp32"),
        "calibration": counts["calibration"],
        "evaluated": counts["evaluation"],
        "attack": attack_title(about["attack"]) if about["attack"] != "none" else "none",
        "attacked": counts["attacked"],
        "seed": about["seed"],
    }


def settings_apart(studies: Sequence[Study]) -> tuple[list[str], dict[str, Any]]:
    """(settings that differ between the studies, those that are the same with their value)."""
    # Two models of one name in different folders are two models
    rows = [
        {**settings(study), "model": name.model}
        for study, name in zip(studies, study_names(studies), strict=True)
    ]
    same = {
        name: value for name, value in rows[0].items() if all(row[name] == value for row in rows)
    }
    return [name for name in rows[0] if name not in same], same


@dataclass(frozen=True, slots=True)
class Level:
    """A level of a study, measured or between two."""

    study: Study
    sparsity: float

    @property
    def measured(self) -> LevelResult | None:
        """The stored result, where this sparsity was measured."""
        return self.study.level(self.sparsity)

    def rate(self, name: str) -> Value:
        """Acc, Aua or Asr here, measured or interpolated."""
        return rate_at(self.study, self.sparsity, name) if self.study.levels else Value(None)

    def between(self) -> str:
        """Whether it was measured, or between which levels it lies."""
        if self.measured is not None:
            return "measured"
        beside = neighbours(self.study, self.sparsity)
        low, high = 100 * beside.low.sparsity, 100 * beside.high.sparsity
        return f"between {low:g} and {high:g}%" if low != high else f"as at {low:g}%, the nearest"


def compare_table(
    studies: Sequence[Study], sparsity: float, base: Level | None, only: Sequence[str]
) -> pd.DataFrame:
    """One row a study at one sparsity: the settings named in `only`, rates with intervals and
    deltas in points, size.
    """
    rows = []
    for name, study in zip(short_names(studies), studies, strict=True):
        level, values = Level(study, sparsity), settings(study)
        row: dict[str, Any] = {"study": name, **{setting: values[setting] for setting in only}}
        for rate in RATES:
            row |= _rate_cells(
                rate, level.rate(rate), base if base and _alike(base.study, study, rate) else None
            )
        size = bytes_at(study, sparsity).value
        row["size"] = None if size is None else size / 1e6
        row["[CLS] error"] = level.measured.cls_error if level.measured else None
        rows.append({**row, "values": level.between(), "key": study.key[:12]})
    return pd.DataFrame(rows)


def _alike(first: Study, second: Study, rate: str) -> bool:
    """Whether a difference of the studies' rates means anything: same examples, and for attacks the
    same attack.
    """
    return not same_examples(first, second) and (rate == "acc" or not same_attack(first, second))


def _rate_cells(name: str, value: Value, base: Level | None) -> dict[str, Any]:
    title, baseline = TITLES[name], base.rate(name).value if base else None
    rate = value.value
    return {
        title: None if rate is None else 100 * rate,
        f"Δ {title}": None if rate is None or baseline is None else 100 * (rate - baseline),
        f"{title} 95%": f"{100 * value.rate.low:.1f}–{100 * value.rate.high:.1f}"
        if value.rate
        else None,
        f"{title} n": value.rate.n if value.rate else None,
    }


def flip_table(first: LevelResult, second: LevelResult, n: int) -> tuple[pd.DataFrame, float]:
    """Without attack: the 2×2 table of right and wrong over n examples, and McNemar's exact
    p-value.
    """
    one, two = set(first.correct), set(second.correct)
    only_one, only_two, both = len(one - two), len(two - one), len(one & two)
    table = pd.DataFrame(
        {
            "without attack": ["A right", "A wrong"],
            "B right": [both, only_two],
            "B wrong": [only_one, n - both - only_one - only_two],
        }
    )
    return table, mcnemar(only_one, only_two)


def attack_flips(first: LevelResult, second: LevelResult) -> tuple[pd.DataFrame, float, int]:
    """Under attack: the 2×2 table of withstanding and failing over the attacked examples that both
    get right, p, and their number.
    """
    pair = paired_attack(first.attacks, second.attacks)
    table = pd.DataFrame(
        {
            "under attack": ["A withstands", "A fails"],
            "B withstands": [pair.both_hold, pair.only_first_breaks],
            "B fails": [pair.only_second_breaks, pair.both_break],
        }
    )
    return table, pair.p_value, pair.first.n
