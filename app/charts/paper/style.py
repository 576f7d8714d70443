"""What a person chooses of a figure: its size, its title, where the legend stands, and how it is
coloured. Light to import: no Matplotlib.
"""

from dataclasses import dataclass

PIXELS = 12  # Plotly's usual size of a text, in pixels: as large as a preset's text is in points
LEGENDS = ("top", "right", "bottom", "none")


@dataclass(frozen=True, slots=True)
class Preset:
    """A size that papers and slides ask for."""

    title: str
    width: float  # inches
    text: float  # points
    height: float | None = None  # inches; None follows the chart
    dots: int = 300  # per inch, of a PNG

    @property
    def points(self) -> float:
        """Points of the page that one of Plotly's pixels becomes."""
        return self.text / PIXELS


SINGLE = Preset("Single column (3.3 in)", 3.3, 7)
DOUBLE = Preset("Double column (6.9 in)", 6.9, 8)
SLIDE = Preset("Slide (16:9, 13.3 in)", 40 / 3, 16, 7.5, 144)  # 1920 × 1080
PRESETS = {"single": SINGLE, "double": DOUBLE, "slide": SLIDE}


@dataclass(frozen=True, slots=True)
class Style:
    """How a chart is drawn on paper."""

    preset: Preset = DOUBLE
    title: str = ""
    legend: str = "top"
    band: bool = True  # the intervals around curves
    mono: bool = False  # black and greys: dashes and markers tell the series apart
    serif: bool = False
    dots: int | None = None  # per inch, of a PNG; None is the preset's
