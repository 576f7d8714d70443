"""Studies beside one another: their settings, their rates at one sparsity, and flip tables. Studies
in, data frames out; pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from prunescope.app.charts.palette import GREY, ink, tone
from prunescope.engine import (
    LevelResult,
    SafeSparsity,
    Study,
    attack_title,
    data_title,
    has_collapsed,
    mcnemar,
    paired_attack,
    short_names,
    study_names,
)
from prunescope.engine.reading.changes import Change
from prunescope.engine.reading.comparison import Compared
from prunescope.engine.reading.series import RATES, model_bytes
from prunescope.engine.reading.titles import method_name_title

MOST = 12  # studies in one comparison
TITLES = {"acc": "Acc", "aua": "Aua", "asr": "Asr"}
MEANINGLESS = ("Aua", "Asr", "note")  # columns that are faded where a model has collapsed


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
        "tuning": about.get("recover", "off"),
        "calibration": counts["calibration"],
        "further texts": ", ".join(about.get("calibration_data", ())) or "–",
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
    """A sparsity of a study."""

    study: Study
    sparsity: float

    @property
    def measured(self) -> LevelResult | None:
        """The stored result, where this sparsity was measured."""
        return self.study.level(self.sparsity)

    @property
    def collapsed(self) -> bool:
        """Whether it was measured and its model has collapsed."""
        level = self.measured
        return level is not None and has_collapsed(self.study, level)


def compare_table(
    rows: Sequence[Compared], safe: Mapping[str, SafeSparsity | None], only: Sequence[str]
) -> pd.DataFrame:
    """One row a study at one sparsity, for a file: the settings named in `only`, the safe sparsity,
    rates with intervals, changes in points with their p-values, size. What was not measured at
    this sparsity is empty.
    """
    names = short_names([row.study for row in rows])
    return pd.DataFrame(
        [
            {
                "study": name,
                "note": row.note or None,
                **_settings_of(row.study, only),
                **_safe_cells(safe.get(row.study.key)),
                **_measured_cells(row),
                "key": row.study.key[:12],
            }
            for name, row in zip(names, rows, strict=True)
        ]
    )


def _settings_of(study: Study, only: Sequence[str]) -> dict[str, Any]:
    values = settings(study)
    return {name: values[name] for name in only}


def _safe_cells(safe: SafeSparsity | None) -> dict[str, Any]:
    return {
        "safe up to": None if safe is None else 100 * safe.sure,
        "best guess": None if safe is None else 100 * safe.sparsity,
    }


def _measured_cells(row: Compared) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name in RATES:
        title, rate, change = TITLES[name], row.rate(name), row.changes.get(name)
        cells |= {
            title: None if rate is None or rate.value is None else 100 * rate.value,
            f"{title} 95%": None if rate is None else f"{100 * rate.low:.1f}–{100 * rate.high:.1f}",
            f"{title} n": None if rate is None else rate.n,
            f"Δ {title}": change.points if change else None,
            f"p {title}": change.p if change else None,
        }
    level = row.level
    return cells | {
        "size": None if level is None else model_bytes(row.study, level) / 1e6,
        "[CLS] error": None if level is None else level.cls_error,
    }


def styled(rows: Sequence[Compared], table: pd.DataFrame, dark: bool) -> Styler:
    """The table for the screen: changes as text, in colour only where a test supports them, and a
    collapsed model's rates faded.
    """
    frame = table.drop(columns=[name for name in table if name.startswith("p ")])
    texts = {
        f"Δ {title}": [_change_text(row, name) for row in rows]
        for name, title in TITLES.items()
        if f"Δ {title}" in frame
    }
    faded, empty = f"color: {ink(GREY, dark)}", ""

    def colours(column: pd.Series) -> list[str]:
        name = next((name for name, title in TITLES.items() if column.name == f"Δ {title}"), "")
        if name:
            return [_change_colour(row.changes.get(name), dark) or faded for row in rows]
        meaningless = str(column.name).startswith(MEANINGLESS)
        return [faded if row.collapsed and meaningless else empty for row in rows]

    styler: Styler = frame.assign(**texts).style.apply(colours, axis=0)
    return styler


def _change_text(row: Compared, measure: str) -> str | None:
    change = row.changes.get(measure)
    if change is None or change.points is None:
        return None
    return f"{change.points_text} ({change.p_text})" if change.p_text else change.points_text


def _change_colour(change: Change | None, dark: bool) -> str:
    return "" if change is None or change.better is None else f"color: {tone(change.better, dark)}"


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
