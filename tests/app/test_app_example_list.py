"""One click leads from an example in a table to the attack page: same text, label, study, sparsity
and attack.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import streamlit as st
from made_up_studies import save
from made_up_texts import batch_result, with_texts
from pages import app_at
from streamlit.testing.v1 import AppTest

from prunescope.app.components import example_list
from prunescope.engine import LiveJob, Study, bundled_reviews


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Which place of the table with a key is ticked, as the browser would say; it is said once."""
    positions: dict[str, int] = {}
    draw = st.dataframe

    def ticked(table: pd.DataFrame, key: str) -> int | None:
        return int(table["row"].iloc[positions.pop(key)]) if key in positions else None

    def dataframe(*data: Any, **how: Any) -> Any:
        event = draw(*data, **how)
        if callable(how.get("on_select")) and how["key"] in positions:
            how["on_select"]()
            st.rerun()  # a callback comes before the run
        return event

    monkeypatch.setattr(example_list, "ticked", ticked)
    monkeypatch.setattr(st, "dataframe", dataframe)
    return positions


def page(name: str, **query: str) -> AppTest:
    return app_at(name, query).run()


def view(app: AppTest) -> dict[str, str]:
    """What the address carries."""
    return {
        name: value if isinstance(value, str) else value[0]
        for name, value in app.query_params.items()
    }


def opened(
    app: AppTest, study: Study, row: int, sparsity: float, attack: str = "deepwordbug"
) -> None:
    """The attack page shows this example of the study, with the level as its victim."""
    assert not app.exception and app.title[0].value == "Watch a sentence break"
    reviews = bundled_reviews()
    assert app.text_area(key="a-text").value == reviews.texts[row]
    assert (
        app.selectbox(key="study").value == study.key
        and app.selectbox(key="a-attack").value == attack
    )
    assert app.multiselect(key="a-victims").value == [f"{study.key[:12]}@{sparsity:g}"]
    assert (
        app.session_state["a-row"] == row
        and app.number_input(key="a-seed").value == study.about["seed"]
    )


@pytest.fixture
def study(cache: Path) -> Study:
    """Of 20 attacked examples, dense breaks the first 8, the level at 50 % the first 12; made with
    a seed of its own.
    """
    return save(cache, with_texts(attack="textfooler-like", seed=5))


def test_an_example_that_flipped_on_compare(
    study: Study, requests: list[LiveJob], ticks: dict[str, int]
) -> None:
    ticks["c-rows"] = 2
    app = page("compare", study=study.key[:12], b=f"{study.key[:12]}@0.5")
    opened(app, study, 10, 0.5, "textfooler-like")  # only B breaks: rows 8 to 11
    again = page("attack", **view(app))
    opened(again, study, 10, 0.5, "textfooler-like")
    again.button(key="a-start").click().run()
    attack = [job for job in requests if job.do == "attack"][-1].arguments
    assert (attack["text"], attack["label"]) == (
        bundled_reviews().texts[10],
        bundled_reviews().labels[10],
    )
    assert (attack["attack"], attack["seed"]) == ("textfooler-like", 5)


def test_an_example_that_broke_on_explore(
    study: Study, requests: list[LiveJob], ticks: dict[str, int]
) -> None:
    ticks["e-rows"] = 5
    app = page("explore", study=study.key[:12], sparsity="50", tab="examples")
    # first the four that only pruned breaks, then the rest in their order
    opened(app, study, 1, 0.5, "textfooler-like")


def test_an_example_of_a_batch_comes_into_the_form_and_the_batch_stays(
    study: Study, requests: list[LiveJob], ticks: dict[str, int]
) -> None:
    app = page("attack", study=study.key[:12], sparsity="50")
    app.button(key="a-batch").click().run()
    job = [job for job in requests if job.do == "batch"][-1]
    result = batch_result()
    for victim in result["victims"]:
        victim["study"] = study.key
    job.state, job.result = (
        "done",
        {**result, "attack": "textfooler-like", "seed": 5, "of_study": 3},
    )
    app.run()
    assert "4 examples, 3 of them among those behind the study's curve." in " ".join(
        block.value for block in app.text
    )
    app.number_input(key="a-seed").set_value(9)
    ticks["a-rows"] = 2
    app.run()
    opened(app, study, 2, 0.5, "textfooler-like")
    assert view(app)["batch"] == job.token and "Row 2 of the batch is in the form" in " ".join(
        block.value for block in app.info
    )


def test_rows_of_texts_that_are_not_here_are_listed_and_lead_nowhere(
    cache: Path, requests: list[LiveJob], ticks: dict[str, int]
) -> None:
    study = with_texts(spec={"model": "embedded", "data": "/nowhere/sst2"})
    save(cache, study)
    ticks["c-rows"] = 0
    app = page("compare", study=study.key[:12], b=f"{study.key[:12]}@0.5")
    assert not app.exception and app.title[0].value == "Compare" and ticks == {"c-rows": 0}
