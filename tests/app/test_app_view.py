"""The address on every page: hostile and stale ones are told and break nothing, and a view survives
a change of page.
"""

from pathlib import Path

import pytest
from hostile import HOSTILE
from made_up_studies import made_up_study, save
from pages import app_at
from streamlit.testing.v1 import AppTest

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
    "compare": ("studies", "sparsity", "base", "a", "b", "y", "x", "settings"),
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
    notices = [block.value for block in (*app.info, *app.warning) if "link" in block.value]
    assert len(notices) == len(parts), notices
    assert not [part for part in parts if app.query_params.get(part) in ("n0nsense", ["n0nsense"])]
    app.run()
    assert not [block.value for block in (*app.info, *app.warning) if "link" in block.value]


def test_a_view_survives_a_change_of_page_and_a_link_wins_over_it(there: None) -> None:
    app = page("compare", {"sparsity": "70", "y": "acc"})
    assert app.slider(key="c-sparsity").value == 70
    app.switch_page("screens/about/page.py").run()
    app.switch_page("screens/compare/page.py").run()
    assert (app.slider(key="c-sparsity").value, app.session_state["c-y"]) == (70, "acc")
    app.switch_page("screens/about/page.py").run()
    app.query_params.clear()
    app.query_params["sparsity"] = "30"
    app.switch_page("screens/compare/page.py").run()
    assert (app.slider(key="c-sparsity").value, app.session_state["c-y"]) == (30, "aua"), (
        "a link is the whole view"
    )
