"""The page of subnetworks: tables, curves, groups and differences."""

from dataclasses import replace
from pathlib import Path

import pytest
from made_up_tables import write_table
from pages import app_at
from streamlit.testing.v1 import AppTest

from prunescope.app.charts import subnetworks as charts
from prunescope.engine import (
    Statistic,
    Store,
    SubnetworkRun,
    SubnetworkTable,
    Workbench,
    subnetwork_tables,
)
from prunescope.engine.paths import BUNDLED
from prunescope.engine.reading import subnetworks


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workbench, "warm", lambda self: None)


def page() -> AppTest:
    return app_at("ood").run()


def table_of(folder: Path, seeds: int = 2) -> SubnetworkTable:
    write_table(folder / "subnetworks" / "mine", seeds)
    (table,) = subnetwork_tables(Store(folder, folder / "bundled"))
    return table


def test_an_empty_store_says_what_to_do(cache: Path) -> None:
    app = page()
    assert not app.exception
    assert app.code[0].value.startswith("prunescope subnetworks")


@pytest.mark.parametrize("seeds", [1, 2])
def test_the_table_is_described_in_words_and_says_what_stands_in(cache: Path, seeds: int) -> None:
    write_table(cache / "subnetworks" / "mine", seeds)
    app = page()
    assert not app.exception
    counted = {1: "1 seed;", 2: "2 seeds;"}[seeds]
    sentence = (
        f"{6 * seeds} models of MiniLM trained on 4,000 examples, {counted} evaluated on other "
        "examples: 40 of ID, 40 of HANS."
    )
    assert app.text[0].value == sentence
    assert "Nothing here is real" in app.info[0].value
    bars = {1: "95% intervals of the one seed", 2: "one standard deviation"}[seeds]
    assert bars in app.caption[0].value


def test_another_sparsity_shows_its_groups(cache: Path) -> None:
    write_table(cache / "subnetworks" / "mine")
    app = page()
    app.segmented_control(key="level").set_value(0.5).run()
    assert not app.exception


def test_a_table_that_is_not_done_says_so(cache: Path) -> None:
    write_table(cache / "subnetworks" / "mine", planned=40)
    app = page()
    assert "12 of 40 models are done so far." in app.text[0].value


def test_a_damaged_table_is_a_notice(cache: Path) -> None:
    (write_table(cache / "subnetworks" / "mine") / "table.json").write_text("{")
    app = page()
    assert not app.exception
    assert len(app.warning) == 1


def test_mean_and_standard_deviation_are_over_the_seeds(tmp_path: Path) -> None:
    spread = subnetworks.spread_table(table_of(tmp_path))
    row = spread[(spread["cell"] == "full-ce") & (spread["set"] == "ID")].iloc[0]
    assert row["mean"] == pytest.approx(100 * 36.5 / 40) and row["sd"] == pytest.approx(
        100 * 0.5**0.5 / 40
    )
    row = spread[
        (spread["cell"] == "mask-poe") & (spread["sparsity"] == 90) & (spread["set"] == "HANS")
    ].iloc[0]
    assert row["gap"] == pytest.approx(100 * (25 - 25.5) / 40)


def test_one_seed_has_its_own_interval(tmp_path: Path) -> None:
    spread = subnetworks.spread_table(table_of(tmp_path, seeds=1))
    assert spread["sd"].isna().all() and set(spread["set"]) == {"ID", "HANS", subnetworks.ATTACKED}
    assert bool((spread["low"] < spread["mean"]).all()) and bool(
        (spread["mean"] < spread["high"]).all()
    )


def test_a_curve_goes_through_its_means(tmp_path: Path) -> None:
    table = table_of(tmp_path)
    spread = charts.drawn(table, subnetworks.spread_table(table))
    figure = charts.curves(spread, subnetworks.panels(table))
    under = [trace for trace in figure.data if trace.xaxis == "x3"]
    assert len(under) == 4 and all(
        list(trace.y) == pytest.approx([35] * len(trace.y)) for trace in under
    )
    shapes = {trace.name: trace.marker.symbol for trace in under}
    assert shapes["mask training, PoE"] == ("circle", "circle")
    assert shapes["mask training, PoE, gradual"] == ("hexagon",)
    poe = next(
        trace for trace in figure.data if trace.name == "mask training, PoE" and trace.xaxis == "x2"
    )
    assert list(poe.x) == [50, 90] and list(poe.y) == pytest.approx([63.75, 63.75])
    assert {trace.name for trace in figure.data} == {
        "full model, CE",
        "mask training, CE",
        "mask training, PoE",
        "mask training, PoE, gradual",
    }


def guessing(table: SubnetworkTable, sparsity: float) -> SubnetworkTable:
    """The table with models of one sparsity that answer half of the inside set."""

    def changed(run: SubnetworkRun) -> SubnetworkRun:
        accuracy = Statistic(0.5, 40, 0.35, 0.65)
        inside = replace(run.inside, figures={**run.inside.figures, "accuracy": accuracy})
        return replace(run, inside=inside) if run.sparsity == sparsity else run

    return replace(table, runs=tuple(map(changed, table.runs)))


