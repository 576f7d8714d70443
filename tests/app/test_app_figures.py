"""The numbers behind the charts, and the charts themselves."""

import io
import shlex
from dataclasses import replace

import pandas as pd
import pytest
from made_up import made_up_study

from app import charts, figures
from app.exports import to_csv


def test_curves_hold_one_row_a_level_in_per_cent() -> None:
    study = made_up_study()
    frame = figures.curves(study)
    assert list(frame["sparsity"]) == [0, 40, 50, 90]
    assert frame["acc"].tolist() == [100 * (level.acc.value or 0) for level in study.levels]
    assert (frame["acc_low"] < frame["acc"]).all() and (frame["acc"] < frame["acc_high"]).all()


def test_a_rate_between_levels_lies_on_the_line_and_has_no_interval() -> None:
    study = made_up_study()
    low, high = study.level(0.5), study.level(0.9)
    assert low is not None and high is not None
    value = figures.rate_at(study, 0.7, "acc")
    assert value.value == pytest.approx(((low.acc.value or 0) + (high.acc.value or 0)) / 2)
    assert value.rate is None and value.between == (0.5, 0.9)


def test_nothing_is_extrapolated_beyond_the_last_level() -> None:
    study = made_up_study()
    last = study.levels[-1]
    value = figures.rate_at(study, 0.95, "acc")
    assert value.value == last.acc.value and value.rate is None and value.between == (0.9, 0.9)


def test_last_safe_stops_at_the_first_level_outside_the_tolerance() -> None:
    study = made_up_study((0.0, 0.05, 0.5, 0.9), attacked=0)
    assert figures.last_safe(study, 3.0) == 0.05
    assert figures.last_safe(study, 25.0) == 0.5
    assert figures.last_safe(made_up_study((0.4, 0.5)), 3.0) is None


def test_the_grid_has_a_row_a_block_and_a_column_a_module() -> None:
    study = made_up_study()
    grid = figures.layer_grid(study, 0.5)
    assert grid.shape == (3, 6)
    assert grid.iloc[2, 0] == pytest.approx(0.25 * 3 / 10)


def test_a_study_says_its_pattern_and_allocation_where_they_are_unusual() -> None:
    assert figures.how(made_up_study()) == "adaptive"
    unusual = made_up_study(pattern="2:4", allocation="loss-equalised", layers="0=0")
    assert figures.how(unusual) == "adaptive 2:4 loss-equalised layers 0=0"
    assert figures.own_sparsity(unusual) == 0.5 and figures.own_sparsity(made_up_study(pattern="1:4")) == 0.75
    assert figures.own_sparsity(made_up_study()) is None


def test_the_layer_table_has_a_row_a_layer_also_for_levels_of_the_first_version() -> None:
    first = {"layer": "1.output", "weights": 200, "zeros": 50, "tokens": 300, "inputs": 100, "damping": 0.01, "alpha": 0.5}
    level = replace(made_up_study().levels[1], layers=(first, {**first, "requested": 0.25, "raised": True}))
    table = figures.layer_table(level)
    assert table["layer"].tolist() == ["2 output"] * 2
    assert table["achieved"].tolist() == [25.0, 25.0] and table["requested"].tolist() == [40.0, 25.0]
    assert "seconds" not in table
    assert table["tokens per input"].tolist() == [3.0, 3.0] and table["damping raised"].tolist() == [False, True]


def test_the_command_lines_repeat_every_unusual_setting() -> None:
    spec = {"model": "embedded", "data": "embedded", "method": "adaptive:refit=none", "pattern": "2:4", "force": True}
    study, export = figures.commands(made_up_study(spec=spec), 0.5).splitlines()
    assert "--method adaptive:refit=none --pattern 2:4 --force --levels 0.5" in study
    assert export.startswith("python -m engine prune ") and export.endswith("--force --sparsity 0.5 --out pruned-model")


def test_the_packed_model_is_never_larger_than_the_dense_one() -> None:
    study = made_up_study()
    assert figures.model_bytes(study, study.levels[0]) == 4 * study.about["parameters"]


def test_measured_cursors_are_solid_and_interpolated_ones_hollow() -> None:
    study = made_up_study()
    figure = charts.curves(figures.curves(study), 0.45, {"acc": (71.0, False), "aua": (50.0, True)})
    symbols = {trace.name: trace.marker.symbol for trace in figure.data if trace.name and "cursor" in trace.name}
    assert symbols == {"acc at the cursor": "circle-open", "aua at the cursor": "square"}


def test_the_three_rates_differ_in_dash_and_marker_and_not_by_colour_alone() -> None:
    looks = [(dash, marker) for _, _, dash, marker in charts.LOOKS.values()]
    assert len({dash for dash, _ in looks}) == len({marker for _, marker in looks}) == 3


def test_the_heat_map_keeps_one_colour_scale_for_all_levels() -> None:
    study = made_up_study()
    bounds = figures.error_range(study)
    scales = {(m.data[0].zmin, m.data[0].zmax) for m in (charts.heat_map(figures.layer_grid(study, s), bounds, False)
                                                         for s in (0.4, 0.5, 0.9))}  # fmt: skip
    assert len(scales) == 1


def test_the_csv_reads_back_to_the_same_frame() -> None:
    frame = figures.curves(made_up_study())
    text = to_csv(frame, {"study": "x", "key": "y"})
    assert text.startswith("# study: x\n# key: y\n")
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(text), comment="#"), frame, check_dtype=False)


def test_a_csv_cell_cannot_be_a_formula() -> None:
    assert "'=1+1" in to_csv(pd.DataFrame({"a": ["=1+1"]}), {})


def test_the_commands_name_what_differs_from_the_defaults_and_parse() -> None:
    from engine.cli import _parser

    study = made_up_study(spec={"model": "my model", "data": None, "seed": 3, "attack_examples": 20, "method": "adaptive"})
    lines = figures.commands(study, 0.63).splitlines()
    assert lines[0].startswith("python -m engine study --model 'my model' --data PATH/TO/made-up")
    assert "--attack-examples 20" in lines[0] and "--attack-examples" not in lines[1] and "--method" not in lines[0]
    for line in lines:
        options = _parser().parse_args(shlex.split(line)[3:])
        assert options.model == "my model" and options.seed == 3
