"""Names beside marks of a scatter chart, each with a line to its mark, where they hide the fewest
marks and no other name.

The page's width is not known here, so a position is chosen that does on a phone and on a wide
screen.
"""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from prunescope.app.charts.palette import GREY, PAGE
from prunescope.app.charts.text import for_chart

Floats = NDArray[np.float64]
Boxes = Floats  # (n, 4) pixels: left, bottom, right, top
WIDTHS, HEIGHT = (280, 1000), 290  # pixels of the plot on a phone and on a wide screen
# of a name from its mark, in pixels
SHIFTS = np.array([(x, y) for y in range(-90, 91, 9) for x in range(-120, 121, 20) if abs(y) >= 18])
LETTER = 6.2  # pixels that a letter is wide, about


def name_marks(figure: go.Figure, marks: pd.DataFrame, dark: bool) -> None:
    """Annotate the marks that have a `name`. `marks` has one row a mark: `name`, `x`, `y`, and the
    ends of its interval `low` and `high`.
    """
    if marks["name"].isna().all():
        return
    left, width = marks["x"].min(), np.ptp(marks["x"]) or 1
    bottom, height = marks["low"].min(), (marks["high"].max() - marks["low"].min()) or 1
    share = ((marks["x"] - left) / width).to_numpy(dtype=float)
    low, high = (
        ((marks[end] - bottom) / height * HEIGHT).to_numpy(dtype=float) for end in ("low", "high")
    )
    taken = {
        pixels: np.stack([share * pixels - 6, low - 6, share * pixels + 6, high + 6], axis=1)
        for pixels in WIDTHS
    }
    names = {pixels: np.empty((0, 4)) for pixels in WIDTHS}
    for mark in marks[marks["name"].notna()].sort_values("x").itertuples():
        boxes = _boxes(
            str(mark.name),
            (float(mark.x) - left) / width,
            (float(mark.y) - bottom) / height * HEIGHT,
        )
        best = int(_cost(boxes, taken, names).argmin())
        names = {pixels: np.vstack([names[pixels], boxes[pixels][best]]) for pixels in WIDTHS}
        figure.add_annotation(
            x=mark.x,
            y=mark.y,
            ax=int(SHIFTS[best, 0]),
            ay=-int(SHIFTS[best, 1]),
            text=for_chart(str(mark.name)),
            bgcolor=PAGE[dark],
            borderpad=1,
            arrowhead=0,
            arrowwidth=1,
            arrowcolor=GREY,
            standoff=6,
        )


def _boxes(name: str, across: float, up: float) -> dict[int, Boxes]:
    """By the plot's width: the box that the name fills at each of `SHIFTS` from its mark, which is
    `across` (a share of the width) and `up` (pixels).
    """
    half = LETTER / 2 * len(name) + 4
    middle = up + SHIFTS[:, 1]
    return {
        pixels: np.stack(
            [
                across * pixels + SHIFTS[:, 0] - half,
                middle - 9,
                across * pixels + SHIFTS[:, 0] + half,
                middle + 9,
            ],
            axis=1,
        )
        for pixels in WIDTHS
    }


def _cost(boxes: dict[int, Boxes], taken: dict[int, Boxes], names: dict[int, Boxes]) -> Floats:
    """How bad each shift is: far from its mark, over other names, over marks, outside the plot."""
    cost: Floats = np.hypot(SHIFTS[:, 0], SHIFTS[:, 1])
    for pixels, box in boxes.items():
        before = np.maximum(0, -box[:, :2]).sum(1)
        beyond = np.maximum(0, box[:, 2:] - (pixels, HEIGHT)).sum(1)
        outside = before + beyond
        cost = (
            cost
            + 500 * _overlaps(box, names[pixels])
            + 80 * _overlaps(box, taken[pixels])
            + 2 * outside
        )
    return cost


def _overlaps(boxes: Boxes, others: Boxes) -> NDArray[np.int64]:
    """How many of the others each box overlaps."""
    apart = (boxes[:, None, :2] >= others[None, :, 2:]) | (
        others[None, :, :2] >= boxes[:, None, 2:]
    )
    count: NDArray[np.int64] = (~apart.any(axis=2)).sum(axis=1)
    return count