def test_models_near_chance_are_counted_faded_and_never_opened_first(tmp_path: Path) -> None:
    sound = table_of(tmp_path)
    table = guessing(sound, 0.9)
    assert subnetworks.opening([table, sound]) is sound
    assert not subnetworks.chance_sentences(replace(sound, runs=sound.runs[1:3]))
    said = " ".join(subnetworks.chance_sentences(table))
    assert "Near chance on ID: 6 of 12 models, at 90%. They are faded" in said
    assert "hardly better than chance on HANS" in said, "the full model has 55% there"
    spread = charts.drawn(table, subnetworks.spread_table(table))
    poe = [trace for trace in charts.curves(spread, ["ID", "HANS"]).data if "PoE" in trace.name]
    assert poe[0].marker.symbol == ("circle", charts.FADED)
    assert poe[0].marker.opacity[1] < 0.5 < poe[0].marker.opacity[0]
    notes = subnetworks.differences(table, "HANS").set_index("sparsity")["note"].to_dict()
    assert notes[90] == "both near chance" and "chance" not in notes[50]


def test_every_panel_has_its_chance_level(tmp_path: Path) -> None:
    table = table_of(tmp_path)
    inside = table.runs[0].inside
    three = tuple(
        replace(run, inside=replace(inside, figures={"accuracy": inside.figures["accuracy"]}))
        for run in table.runs
    )
    table = replace(table, runs=three, recipe={"label_names": ["a", "b", "c"]})
    levels = subnetworks.chances(table)
    assert levels == {"ID": 1 / 3, "HANS": 1 / 2, subnetworks.ATTACKED: 1 / 3}
    spread = charts.drawn(table, subnetworks.spread_table(table))
    lines = charts.curves(spread, subnetworks.panels(table)).layout.shapes
    assert [line.y0 for line in lines] == pytest.approx([100 / 3, 50, 100 / 3])
    gap = charts.gap_chart(spread, "HANS").layout.shapes
    assert [line.y0 for line in gap] == pytest.approx([0, 100 / 3 - 50])


def test_the_numbers_of_the_gaps_are_those_of_the_chart(tmp_path: Path) -> None:
    table = table_of(tmp_path)
    spread = charts.drawn(table, subnetworks.spread_table(table))
    heights = [y for trace in charts.gap_chart(spread, "HANS").data for y in trace.y]
    gaps = subnetworks.gaps(spread, "HANS")["gap"]
    assert sorted(heights) == pytest.approx(sorted(gaps)) and heights


def test_models_of_every_shipped_table_look_apart_and_their_levels_have_ticks() -> None:
    tables = [
        table for table in subnetwork_tables(Store(BUNDLED / "no-such-cache")) if table.bundled
    ]
    assert len(tables) == 6
    for table in tables:
        spread = charts.drawn(table, subnetworks.spread_table(table))
        looks = spread.drop_duplicates("series")[["colour", "marker", "dash"]]
        assert not looks.duplicated().any(), table.name
        axis = charts.curves(spread, subnetworks.panels(table)).layout.xaxis
        assert list(axis.tickvals) == sorted({0, *spread["sparsity"]})


def test_only_cells_that_differ_in_one_thing_are_compared(tmp_path: Path) -> None:
    differences = subnetworks.differences(table_of(tmp_path), "HANS")
    assert list(
        zip(differences["sparsity"], differences["second"], differences["minus"], strict=True)
    ) == [(level, "mask training, PoE", "mask training, CE") for level in (50, 90)]
    assert differences["difference"].tolist() == pytest.approx([10, 10]) and differences[
        "seeds"
    ].tolist() == [
        2,
        2,
    ]


def test_how_scores_begin_does_not_keep_other_methods_from_being_compared(tmp_path: Path) -> None:
    table = table_of(tmp_path)
    runs = tuple(
        replace(run, method="imp", loss="poe")
        if run.cell == "mask-ce"
        else replace(run, init="soft")
        if run.method == "mask"
        else run
        for run in table.runs
    )
    differences = subnetworks.differences(replace(table, runs=runs), "HANS")
    pairs = set(
        zip(differences["sparsity"], differences["second"], differences["minus"], strict=True)
    )
    imp, mask = "IMP, PoE", "mask training, PoE, soft scores"
    assert pairs == {(50, mask, imp), (90, mask, imp), (90, "mask training, PoE, gradual", mask)}


def test_groups_are_read_with_the_full_models_beside_them(tmp_path: Path) -> None:
    table = table_of(tmp_path)
    groups = subnetworks.group_table(table, "HANS", "heuristic", 0.5)
    assert set(groups["series"]) == {"full model, CE", "mask training, CE", "mask training, PoE"}
    full = groups[
        (groups["series"] == "full model, CE") & (groups["group"] == "lexical overlap")
    ].iloc[0]
    assert full["mean"] == pytest.approx(55) and full["n"] == 40
    figure = charts.group_chart(groups)
    assert list(figure.data[0].x) == ["lexical overlap", "subsequence"]
