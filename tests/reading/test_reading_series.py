"""The numbers behind the charts, and the charts themselves."""

import io
from dataclasses import replace

import pandas as pd
import pytest
from made_up_studies import made_up_study

from prunescope.app.charts import curves
from prunescope.app.charts.files import to_csv
from prunescope.app.components import cards
from prunescope.engine import Rate, method_title, short_names
from prunescope.engine.reading import series


def test_curves_hold_one_row_a_level_in_per_cent() -> None:
    study = made_up_study()
    frame = series.curves(study)
    assert list(frame["sparsity"]) == [0, 40, 50, 90]
    assert frame["acc"].tolist() == [100 * (level.acc.value or 0) for level in study.levels]
    assert (frame["acc_low"] < frame["acc"]).all() and (frame["acc"] < frame["acc_high"]).all()


def test_a_rate_between_levels_lies_on_the_line_and_has_no_interval() -> None:
    study = made_up_study()
    low, high = study.level(0.5), study.level(0.9)
    assert low is not None and high is not None
    value = series.rate_at(study, 0.7, "acc")
    assert value.value == pytest.approx(((low.acc.value or 0) + (high.acc.value or 0)) / 2)
    assert value.rate is None and value.between == (0.5, 0.9)


def test_nothing_is_extrapolated_beyond_the_last_level() -> None:
    study = made_up_study()
    last = study.levels[-1]
    value = series.rate_at(study, 0.95, "acc")
    assert value.value == last.acc.value and value.rate is None and value.between == (0.9, 0.9)


def test_the_grid_has_a_row_a_block_and_a_column_a_module() -> None:
    study = made_up_study()
    grid = series.layer_grid(study, 0.5)
    assert grid.shape == (3, 6)
    assert grid.iloc[2, 0] == pytest.approx(0.25 * 3 / 10)


def test_a_study_says_its_pattern_and_allocation_where_they_are_unusual() -> None:
    assert method_title(made_up_study().about) == "Adaptive"
    unusual = made_up_study(pattern="2:4", allocation="loss-equalised", layers="0=0")
    assert method_title(unusual.about) == "Adaptive 2:4 loss-equalised layers 0=0"
    assert method_title(made_up_study(allocation="loss-equalised").about) == "Adaptive"
    assert method_title(made_up_study(allocation="uniform").about) == "Adaptive uniform"
    assert (
        method_title(made_up_study(method="sequential", allocation="uniform").about) == "SparseGPT"
    )
    assert (
        series.own_sparsity(unusual) == 0.5
        and series.own_sparsity(made_up_study(pattern="1:4")) == 0.75
    )
    assert series.own_sparsity(made_up_study()) is None


def test_a_study_is_uneven_where_a_level_has_layers_of_several_sparsities() -> None:
    study, layer = made_up_study(), {"layer": "1.output", "weights": 200, "zeros": 50}
    even = replace(
        study, levels=tuple(replace(level, layers=(layer, layer)) for level in study.levels)
    )
    other = {**layer, "zeros": 60}
    odd = replace(even, levels=(*even.levels[:-1], replace(even.levels[-1], layers=(layer, other))))
    assert not series.uneven(even) and series.uneven(odd)
    assert not series.uneven(
        replace(study, levels=tuple(replace(level, layers=()) for level in study.levels))
    )


def test_the_layer_table_has_a_row_a_layer_also_for_levels_of_the_first_version() -> None:
    first = {
        "layer": "1.output",
        "weights": 200,
        "zeros": 50,
        "tokens": 300,
        "inputs": 100,
        "damping": 0.01,
        "alpha": 0.5,
    }
    level = replace(
        made_up_study().levels[1], layers=(first, {**first, "requested": 0.25, "raised": True})
    )
    table = series.layer_table(level)
    assert table["layer"].tolist() == ["2 output"] * 2
    assert table["achieved"].tolist() == [25.0, 25.0] and table["requested"].tolist() == [
        40.0,
        25.0,
    ]
    assert "seconds" not in table
    assert table["tokens per input"].tolist() == [3.0, 3.0] and table[
        "damping raised"
    ].tolist() == [False, True]


def test_the_packed_model_is_never_larger_than_the_dense_one() -> None:
    study = made_up_study()
    assert series.model_bytes(study, study.levels[0]) == 4 * study.about["parameters"]


def test_measured_marks_are_solid_and_interpolated_ones_hollow_and_beyond_the_last_level_there_is_none() -> (
    None
):
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
    assert list(acc.y) == list(frame["acc"])
    assert sum("interval" in (trace.name or "") for trace in figure.data) == 3


