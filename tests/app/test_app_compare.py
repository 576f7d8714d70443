"""The compare page and its figures: default, linked, empty, refused, interpolated, damaged."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from components import sent
from hostile import HOSTILE
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_studies import level, made_up_study, save
from made_up_texts import with_texts
from pages import app_at
from streamlit.testing.v1 import AppTest

from prunescope.app.charts import compare as charts
from prunescope.app.charts import mark_names, palette, pareto
from prunescope.engine import LiveJob, Rate, Study, bundled_reviews, short_names
from prunescope.engine.reading import flips
from prunescope.engine.reading.comparison import compare


def page(**query: str) -> AppTest:
    return app_at("compare", query).run()


def told(app: AppTest) -> str:
    return "\n".join(
        block.value for kind in (app.text, app.caption, app.info, app.warning) for block in kind
    ).replace("\\", "")


def view(app: AppTest) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else value[0]
        for name, value in app.query_params.items()
    }


def of_examples(evaluation: str, **about: Any) -> Study:
    """A made-up study on certain examples."""
    study = made_up_study(**about)
    return replace(
        study,
        identity={**study.identity, "evaluation": evaluation},
        key=(evaluation + study.key)[:64],
    )


def test_an_empty_store_says_what_to_do(cache: Path, requests: list[LiveJob]) -> None:
    app = page()
    assert not app.exception and app.header[0].value == "No study yet"


def test_two_studies_stand_in_one_table_with_deltas_to_the_baseline(
    cache: Path, requests: list[LiveJob]
) -> None:
    first, second = (
        save(cache, made_up_study()),
        save(cache, made_up_study((0.0, 0.5), method="wanda", attacked=10)),
    )
    app = page(
        study=f"{first.key[:12]},{second.key[:12]}", sparsity="50", base=f"{first.key[:12]}@0"
    )
    assert not app.exception
    table = app.dataframe[0].value
    assert table["study"].tolist() == ["Adaptive", "Wanda"]
    assert "method" not in table, "it says what the names say"
    assert table["Acc"].tolist() == [70.0, 70.0]
    assert table["Δ Acc"].tolist() == ["−20.0 (p < .001)"] * 2
    assert table["safe up to"].tolist() == [0, 0] == table["best guess"].tolist()
    assert "model" not in table and "The same in all: model Tiny" in told(app)


def test_all_settings_are_shown_on_demand(cache: Path, requests: list[LiveJob]) -> None:
    save(cache, made_up_study())
    app = page()
    assert "model" not in app.dataframe[0].value
    assert (
        "model"
        in app.segmented_control(key="c-settings")
        .set_value("all settings")
        .run()
        .dataframe[0]
        .value
    )


def test_what_was_not_measured_is_empty_and_never_borrowed(
    cache: Path, requests: list[LiveJob]
) -> None:
    save(cache, made_up_study())
    app = page(sparsity="45")
    table = app.dataframe[0].value
    assert table["note"].tolist() == ["not measured at 45%"]
    assert not {"Acc", "Acc 95%", "Δ Acc", "size"} & set(table), "empty in every row"
    for sparsity in (0.45, 0.95):
        [row] = compare([made_up_study()], sparsity, (made_up_study(), 0.0))
        exported = charts.compare_table([row], {}, []).iloc[0]
        measured = exported.drop(["study", "note", "key"])
        assert measured.isna().all(), "nor in a file"


def test_the_address_carries_the_view_and_opens_it_again(
    cache: Path, requests: list[LiveJob]
) -> None:
    first, second = (
        save(cache, made_up_study()),
        save(cache, made_up_study((0.0, 0.5), method="wanda", attacked=10)),
    )
    app = page(study=second.key[:12], sparsity="30")
    app.segmented_control(key="c-y").set_value("acc")
    app.segmented_control(key="c-x").set_value("size")
    app.multiselect(key="studies").set_value([second.key, first.key])
    app.selectbox(key="c-base").set_value(f"{second.key[:12]}@0.5").run()
    carried = view(app)
    assert (
        carried["study"] == f"{second.key[:12]},{first.key[:12]}"
        and carried["base"] == f"{second.key[:12]}@0.5"
    )
    assert (carried["sparsity"], carried["y"], carried["x"]) == ("30", "acc", "size")
    assert view(page(**carried)) == carried


@pytest.mark.parametrize(
    ("query", "notice"),
    [
        (
            {"study": "feedbeef0000"},
            "The study “feedbeef0000” is not in this store",
        ),
        ({"base": "feedbeef0000@0.5"}, "The link names the level “feedbeef0000@0.5”"),
        ({"a": "nonsense"}, "The link names the level “nonsense”"),
    ],
)
def test_a_stale_link_says_so(
    cache: Path, requests: list[LiveJob], query: dict[str, str], notice: str
) -> None:
    save(cache, made_up_study())
    app = page(**query)
    assert not app.exception and notice in told(app)


def test_a_sparsity_of_zero_in_a_link_is_kept(cache: Path, requests: list[LiveJob]) -> None:
    save(cache, made_up_study())
    assert sent(page(sparsity="0"), "slider")[0]["start"] == 0


def test_flips_are_counted_and_tested_and_their_rows_listed(
    cache: Path, requests: list[LiveJob]
) -> None:
    # right: the first 90 and the first 70; broken of 20: the first 8 and the first 12
    save(cache, made_up_study())
    app = page(sparsity="50")
    clean, attack, rows = (frame.value for frame in app.dataframe[-3:])
    assert clean[["B right", "B wrong"]].to_numpy().tolist() == [[70, 20], [0, 10]]
    assert attack[["B withstands", "B fails"]].to_numpy().tolist() == [[8, 4], [0, 8]]
    assert "100 examples. McNemar's exact test: p < .001." in told(app)
    assert rows["row"].tolist() == [8, 9, 10, 11]
    app.selectbox(key="c-kind").set_value("only A right").run()
    assert app.dataframe[-1].value["row"].tolist() == list(range(70, 90))


def test_flipped_examples_are_filtered_by_label_and_length(
    cache: Path, requests: list[LiveJob]
) -> None:
    save(cache, with_texts())
    reviews = bundled_reviews()
    app = page()
    app.selectbox(key="c-kind").set_value("both wrong").run()
    longest = max(len(text.split()) for text in reviews.texts)
    assert app.slider(key="c-words").max == longest, "of all examples, whatever is filtered"
    app.selectbox(key="c-label").set_value("positive")
    app.slider(key="c-words").set_value((1, 12)).run()
    rows = app.dataframe[-1].value
    assert len(rows) and all(
        reviews.labels[row] == 1 and len(reviews.texts[row].split()) <= 12 for row in rows["row"]
    )
    assert rows["text"].tolist() == [reviews.texts[row] for row in rows["row"]]


def test_studies_on_other_examples_are_refused_with_the_reason(
    cache: Path, requests: list[LiveJob]
) -> None:
    first, second = of_examples("a" * 64), of_examples("b" * 64, data="other")
    three = of_examples("c" * 64, seed=1)
    assert "evaluated on made-up and the other on other" in (
        flips.same_examples(first, second) or ""
    )
    assert "different examples (100 and 100, seeds 0 and 1)" in (
        flips.same_examples(first, three) or ""
    )
    assert flips.same_examples(first, of_examples("a" * 64, method="wanda")) is None


def test_attacks_that_differ_are_not_paired() -> None:
    def study(**attack: Any) -> Study:
        base = made_up_study(attack=attack["name"])
        return replace(base, identity={**base.identity, "attack": attack})

    first = study(name="deepwordbug", textattack="1", examples=[1, 2])
    assert (
        flips.same_attack(first, study(name="deepwordbug", textattack="1", examples=[2, 3])) is None
    )
    assert "different versions" in (
        flips.same_attack(first, study(name="deepwordbug", textattack="2")) or ""
    )
    assert "attacked with deepwordbug and the other with pwws" in (
        flips.same_attack(first, study(name="pwws")) or ""
    )
    assert "has no attack" in (flips.same_attack(first, made_up_study(attacked=0)) or "")


def test_a_study_without_attack_or_without_levels_is_told(
    cache: Path, requests: list[LiveJob]
) -> None:
    from prunescope.engine import Store

    save(cache, made_up_study(attacked=0))
    app = page()
    assert not app.exception and "None of these studies has Aua" in told(app)
    bare = made_up_study((0.0, 0.3))
    Store(cache).save_study(bare)
    app = page(study=bare.key[:12])
    assert not app.exception and "Pick at least one study" in told(app)
    assert "stopped before a level was done; start the same study again" in told(app)


def test_a_damaged_level_is_set_aside_with_a_notice(cache: Path, requests: list[LiveJob]) -> None:
    study = save(cache, made_up_study())
    path = next(
        path
        for path in (cache / "studies" / study.key).glob("*.json")
        if path.name != "study.json" and json.loads(path.read_text())["payload"]["sparsity"] == 0.5
    )
    path.write_bytes(path.read_bytes()[:-40])
    app = page()
    assert not app.exception and "set aside" in told(app)


@pytest.mark.parametrize("text", HOSTILE[:12])
def test_hostile_names_pass_through_the_page_and_the_chart(
    cache: Path, requests: list[LiveJob], text: str
) -> None:
    save(cache, made_up_study(method=text, data=text, label_names=[text, "yes"]))
    app = page()
    assert not app.exception
    table = pareto.points([made_up_study(method=text)])
    figure = pareto.pareto(table, pareto.front(table, "acc", "sparsity"), "acc", "sparsity")
    assert not any(
        "<b>" in str(trace.name) or "<script" in str(trace.name) or "<img" in str(trace.name)
        for trace in figure.data
    )


# The front


def frame(points: list[tuple[float, float]], group: str = "g" * 8) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "place": 0,
                "study": "x",
                "key": "k",
                "sparsity": x,
                "size": 100 - x,
                "group": group,
                "aua": y,
                "collapsed": False,
                "aua_low": y,
                "aua_high": y,
                "aua_n": 1,
            }
            for x, y in points
        ]
    )


def test_the_front_holds_what_nothing_beats() -> None:
    best = pareto.front(frame([(0, 50), (10, 60), (20, 55), (30, 55), (40, 20)]), "aua", "sparsity")
    assert list(zip(best["sparsity"], best["aua"], strict=True)) == [(10, 60), (30, 55), (40, 20)]
    best = pareto.front(frame([(0, 50), (10, 60), (40, 20)]), "aua", "size")
    assert best["size"].tolist() == [60, 90]


def test_levels_of_other_examples_do_not_beat_one_another() -> None:
    both = pd.concat([frame([(10, 50)], "one"), frame([(20, 90)], "two")], ignore_index=True)
    assert len(pareto.front(both, "aua", "sparsity")) == 2


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=12))
def test_every_level_is_on_the_front_or_beaten_by_one_that_is(
    points: list[tuple[int, int]],
) -> None:
    best = pareto.front(frame([(float(x), float(y)) for x, y in points]), "aua", "sparsity")
    ahead = list(zip(best["sparsity"], best["aua"], strict=True))
    for x, y in points:
        assert (x, y) in ahead or any(a >= x and b >= y for a, b in ahead)
    assert not any((a >= x and b >= y and (a, b) != (x, y)) for a, b in ahead for x, y in ahead)


def test_the_chart_shows_every_level_and_the_front_at_full_strength() -> None:
    table = pareto.points([made_up_study(), made_up_study((0.0, 0.5), method="wanda")])
    best = pareto.front(table, "acc", "sparsity")
    figure = pareto.pareto(table, best, "acc", "sparsity")
    *marks, collapsed = [trace for trace in figure.data if trace.mode == "markers"]
    assert [len(trace.x) for trace in marks] == [3, 2]
    assert list(collapsed.x) == [90] and collapsed.name == "collapsed, near chance"
    assert sum(opacity == 1 for trace in marks for opacity in trace.marker.opacity) == len(best)
    assert all(trace.error_y.width == 0 for trace in marks), (
        "a cap is drawn through marks that have no bar"
    )


# Flips, row by row


def test_a_row_is_told_by_what_it_was_without_attack_and_by_what_the_attack_did() -> None:
    table = flips.with_kinds(flips.rows(level(0.0), level(0.5), 100))
    assert table["kind"].value_counts().to_dict() == {
        "any": 50,
        "only A right": 20,
        "both wrong": 10,
        "both break": 8,
        "both hold": 8,
        "only B breaks": 4,
    }
    assert set(table["kind"]) <= set(flips.KINDS)


def test_twelve_studies_look_apart_and_are_named_apart() -> None:
    assert len({pareto.look(index) for index in range(charts.MOST)}) == charts.MOST
    assert pareto.look(6)[2] == f"{pareto.look(0)[2]}-open", "a dot in a small mark is not seen"
    studies = [
        made_up_study(method="adaptive"),
        made_up_study(method="wanda"),
        made_up_study(method="wanda", data="other"),
        replace(made_up_study(method="wanda"), key="f" * 64),
    ]
    assert len(set(short_names(studies))) == 4


def test_other_ways_to_a_smaller_model_stand_beside_the_study_they_were_measured_with() -> None:
    study = made_up_study()
    dense, half = study.levels[:2]
    rows = [
        SimpleNamespace(
            kind=kind,
            name=kind,
            sparsity=0.0,
            file_bytes=int(size * 1e6),
            acc=of.acc,
            aua=of.aua,
            asr=of.asr,
        )
        for kind, size, of in (
            ("dense", 9, dense),
            ("pruned", 5, half),
            ("int8", 4, dense),
            ("blocks", 3, half),
        )
    ]
    table: Any = SimpleNamespace(
        about={"study": study.key}, rows=rows, is_collapsed=lambda row: row.kind == "blocks"
    )
    baselines = pareto.baselines([study], [table])
    # not what collapsed, nor what the study has
    assert baselines["study"].tolist() == ["int8"] and baselines["size"].tolist() == [4.0]
    whole = pd.concat([pareto.points([study]), baselines], ignore_index=True)
    best = pareto.front(whole, "acc", "size")
    assert "int8" in set(best["study"])  # as accurate as dense, and smaller
    figure = pareto.pareto(whole, best, "acc", "size")
    named = [trace for trace in figure.data if trace.name == "baselines"]
    assert [list(trace.text) for trace in named] == [["int8"]]
    assert pareto.baselines([replace(study, key="f" * 64)], [table]).empty


def test_a_front_of_what_nobody_measured_is_empty() -> None:
    table = pareto.points([made_up_study(attacked=0)])
    assert not pareto.pareto(
        table, pareto.front(table, "aua", "size"), "aua", "size"
    ).layout.annotations


def test_the_names_of_alternatives_do_not_lie_on_one_another() -> None:
    study = made_up_study()
    rows = [
        SimpleNamespace(
            kind="blocks",
            name=f"first {blocks} blocks, re-solved",
            sparsity=0.0,
            file_bytes=int(1e6 * size),
            acc=study.levels[0].acc,
            aua=study.levels[0].aua,
            asr=study.levels[0].asr,
        )
        for blocks, size in ((3, 69.6), (4, 69.7), (5, 70.4), (6, 71.0))
    ]
    table: Any = SimpleNamespace(
        about={"study": study.key}, rows=rows, is_collapsed=lambda row: False
    )
    whole = pd.concat(
        [pareto.points([study]), pareto.baselines([study], [table])], ignore_index=True
    )
    names = pareto.pareto(
        whole, pareto.front(whole, "aua", "size"), "aua", "size"
    ).layout.annotations
    assert [name.text for name in names] == [row.name for row in rows]
    across = np.ptp(whole["size"])
    for width in mark_names.WIDTHS:  # a name is some 180 pixels wide and 18 high
        # all marks are equally high
        at = [(name.x / across * width + name.ax, -name.ay) for name in names]
        assert all(
            abs(a[0] - b[0]) >= 150 or abs(a[1] - b[1]) >= 18
            for a, b in itertools.combinations(at, 2)
        ), width


def collapsed_study() -> Study:
    """A study whose last model answers at chance, and so withstands more attacks than the dense."""
    study = made_up_study((0.0, 0.5))
    last = replace(study.levels[1], sparsity=0.9, acc=Rate.of(50, 100), aua=Rate.of(99, 100))
    return replace(study, levels=(*study.levels, last))


@pytest.mark.parametrize("y", ["acc", "aua"])
def test_a_collapsed_model_is_in_no_front_and_stretches_no_axis(y: str) -> None:
    table = pareto.points([collapsed_study()])
    assert table["collapsed"].tolist() == [False, False, True]
    best = pareto.front(table, y, "sparsity")
    assert 90 not in set(best["sparsity"])
    figure = pareto.pareto(table, best, y, "sparsity")
    low, high = figure.layout.yaxis.range
    assert high < 99
    [cross] = [trace for trace in figure.data if trace.name == "collapsed, near chance"]
    assert list(cross.x) == [90] and low < cross.y[0] < low + 0.1 * (high - low)


def test_only_a_change_that_a_test_supports_has_a_colour() -> None:
    study, noisy = collapsed_study(), made_up_study((0.0, 0.5), method="wanda")
    acc = (*range(1, 89), 99)  # dense: the first 90
    noisy = replace(
        noisy,
        levels=(noisy.levels[0], replace(noisy.levels[1], correct=acc, acc=Rate.of(89, 100))),
    )
    rows = compare([study, noisy], 0.5, (study, 0.0))
    assert [row.changes["acc"].better for row in rows] == [False, None]
    frame = charts.compare_table(rows, {}, [])
    html = charts.styled(rows, frame, False).to_html()
    assert "−20.0 (p &lt; .001)" in html or "−20.0 (p < .001)" in html
    assert "−1.0 (n.s.)" in html
    assert html.count(palette.tone(False, False)) == 1 and palette.tone(True, False) not in html
    assert frame["p Acc"].notna().all() and frame["Δ Acc"].tolist() == pytest.approx([-20, -1])


def test_a_collapsed_model_is_faded_in_the_table_and_says_so() -> None:
    study = collapsed_study()
    [row] = compare([study], 0.9, (study, 0.0))
    assert row.collapsed and row.note == "collapsed"
    assert set(row.changes) == {"acc"}
    html = charts.styled([row], charts.compare_table([row], {}, []), True).to_html()
    assert palette.ink(palette.GREY, True) in html


def test_a_damaged_table_of_alternatives_is_named(cache: Path, requests: list[LiveJob]) -> None:
    study = save(cache, made_up_study())
    (cache / "alternatives").mkdir()
    (cache / "alternatives" / "torn.json").write_text("{")
    app = page(study=study.key[:12], x="size", y="acc")
    assert not app.exception and "torn.json cannot be read" in told(app)


def test_a_difference_stands_only_where_examples_and_attack_are_the_same() -> None:
    base, same, other = (
        of_examples("a" * 8),
        of_examples("a" * 8, method="wanda"),
        of_examples("b" * 8, data="news"),
    )
    attacked = of_examples("a" * 8, method="static")
    attacked = replace(
        attacked,
        about={**attacked.about, "attack": "textfooler"},
        identity={**attacked.identity, "attack": {"name": "textfooler"}},
    )
    rows = compare([base, same, other, attacked], 0.5, (base, 0.0))
    table = charts.compare_table(rows, {}, [])
    assert table["Δ Acc"].notna().tolist() == [True, True, False, True]
    assert table["Δ Aua"].notna().tolist() == [True, True, False, False]
    assert table["Acc"].notna().all()
