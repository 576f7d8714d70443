"""Colours of a Plotly figure on white paper, in colour or in black and greys."""

import re
from collections.abc import Sequence
from typing import Any

from matplotlib.colors import LinearSegmentedColormap, to_rgba

from prunescope.app.charts.light import PAPER, TEXT, on_light

Colour = tuple[float, float, float, float]
_RGB = re.compile(r"rgba?\(([^)]*)\)")
GREYS = (0.0, 0.42, 0.62)  # of the first, second and third series; then again with other dashes


class Palette:
    """The colours of one figure; with `mono` each of its hues is a grey of its own."""

    def __init__(self, mono: bool = False) -> None:
        self.mono = mono
        self._greys: dict[tuple[float, ...], float] = {}

    def mark(self, colour: object, default: str = TEXT) -> Colour:
        """The colour of a line, a marker or a text."""
        red, green, blue, alpha = rgba(colour, default)
        if not self.mono or max(red, green, blue) - min(red, green, blue) < 0.06:
            return red, green, blue, alpha
        hue = (red, green, blue)
        grey = self._greys.setdefault(hue, GREYS[len(self._greys) % len(GREYS)])
        return grey, grey, grey, alpha

    def scale(self, stops: Sequence[tuple[float, str]]) -> LinearSegmentedColormap:
        """The colours of a heat map; without hues by how bright they are."""
        colours = [(float(at), self._area(colour)) for at, colour in stops]
        return LinearSegmentedColormap.from_list("paper", colours)

    def _area(self, colour: str) -> Colour:
        red, green, blue, alpha = rgba(colour, PAPER)
        if not self.mono:
            return red, green, blue, alpha
        bright = brightness((red, green, blue, alpha))
        return bright, bright, bright, alpha


def rgba(colour: object, default: str = TEXT) -> Colour:
    """Plotly's name of a colour in parts of one; one for a dark page becomes the light page's."""
    text = default if colour is None else str(colour)
    if match := _RGB.fullmatch(text.replace(" ", "")):
        parts = [float(part) for part in match[1].split(",")]
        red, green, blue = (part / 255 for part in parts[:3])
        return red, green, blue, parts[3] if len(parts) == 4 else 1.0
    return to_rgba(on_light(text))


def brightness(colour: Sequence[float] | Any) -> float:
    """How bright a colour looks, in [0, 1]."""
    red, green, blue = colour[:3]
    return float(0.299 * red + 0.587 * green + 0.114 * blue)
