"""The two panels of the first screen: what they show is what the frame holds."""

from dataclasses import replace
from itertools import pairwise

import pandas as pd
import pytest
from made_up_studies import made_up_study

from prunescope.app.charts.palette import STUDIES
from prunescope.app.charts.panels import Panel, SafeLimit, panel, window
from prunescope.app.screens.explore.first_screen import shown_panels
from prunescope.engine.reading import series

ACC = Panel("acc", "share of 20 texts", chance=50.0)
AUA = Panel("aua", "share of 8 texts")


def frame(collapsed: int = 0) -> pd.DataFrame:
    """A study's curves whose last levels have collapsed."""
    table = series.curves(made_up_study())
    last = table.index >= len(table) - collapsed
    return table.assign(
        collapsed=last, acc=table["acc"].where(~last, 51.0), aua=table["aua"].where(~last, 99.0)
    )


def curve(figure: object, name: str) -> object:
    return next(trace for trace in figure.data if trace.name == name)  # type: ignore[attr-defined]


def test_a_curve_is_the_frame_s() -> None:
    table = frame()
    shown = curve(panel([("one", table)], ACC), "one")
    assert list(shown.x) == list(table["sparsity"])  # type: ignore[attr-defined]
    assert list(shown.y) == list(table["acc"])  # type: ignore[attr-defined]


def test_a_collapsed_level_is_faded_in_accuracy_and_left_out_under_attack() -> None:
    table = frame(collapsed=2)
    figure = panel([("one", table)], ACC)
    assert len(curve(figure, "one").y) == len(table) - 2  # type: ignore[attr-defined]
    faded = curve(figure, "one, collapsed")
    assert faded.opacity < 0.5 and list(faded.y[1:]) == [51.0, 51.0]  # type: ignore[attr-defined]
    attacked = panel([("one", table)], AUA)
    assert all(99.0 not in trace.y for trace in attacked.data)
    assert any("collapsed" in note.text for note in attacked.layout.annotations)


def test_a_collapsed_level_does_not_stretch_the_axis() -> None:
    assert window([frame(collapsed=2)], AUA)[1] < 99
    low, high = window([frame(collapsed=2)], ACC)
    assert low <= 46 and high > frame()["acc"].max()


@pytest.mark.parametrize(("sure", "text"), [(60, "safe up to 60%"), (0, "no sparsity is certain")])
def test_the_safe_limit_is_marked(sure: float, text: str) -> None:
    figure = panel([("one", frame())], ACC, SafeLimit(sure, 80))
    assert any(text in note.text for note in figure.layout.annotations)
    assert {shape.x1 for shape in figure.layout.shapes if shape.type == "rect"} == {sure, 80}


def test_names_at_the_right_do_not_touch() -> None:
    table = frame()
    figure = panel([(name, table) for name in ("one", "two", "three")], ACC)
    heights = sorted(
        note.y for note in figure.layout.annotations if note.text in ("One", "Two", "Three")
    )
    low, high = figure.layout.yaxis.range
    assert len(heights) == 3
    assert min(b - a for a, b in pairwise(heights)) > 0.05 * (high - low)


def test_a_level_beyond_95_is_inside_the_panel() -> None:
    figure = panel([("one", series.curves(made_up_study((0.0, 0.5, 0.99))))], ACC)
    assert figure.layout.xaxis.range[1] >= 99


def test_one_dense_line_is_not_drawn_for_two_dense_models() -> None:
    table = frame()
    other = table.assign(acc=table["acc"] - 9)
    for studies, lines in ((("one", table),), 1), ((("one", table), ("two", other)), 0):
        figure = panel(studies, ACC)
        assert [note.text for note in figure.layout.annotations].count("dense") == lines


def test_the_level_before_a_collapse_is_not_called_collapsed() -> None:
    faded = curve(panel([("one", frame(collapsed=1))], ACC), "one, collapsed")
    first, last = faded.hovertemplate  # type: ignore[attr-defined]
    assert "collapsed" not in first and "collapsed" in last


def test_a_number_of_texts_is_named_only_where_all_studies_have_it() -> None:
    study = made_up_study()
    counts = {**study.about["counts"], "evaluation": 50}
    fewer = replace(study, about={**study.about, "counts": counts, "label_names": ["a", "b", "c"]})
    assert "100 texts" in shown_panels([study])[0].subtitle
    acc = shown_panels([study, fewer])[0]
    assert "the evaluation texts" in acc.subtitle and acc.chance is None


def test_the_dense_line_has_the_colour_of_no_study() -> None:
    figure = panel([(name, frame()) for name in ("one", "two", "three")], ACC)
    lines = {shape.line.color for shape in figure.layout.shapes if shape.type == "line"}
    assert lines and not lines & {look[0] for look in STUDIES}
