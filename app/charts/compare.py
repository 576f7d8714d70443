"""Studies beside one another: tables, the Pareto front, and flip tables. Studies in, data frames
and figures out; pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from prunescope.app.charts.curves import dressed
from prunescope.app.charts.palette import GREY, PAGE, STUDIES, ink
from prunescope.app.components.text import for_chart
from prunescope.engine import (
    BaselineTable,
    LevelResult,
    Rate,
    Study,
    attack_title,
    data_title,
    is_collapsed,
    mcnemar,
    paired_attack,
    short_names,
    study_names,
)
from prunescope.engine.reading.flips import same_attack, same_examples
from prunescope.engine.reading.series import (
    RATES,
    Value,
    bytes_at,
    model_bytes,
    neighbours,
    rate_at,
)

MOST = 12  # studies in one comparison
TITLES = {"acc": "Acc", "aua": "Aua", "asr": "Asr"}
COLUMNS = [
    "place",
    "study",
    "key",
    "sparsity",
    "size",
    "group",
    "guesses",
    *(f"{rate}{end}" for rate in TITLES for end in ("", "_low", "_high", "_n")),
]
Boxes = NDArray[np.float64]  # (n, 4) pixels: left, bottom, right, top
WIDTHS, HEIGHT = (280, 1000), 290  # pixels of the plot on a phone and on a wide screen
SHIFTS = np.array(
    [(x, y) for y in range(-90, 91, 9) for x in range(-120, 121, 20) if abs(y) >= 18]
)  # of a name from its mark
AXES = {"sparsity": "sparsity of the prunable weights", "size": "size of the packed model, MB"}


def look(place: int) -> tuple[str, str, str]:
    """Colour, dash and marker of a study; beyond the sixth the colours come again with other dashes
    and open markers.
    """
    colour, dash, marker = STUDIES[place % len(STUDIES)]
    return (
        (colour, dash, marker)
        if place < len(STUDIES)
        else (colour, STUDIES[(place + 1) % len(STUDIES)][1], f"{marker}-open")
    )


def settings(study: Study) -> dict[str, Any]:
    """The settings of a study as people read them."""
    about, counts = study.about, study.about["counts"]
    return {
        "model": about["model"],
        "data": data_title(about["data"]),
        "method": about["method"],
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
        return self.study.level(self.sparsity)

    def rate(self, name: str) -> Value:
        return rate_at(self.study, self.sparsity, name) if self.study.levels else Value(None)

    def between(self) -> str:
        """ "measured", or between which levels it lies."""
        if self.measured is not None:
            return "measured"
        beside = neighbours(self.study, self.sparsity)
        low, high = 100 * beside.low.sparsity, 100 * beside.high.sparsity
        return f"between {low:g} and {high:g} %" if low != high else f"as at {low:g} %, the nearest"


def compare_table(
    studies: Sequence[Study], sparsity: float, base: Level | None, only: Sequence[str]
) -> pd.DataFrame:
    """One row a study at one sparsity: the settings named in `only`, rates with intervals and
    deltas in points, size.
    """
    rows = []
    for name, study in zip(short_names(studies), studies, strict=True):
        level, told = Level(study, sparsity), settings(study)
        row: dict[str, Any] = {"study": name, **{setting: told[setting] for setting in only}}
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
    title, there = TITLES[name], base.rate(name).value if base else None
    here = value.value
    return {
        title: None if here is None else 100 * here,
        f"Δ {title}": None if here is None or there is None else 100 * (here - there),
        f"{title} 95 %": f"{100 * value.rate.low:.1f} – {100 * value.rate.high:.1f}"
        if value.rate
        else None,
        f"{title} n": value.rate.n if value.rate else None,
    }


def points(studies: Sequence[Study]) -> pd.DataFrame:
    """One row a measured level of every study: where it stands, and the group within which a front
    makes sense.
    """
    rows = []
    for place, (name, study) in enumerate(zip(short_names(studies), studies, strict=True)):
        for level in study.levels:
            row: dict[str, Any] = {
                "place": place,
                "study": name,
                "key": study.key[:12],
                "sparsity": 100 * level.sparsity,
                "size": model_bytes(study, level) / 1e6,
                "group": _group(study),
            }
            rows.append(
                row
                | _rates(level)
                | {"guesses": is_collapsed(level.acc, len(study.about["label_names"]))}
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def alternatives(studies: Sequence[Study], tables: Sequence[BaselineTable]) -> pd.DataFrame:
    """The same of other ways to a smaller model than pruning, where one of the studies is the one
    they were measured beside.

    Models that only guess are left out.
    """
    open_ones, rows = {study.key: study for study in studies}, []
    for table in tables:
        study = open_ones.get(table.about["study"])
        for other in table.rows if study is not None else ():
            guessing = table.is_collapsed(other) or is_collapsed(
                other.acc, len(study.about["label_names"])
            )
            if other.kind not in ("dense", "pruned") and not guessing:
                rows.append(
                    {
                        "place": MOST,
                        "study": other.name,
                        "key": f"{study.key[:8]} {other.name}",
                        "group": _group(study),
                        "guesses": False,
                        "sparsity": 100 * other.sparsity,
                        "size": other.file_bytes / 1e6,
                        **_rates(other),
                    }
                )
    return pd.DataFrame(rows, columns=COLUMNS)


def _rates(of: object) -> dict[str, float | int | None]:
    """Acc, Aua and Asr in per cent with their intervals."""
    told: dict[str, float | int | None] = {}
    for rate in RATES:
        found: Rate | None = getattr(of, rate)
        value = None if found is None else found.value
        known = found if value is not None else None
        told |= {
            rate: None if value is None else 100 * value,
            f"{rate}_low": 100 * known.low if known else None,
            f"{rate}_high": 100 * known.high if known else None,
            f"{rate}_n": known.n if known else None,
        }
    return told


def _group(study: Study) -> str:
    """Rates of one group are of the same examples and, where attacked, of the same attack."""
    return (
        f"{study.identity.get('evaluation', study.key)[:8]} {study.about['attack']} "
        f"{study.about['counts']['attacked']}"
    )


def front(table: pd.DataFrame, y: str, x: str) -> pd.DataFrame:
    """The rows that no other row of their group beats: higher y (lower for Asr), higher sparsity or
    smaller size.

    A row is beaten where another is at least as good in both and better in one. Acc needs no
    attack, so its groups are those of the same examples. Under attack a victim that guesses is in
    no front: it holds on every row that its one answer fits.
    """
    known = table[table[y].notna() & ((y == "acc") | ~table["guesses"].astype(bool))]
    group = known["group"].str[:8] if y == "acc" else known["group"]
    good = np.stack(
        [
            known[y].astype(float) * (-1 if y == "asr" else 1),
            known[x] * (1 if x == "sparsity" else -1),
        ],
        axis=1,
    )
    at_least = (good[:, None] >= good[None]).all(
        axis=2
    )  # (n, n): whether a row is as good in both as another
    better = (good[:, None] > good[None]).any(axis=2)
    same = group.to_numpy()[:, None] == group.to_numpy()[None]
    ahead = ~(at_least & better & same).any(axis=0)
    return known[ahead].assign(front=group[ahead]).sort_values(["front", x]).reset_index(drop=True)


def pareto(
    table: pd.DataFrame, best: pd.DataFrame, y: str, x: str, dark: bool = False
) -> go.Figure:
    """Every measured level, those of the front at full strength and joined by a staircase."""
    figure = go.Figure()
    for part in (best[best["front"] == name] for name in best["front"].unique()):
        figure.add_scatter(
            x=part[x],
            y=part[y],
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
            name="front",
            line={"color": GREY, "width": 2, "shape": "vh" if x == "sparsity" else "hv"},
        )
    ahead = set(zip(best["key"], best["sparsity"], strict=True))
    for place in sorted(table["place"].unique()):
        part = table[(table["place"] == place) & table[y].notna()]
        colour, _, marker = look(int(place))
        if len(part):
            if named := place == MOST:  # every alternative has its name beside it
                colour, marker = ink(GREY, dark), "diamond"
            name = "alternatives" if named else for_chart(str(part["study"].iloc[0]))
            strong = [
                (key, sparsity) in ahead
                for key, sparsity in zip(part["key"], part["sparsity"], strict=True)
            ]
            spread = {
                end: [
                    abs(value) if one else None
                    for value, one in zip(part[f"{y}_{end}"] - part[y], strong, strict=True)
                ]
                for end in ("low", "high")
            }
            figure.add_scatter(
                x=part[x],
                y=part[y],
                mode="markers",
                name=name,
                text=part["study"].map(for_chart) if named else None,
                marker={
                    "symbol": marker,
                    "color": colour,
                    "size": [11 if one else 7 for one in strong],
                    "opacity": [1.0 if one else 0.45 for one in strong],
                },
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": spread["high"],
                    "arrayminus": spread["low"],
                    "color": colour,
                    "thickness": 1.2,
                    "width": 0,
                },  # a cap would show where there is no bar too
                customdata=part[["sparsity", "size", f"{y}_low", f"{y}_high", f"{y}_n"]].to_numpy(),
                hovertemplate=f"{'%{text}' if named else name} at %{{customdata[0]:g}} %, "
                "%{customdata[1]:.1f} MB<br>"
                f"{TITLES[y]} %{{y:.1f}} % "
                "[%{customdata[2]:.1f}, %{customdata[3]:.1f}], n = %{customdata[4]}<extra></extra>",
            )
    _name_alternatives(figure, table[table[y].notna()], ahead, x, y, dark)
    figure.update_yaxes(
        ticksuffix=" %", title_text=TITLES[y], rangemode="tozero" if y == "asr" else "normal"
    )
    figure.update_xaxes(
        title_text=AXES[x], ticksuffix=" %" if x == "sparsity" else "", showgrid=False, tickangle=0
    )
    return dressed(figure, dark, 440, kept=f"pareto-{x}-{y}")


def _name_alternatives(
    figure: go.Figure,
    there: pd.DataFrame,
    ahead: set[tuple[str, float]],
    x: str,
    y: str,
    dark: bool,
) -> None:
    """The alternatives' names, each with a line to its mark, where they hide the fewest marks and
    no other name.

    The page's width is not known here, so a place is chosen that does on a phone and on a wide
    screen.
    """
    if not (there["place"] == MOST).any():
        return
    strong = np.array(
        [pair in ahead for pair in zip(there["key"], there["sparsity"], strict=True)], dtype=bool
    )
    low, high = (
        there[f"{y}_{end}"].astype(float).where(strong, there[y]).to_numpy()
        for end in ("low", "high")
    )
    left, across, bottom, up = (
        there[x].min(),
        np.ptp(there[x]) or 1,
        low.min(),
        (high.max() - low.min()) or 1,
    )
    at, below, above = (
        (there[x].to_numpy() - left) / across,
        (low - bottom) / up * HEIGHT,
        (high - bottom) / up * HEIGHT,
    )
    taken = {
        width: np.stack([at * width - 6, below - 6, at * width + 6, above + 6], axis=1)
        for width in WIDTHS
    }
    names = {width: np.empty((0, 4)) for width in WIDTHS}
    for row in there[there["place"] == MOST].sort_values(x).itertuples():
        right, half = (
            (getattr(row, x) - left) / across,
            3.1 * len(row.study) + 4,
        )  # a letter is some six pixels wide
        up_at = (getattr(row, y) - bottom) / up * HEIGHT + SHIFTS[:, 1]
        boxes = {
            width: np.stack(
                [
                    right * width + SHIFTS[:, 0] - half,
                    up_at - 9,
                    right * width + SHIFTS[:, 0] + half,
                    up_at + 9,
                ],
                axis=1,
            )
            for width in WIDTHS
        }
        cost = np.hypot(SHIFTS[:, 0], SHIFTS[:, 1])
        for width, box in boxes.items():
            outside = np.maximum(0, -box[:, :2]).sum(1) + np.maximum(
                0, box[:, 2:] - (width, HEIGHT)
            ).sum(1)
            cost = cost + 500 * _met(box, names[width]) + 80 * _met(box, taken[width]) + 2 * outside
        best = int(cost.argmin())
        names = {width: np.vstack([names[width], boxes[width][best]]) for width in WIDTHS}
        figure.add_annotation(
            x=getattr(row, x),
            y=getattr(row, y),
            ax=int(SHIFTS[best, 0]),
            ay=-int(SHIFTS[best, 1]),
            text=for_chart(row.study),
            bgcolor=PAGE[dark],
            borderpad=1,
            arrowhead=0,
            arrowwidth=1,
            arrowcolor=GREY,
            standoff=6,
        )


def _met(boxes: Boxes, others: Boxes) -> NDArray[np.int64]:
    """How many of the others each box overlaps."""
    apart = (boxes[:, None, :2] >= others[None, :, 2:]) | (
        others[None, :, :2] >= boxes[:, None, 2:]
    )
    met: NDArray[np.int64] = (~apart.any(axis=2)).sum(axis=1)
    return met


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
    """Under attack: the 2×2 table of held and broken over the attacked examples that both get
    right, p, and their number.
    """
    pair = paired_attack(first.attacks, second.attacks)
    table = pd.DataFrame(
        {
            "under attack": ["A holds", "A breaks"],
            "B holds": [pair.both_hold, pair.only_first_breaks],
            "B breaks": [pair.only_second_breaks, pair.both_break],
        }
    )
    return table, pair.p_value, pair.first.n
