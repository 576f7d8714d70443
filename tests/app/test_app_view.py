"""The address on every page: hostile and stale ones are told and break nothing, and a view survives
a change of page.
"""

from pathlib import Path

import pytest
from components import sent
from hostile import HOSTILE
from made_up_studies import made_up_study, save
from pages import app_at
from streamlit.testing.v1 import AppTest

from prunescope.app.state import defaults
from prunescope.engine import LiveJob

PAGES = {  # page: the names its address has
    "explore": ("study", "sparsity", "tolerance", "curves", "tab"),
    "layers": ("study", "sparsity", "cell"),
    "attack": (
        "study",
        "victims",
        "attack",
        "row",
        "text",
        "label",
        "seed",
        "queries",
        "seconds",
        "job",
        "batch",
    ),
    "compare": ("study", "sparsity", "base", "a", "b", "y", "x", "settings"),
    "studies": ("job",),
    "averages": ("members", "by"),
    "ood": ("table", "set", "column", "level", "rows"),
    "about": ("anything",),
}
FREE = {("attack", "text"), ("about", "anything")}  # what may be any text
VALUES = (
    "nan",
    "-1e999",
    "99999999999999999999",
    "0.5.5",
    "1e-400",
    "٣",
    "../../etc/passwd",
    "\x00",
    "a" * 5000,
    "@",
    ",",
    " ",
    "%00",
    "true",
    "[]",
    "0x10",
    "None",
    "feedbeef0000@0.5",
    *HOSTILE,
)


@pytest.fixture
def there(cache: Path, requests: list[LiveJob]) -> None:
    save(cache, made_up_study())


def page(name: str, query: dict[str, str]) -> AppTest:
    return app_at(name, query).run()


@pytest.mark.parametrize("turn", (0, 1))
@pytest.mark.parametrize("name", PAGES)
def test_no_address_breaks_a_page(there: None, name: str, turn: int) -> None:
    offset = 29 * turn + 5 * list(PAGES).index(name)  # over all pages every value has its turn
    query = {
        part: VALUES[(offset + 7 * number) % len(VALUES)] for number, part in enumerate(PAGES[name])
    }
    app = page(name, query)
    assert not app.exception, query
    for block in (*app.info, *app.warning, *app.error):
        assert (
            len(block.value) < 500
            and "<" not in block.value.replace("\\<", "")
            and "\u202e" not in block.value
        ), query


@pytest.mark.parametrize("name", ["explore", "layers", "attack", "compare"])
def test_what_cannot_be_is_told_once_and_not_passed_on(there: None, name: str) -> None:
    parts = [part for part in PAGES[name] if (name, part) not in FREE]
    app = page(name, dict.fromkeys(parts, "n0nsense"))
    notices = about_the_address(app)
    assert len(notices) == len(parts), notices
    app.run()  # an address that was opened is not written over before something happens
    assert not [part for part in parts if app.query_params.get(part) in ("n0nsense", ["n0nsense"])]
    assert not about_the_address(app)


def about_the_address(app: AppTest) -> list[str]:
    notices = [block.value for block in (*app.info, *app.warning)]
    return [text for text in notices if "link" in text or "not in this store" in text]


def go(app: AppTest, name: str) -> None:
    """Follow the navigation, which empties the address."""
    app.query_params.clear()
    app.switch_page(f"screens/{name}/page.py").run()


def at(app: AppTest) -> float:
    """Where the slider stands."""
    return float(sent(app, "slider")[0]["start"])


def test_a_view_survives_a_change_of_page_and_a_link_wins_over_it(there: None) -> None:
    app = page("compare", {"sparsity": "70", "y": "acc"})
    assert at(app) == 70
    go(app, "about")
    go(app, "compare")
    assert (at(app), app.session_state["c-y"]) == (70, "acc")
    go(app, "about")
    app.query_params["sparsity"] = "30"
    app.switch_page("screens/compare/page.py").run()
    assert (at(app), app.session_state["c-y"]) == (30, "aua"), (
        "a link is the whole of what only its page has"
    )


@pytest.fixture
def pair(cache: Path, requests: list[LiveJob]) -> list[str]:
    studies = (made_up_study(), made_up_study((0.0, 0.5, 0.875), method="wanda"))
    return [save(cache, study).key for study in studies]


def test_one_selection_travels_through_all_pages(pair: list[str]) -> None:
    second, first = pair[1], pair[0]
    app = page("explore", {"study": f"{second[:12]},{first[:12]}", "sparsity": "50"})
    go(app, "layers")
    assert (app.selectbox(key="study").value, at(app)) == (second, 50)
    go(app, "compare")
    assert (app.multiselect(key="studies").value, at(app)) == ([second, first], 50)
    go(app, "attack")
    assert app.selectbox(key="study").value == second
    assert app.multiselect(key="a-victims").value == [f"{second[:12]}@0.5"]
    app.selectbox(key="study").set_value(first).run()
    assert app.query_params["study"] in (
        f"{first[:12]},{second[:12]}",
        [f"{first[:12]},{second[:12]}"],
    )
    go(app, "compare")
    assert app.multiselect(key="studies").value == [first, second], "changed for all"


def test_victims_that_were_picked_stay_until_the_selection_changes(pair: list[str]) -> None:
    first = pair[0]
    app = page("attack", {"study": first[:12]})
    app.multiselect(key="a-victims").set_value([f"{first[:12]}@0.4"]).run()
    go(app, "compare")
    go(app, "attack")
    assert app.multiselect(key="a-victims").value == [f"{first[:12]}@0.4"]
    go(app, "compare")
    app.multiselect(key="studies").set_value([pair[1]]).run()
    go(app, "attack")
    (victim,) = app.multiselect(key="a-victims").value
    assert victim.startswith(pair[1][:12])


def test_an_address_of_before_opens_the_same(pair: list[str]) -> None:
    app = page("compare", {"studies": f"{pair[1][:12]} {pair[0][:12]}", "sparsity": "50"})
    assert app.multiselect(key="studies").value == [pair[1], pair[0]]
    app = page("attack", {"study": pair[1][:12], "victims": f"{pair[0][:12]}@0.4"})
    assert app.multiselect(key="a-victims").value == [f"{pair[0][:12]}@0.4"]


def test_the_bundled_studies_of_the_break_are_the_usual_selection(requests: list[LiveJob]) -> None:
    app = page("compare", {})
    assert [key[:12] for key in app.multiselect(key="studies").value] == list(defaults.STUDIES)
    assert at(app) == 87.5 and not dict(app.query_params).keys() & {"study", "sparsity"}
