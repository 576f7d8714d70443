"""The colours, dashes and markers of every chart, in one place.

A mark's colour has a contrast of at least 3 : 1 to the light and to the dark page, a text's (`ink`)
4.5 : 1 to its own page. Nothing is told apart by colour alone: every curve has a dash and a marker
of its own.
"""

DENSE, SPARSE, GREY = "#3E83C8", "#DB6B2A", "#7D8590"
GREEN, PURPLE, ROSE, OLIVE = "#1E9E77", "#A35DC0", "#C9528A", "#8C8A1F"
INKS = {  # (on the light page, on the dark page)
    DENSE: ("#2A68A8", "#6FA8E0"),
    SPARSE: ("#B04A10", "#F0935A"),
    GREY: ("#5C646E", "#A3ABB6"),
    GREEN: ("#14704F", "#45C49C"),
    PURPLE: ("#7E3F9A", "#C48FDC"),
    ROSE: ("#A83669", "#E487B3"),
    OLIVE: ("#66640F", "#BDBB4A"),
}
TONES = {True: ("#14704F", "#45C49C"), False: ("#B3261E", "#FF9B8E")}  # better, worse
PAGE = {False: "#FFFFFF", True: "#14171C"}  # as in app/.streamlit/config.toml
STUDIES = (  # colour, dash, marker of the first, second, … study that is shown
    (SPARSE, "solid", "circle"),
    (DENSE, "dash", "square"),
    (GREEN, "dot", "diamond"),
    (PURPLE, "dashdot", "triangle-up"),
    (ROSE, "longdash", "cross"),
    (OLIVE, "longdashdot", "star"),
)


def ink(colour: str, dark: bool) -> str:
    """The colour for text about a mark of this colour."""
    return INKS[colour][dark]


def tone(better: bool, dark: bool) -> str:
    """The colour for text about a significant change."""
    return TONES[better][dark]


def fill(colour: str, share: float = 0.15) -> str:
    """The colour as a transparent band."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share})"
