"""The charts and cards of the curves: what they show is what the frame holds."""

import io
from dataclasses import replace

import pandas as pd
import pytest
from made_up_studies import made_up_study

from prunescope.app.charts import curves, style
from prunescope.app.charts.files import to_csv
from prunescope.app.components import cards
from prunescope.engine import Rate, Timed
from prunescope.engine.reading import series


def test_marks_are_solid_where_measured_hollow_where_interpolated_and_missing_beyond() -> None:
    marks = cards.marks([made_up_study()], [0.0, 45.0, 50.0, 95.0], ["acc", "cls_error"])
    acc, error = (mark["at"] for mark in marks)
    assert [mark and mark[1] for mark in acc] == [True, False, True, None]
    assert acc[1][0] == pytest.approx(
        100 * (series.rate_at(made_up_study(), 0.45, "acc").value or 0)
    )
    assert error[0] is None, "a logarithm has no zero"


def test_marks_name_the_axis_that_the_figure_gives_the_curve() -> None:
    studies = [made_up_study(data=name) for name in ("one", "two")]
    shown = ["acc", "aua", "cls_error", "size"]
    figure = curves.curves(
        [(name, series.curves(study)) for name, study in zip("ab", studies, strict=True)], shown
    )
    for name, axis in curves.axes(shown, True).items():
        assert figure.layout[axis].title.text.startswith(curves.LOOKS[name][0])
    assert {mark["axis"] for mark in cards.marks(studies, [50.0], shown)} == {
        "yaxis",
        "yaxis2",
        "yaxis3",
        "yaxis4",
    }


def test_one_study_has_a_panel_a_kind_and_several_a_panel_a_quantity() -> None:
    assert curves.panels(["size", "aua", "acc", "cls_error"], False) == [
        ["acc", "aua"],
        ["cls_error"],
        ["size"],
    ]
    assert curves.panels(["size", "aua", "acc"], True) == [["acc"], ["aua"], ["size"]]


def test_every_curve_is_the_frame_s_and_every_rate_has_its_band() -> None:
    frame = series.curves(made_up_study())
    figure = curves.curves([("", frame)], list(curves.LOOKS))
    acc = next(trace for trace in figure.data if trace.name == "Acc")
    assert list(acc.y) == list(frame["acc"][~frame["collapsed"]])
    faded = next(trace for trace in figure.data if trace.name == "Acc, collapsed")
    assert faded.y[-1] == frame["acc"].iloc[-1] and faded.opacity < 0.5
    assert sum("interval" in (trace.name or "") for trace in figure.data) == 3


def test_the_dense_line_ends_before_the_names_and_is_explained() -> None:
    frame = series.curves(made_up_study())
    figure = curves.curves([("", frame)], ["acc", "aua", "size"])
    assert [(line.x0, line.x1) for line in figure.layout.shapes] == [(0, 90), (0, 90)]
    assert [note.text for note in figure.layout.annotations] == ["thin line: dense"]
    assert not curves.curves([("", frame)], ["size"]).layout.annotations


def test_every_font_of_the_charts_is_a_name_that_css_knows() -> None:
    for name in style.FONT.split(", "):  # one that is none makes the browser drop all of them
        assert name.startswith('"') or all(part.isalpha() for part in name.split("-")), name


def test_curves_of_a_kind_differ_in_dash_and_marker_and_not_by_colour_alone() -> None:
    for kind in curves.AXES:
        looks = [look for look in curves.LOOKS.values() if look[4] == kind]
        assert len({look[2] for look in looks}) == len({look[3] for look in looks}) == len(looks)


def test_beyond_its_levels_a_study_has_no_value_on_the_cards() -> None:
    study = made_up_study((0.0, 0.4, 0.5, 0.8))
    for name in ("acc", "aua", "asr", "cls_error", "size"):
        told = cards.card(study, 0.95, name, {})
        assert (told.value, told.note) == ("–", "not measured here; the nearest level is 80%")
        assert cards.card(study, 0.8, name, {}).value != "–"
        assert cards.card(study, 0.7, name, {}).value.startswith("≈")


@pytest.mark.parametrize("name", ["aua", "asr"])
def test_attacks_on_a_collapsed_model_have_no_value(name: str) -> None:
    study = made_up_study((0.0, 0.5, 0.9))
    fallen = cards.card(study, 0.9, name, {})
    assert (fallen.value, fallen.delta, fallen.tone) == ("–", "collapsed", "faded")
    assert cards.card(study, 0.7, name, {}).value == "–", "on the way there, too"
    (mark,) = cards.marks([study], [50.0, 70.0, 90.0], [name])
    assert [bool(point) for point in mark["at"]] == [True, False, False]


def test_no_attack_and_nothing_to_break_are_told_apart() -> None:
    study = made_up_study((0.0, 0.5))
    assert cards.card(made_up_study(attacked=0), 0.5, "asr", {}) == cards.NONE
    hopeless = replace(study, levels=(study.levels[0], replace(study.levels[1], asr=Rate.of(0, 0))))
    assert (
        cards.card(hopeless, 0.5, "asr", {}).note
        == "none of the attacked examples was classified correctly"
    )


def test_an_axis_of_errors_always_has_two_ticks() -> None:
    figure = curves.curves([("a", series.curves(made_up_study((0.0, 0.5))))], ["cls_error"])
    low, high = figure.layout.yaxis.range
    assert low == int(low) and high == int(high) and high - low >= 1 and 10**low <= 0.25 <= 10**high


def test_the_csv_reads_back_to_the_same_frame() -> None:
    frame = series.curves(made_up_study())
    text = to_csv(frame, {"study": "x", "key": "y"})
    assert text.startswith("# study: x\n# key: y\n")
    pd.testing.assert_frame_equal(
        pd.read_csv(io.StringIO(text), comment="#"), frame, check_dtype=False
    )


def test_a_csv_cell_cannot_be_a_formula() -> None:
    assert "'=1+1" in to_csv(pd.DataFrame({"a": ["=1+1"]}), {})


@pytest.mark.parametrize(
    ("low", "high", "tone"),
    [(0.9, 1.1, cards.SAME), (0.9, 0.99, cards.GOOD), (1.01, 1.1, cards.BAD)],
)
def test_a_time_is_coloured_only_where_its_range_is_on_one_side(
    low: float, high: float, tone: str
) -> None:
    timed = Timed(0.5, (low + high) / 2, low, high, 0.003, 0.002, 32, 8, 20, 2, "a processor")
    assert cards.card(made_up_study(timed=[timed]), 0.5, "latency", {}).tone == tone


def test_an_interpolated_value_that_is_as_dense_has_no_sign() -> None:
    study = made_up_study()
    alike = replace(
        study, levels=tuple(replace(one, acc=study.levels[0].acc) for one in study.levels)
    )
    assert cards.card(alike, 0.45, "acc", {}).delta == "≈ 0.0 vs dense"