def test_the_dense_line_ends_before_the_names_and_is_explained() -> None:
    frame = series.curves(made_up_study())
    figure = curves.curves([("", frame)], ["acc", "aua", "size"])
    assert [(line.x0, line.x1) for line in figure.layout.shapes] == [(0, 90), (0, 90)]
    assert [note.text for note in figure.layout.annotations] == ["thin line: dense"]
    assert not curves.curves([("", frame)], ["size"]).layout.annotations


def test_every_font_of_the_charts_is_a_name_that_css_knows() -> None:
    for name in curves.FONT.split(", "):  # one that is none makes the browser drop all of them
        assert name.startswith('"') or all(part.isalpha() for part in name.split("-")), name


def test_curves_of_a_kind_differ_in_dash_and_marker_and_not_by_colour_alone() -> None:
    for kind in curves.AXES:
        looks = [look for look in curves.LOOKS.values() if look[4] == kind]
        assert len({look[2] for look in looks}) == len({look[3] for look in looks}) == len(looks)


def test_the_heat_map_is_the_grid_at_every_stop() -> None:
    study = made_up_study()
    data = series.heat(study, [0.0, 45.0, 90.0, 95.0])
    for stop, (low, high, share) in zip((0.0, 0.45, 0.9, 0.95), data["between"], strict=True):
        shown = [
            a + (b - a) * share
            for a, b in zip(data["levels"][low], data["levels"][high], strict=True)
        ]
        assert shown == pytest.approx(series.layer_grid(study, stop).to_numpy().ravel(), rel=1e-3)
    assert data["blocks"] == ["1", "2", "3"] and len(data["names"]) == 6
    assert data["remarks"] == ["", "interpolated", "", "as at 90 %, the nearest"]


def test_beyond_its_levels_a_study_has_no_value_on_the_cards() -> None:
    study = made_up_study()
    for name in ("acc", "aua", "asr", "cls_error", "size"):
        told = cards.card(study, 0.95, name)
        assert (told.value, told.note) == ("–", "not measured here; the nearest level is 90 %")
        assert cards.card(study, 0.9, name).value != "–" and cards.card(
            study, 0.7, name
        ).value.startswith("≈")


def test_no_attack_and_nothing_to_break_are_told_apart() -> None:
    study = made_up_study((0.0, 0.5))
    assert cards.card(made_up_study(attacked=0), 0.5, "asr") == cards.NONE
    hopeless = replace(study, levels=(study.levels[0], replace(study.levels[1], asr=Rate.of(0, 0))))
    assert (
        cards.card(hopeless, 0.5, "asr").note == "none of the attacked examples was right at first"
    )


def test_the_median_of_layer_errors_is_their_median() -> None:
    study = made_up_study()
    assert series.median_error(study.levels[1]) == pytest.approx(
        0.4**2 * 2 / 10
    )  # 3 blocks of six alike
    even = replace(
        study.levels[1],
        layer_errors={"0.query": 1.0, "0.key": 2.0, "0.value": 4.0, "0.output": 9.0},
    )
    assert series.median_error(even) == 3.0


def test_an_axis_of_errors_always_has_two_ticks() -> None:
    figure = curves.curves([("a", series.curves(made_up_study((0.0, 0.5))))], ["cls_error"])
    low, high = figure.layout.yaxis.range
    assert low == int(low) and high == int(high) and high - low >= 1 and 10**low <= 0.25 <= 10**high


def test_studies_are_named_by_what_tells_them_apart() -> None:
    one, two, three = made_up_study(), made_up_study(attacked=0), made_up_study(method="wanda")
    assert short_names([one, two]) == ["DeepWordBug", "no attack"]
    assert short_names([one, three])[0].startswith("Adaptive") and short_names([one]) == [
        "Adaptive"
    ]
    assert len(set(short_names([one, one]))) == 1


def test_the_slider_stops_at_every_measured_level() -> None:
    assert 87.5 in series.stops([made_up_study((0.0, 0.875))]) and 98.0 in series.stops(
        [made_up_study((0.0, 0.98))]
    )


def test_the_csv_reads_back_to_the_same_frame() -> None:
    frame = series.curves(made_up_study())
    text = to_csv(frame, {"study": "x", "key": "y"})
    assert text.startswith("# study: x\n# key: y\n")
    pd.testing.assert_frame_equal(
        pd.read_csv(io.StringIO(text), comment="#"), frame, check_dtype=False
    )


def test_a_csv_cell_cannot_be_a_formula() -> None:
    assert "'=1+1" in to_csv(pd.DataFrame({"a": ["=1+1"]}), {})
