"""The page of dense models: members, averages and their charts."""

import json
from pathlib import Path

import pytest
from made_up_members import write_members
from pages import app_at
from streamlit.testing.v1 import AppTest

from prunescope.app.charts import averages
from prunescope.engine import Store, Workbench, member_sets


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workbench, "warm", lambda self: None)


def page() -> AppTest:
    return app_at("averages").run()


def captions(app: AppTest) -> str:
    return "\n".join(caption.value for caption in app.caption).replace("\\", "")


def test_an_empty_store_says_what_to_do(cache: Path) -> None:
    app = page()
    assert not app.exception
    assert app.code[0].value.startswith("prunescope members")


def test_the_set_is_described_in_words(cache: Path) -> None:
    write_members(cache / "members" / "mine")
    app = page()
    assert not app.exception
    assert app.text[0].value == (
        "4 members fine-tuned from MiniLM on 4,000 examples of made-up, selected on 500 examples "
        "that none was trained on, 100 of them attacked with DeepWordBug."
    )
    assert "Averaged: freelb-1, ce-1. Left out: ce-2." in captions(app)


def test_the_order_can_be_changed(cache: Path) -> None:
    write_members(cache / "members" / "mine")
    app = page()
    assert "falling order of Aua" in captions(app)
    app = app.segmented_control(key="by").set_value("uniform").run()
    assert not app.exception
    assert "All members are averaged" in captions(app)


def test_an_average_of_one_member_is_called_that_member(cache: Path) -> None:
    folder = write_members(cache / "members" / "mine")
    record = json.loads((folder / "average-aua.json").read_text())
    (folder / "average-aua.json").write_text(json.dumps({**record, "ingredients": ["freelb-1"]}))
    app = page()
    assert app.segmented_control(key="by").value == "acc", "it opens on an average that is one"
    app = app.segmented_control(key="by").set_value("aua").run()
    assert "so this is freelb-1 itself and not an average" in captions(app)
    assert "The greedy average by Aua kept one member, freelb-1: it is that model." in captions(app)
    (member_set,) = member_sets(Store(cache, cache / "bundled"))
    names = averages.judged_table(member_set)["model"].tolist()
    assert names[-2:] == ["greedy average by Acc", "one member, by Aua"]


@pytest.mark.parametrize(("attacked", "averages"), [(False, ("acc",)), (True, ()), (False, ())])
def test_a_set_without_attack_or_average_is_shown(
    cache: Path, attacked: bool, averages: tuple[str, ...]
) -> None:
    write_members(cache / "members" / "mine", attacked, averages)
    app = page()
    assert not app.exception
    assert any("not averaged yet" in text.value for text in app.text) == (not averages)


def test_a_damaged_set_is_a_notice(cache: Path) -> None:
    (write_members(cache / "members" / "mine") / "members.json").write_text("{")
    app = page()
    assert not app.exception
    assert len(app.warning) == 1


def test_members_come_in_falling_order_of_aua_and_averages_last(tmp_path: Path) -> None:
    write_members(tmp_path / "members" / "mine")
    (member_set,) = member_sets(Store(tmp_path, tmp_path / "bundled"))
    table = averages.judged_table(member_set)
    assert list(table["model"]) == [
        "freelb-1",
        "ce-1",
        "ce-2",
        *(averages.NAMES[by] for by in ("uniform", "acc", "aua")),
    ]
    assert table["aua"].tolist()[:3] == [20, 12, 9]
    figure = averages.members_chart(table)
    assert sorted(x for trace in figure.data for x in trace.x) == sorted(
        [*table["acc"], *table["aua"]]
    )
    assert figure.layout.yaxis.automargin, "names are longer than the margin"


def test_a_member_that_was_left_out_is_a_cross_and_off_the_line(tmp_path: Path) -> None:
    write_members(tmp_path / "members" / "mine")
    (member_set,) = member_sets(Store(tmp_path, tmp_path / "bundled"))
    figure = averages.steps_chart(averages.steps_table(member_set.averages["aua"]))
    points, line = figure.data[2], figure.data[3]
    assert list(points.marker.symbol) == ["square", "square", averages.LEFT_OUT]
    assert list(points.x) == ["1.<br>freelb-1", "2.<br>ce-1", "3.<br>ce-2"]
    assert list(line.x) == ["1.<br>freelb-1", "2.<br>ce-1"]
