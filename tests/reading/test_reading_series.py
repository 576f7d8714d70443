"""The numbers behind the charts: measured, interpolated, and those of single layers."""

from dataclasses import replace

import pytest
from made_up_studies import made_up_study

from prunescope.engine import method_title, short_names
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


def test_the_columns_stand_in_the_order_of_the_linears_though_errors_are_stored_sorted() -> None:
    study, order = made_up_study(), ("q_proj", "k_proj", "o_proj", "gate_proj", "down_proj")
    layers = tuple({"layer": f"0.{name}", "weights": 4, "zeros": 2} for name in order)
    errors = {f"0.{name}": 0.1 for name in sorted(order)}
    stored = [replace(level, layers=layers, layer_errors=errors) for level in study.levels]
    grid = series.layer_grid(replace(study, levels=tuple(stored)), 0.5)
    assert list(grid.columns) == ["q proj", "k proj", "o proj", "gate proj", "down proj"]


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
    assert data["remarks"] == ["", "interpolated", "", "as at 90%, the nearest"]


def test_the_median_of_layer_errors_is_their_median() -> None:
    study = made_up_study()
    # 3 blocks of six alike
    assert series.median_error(study.levels[1]) == pytest.approx(0.4**2 * 2 / 10)
    even = replace(
        study.levels[1],
        layer_errors={"0.query": 1.0, "0.key": 2.0, "0.value": 4.0, "0.output": 9.0},
    )
    assert series.median_error(even) == 3.0


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
