"""Public mode: what strangers may ask for, how much of it, and what pages leave out."""

from pathlib import Path

import pytest
from made_up_studies import made_up_study, save
from pages import app_at
from streamlit.testing.v1 import AppTest

from prunescope.app.state.limits import A_MINUTE, AT_ONCE, IN_ALL, Gate
from prunescope.engine import JobQueue, LiveJob, StudySpec, Workbench

TEXT = {"text": "a good film", "label": None}


@pytest.fixture
def bench(requests: list[LiveJob], tmp_path: Path) -> Workbench:
    return Workbench(tmp_path)


def ask(
    gate: Gate,
    bench: Workbench,
    visitor: str,
    now: float = 0.0,
    do: str = "attack",
    **arguments: object,
) -> LiveJob | str:
    return gate.ask(visitor, bench, do, {**TEXT, **arguments}, now)


def test_a_visitor_has_a_rate_and_it_comes_back(bench: Workbench) -> None:
    gate = Gate()
    for second in range(A_MINUTE):
        job = ask(gate, bench, "one", float(second))
        assert isinstance(job, LiveJob)
        job.state = "done"
    assert (
        ask(gate, bench, "one", 30.0)
        == f"You have asked {A_MINUTE} times within a minute; go on in 30 s."
    )
    assert isinstance(ask(gate, bench, "two", 30.0), LiveJob), "and others go on"
    assert isinstance(ask(gate, bench, "one", 60.5), LiveJob)


def test_a_visitor_and_all_visitors_have_so_many_at_once(
    bench: Workbench, requests: list[LiveJob]
) -> None:
    gate = Gate()
    for index in range(IN_ALL):
        assert isinstance(ask(gate, bench, f"visitor {index // AT_ONCE}"), LiveJob)
        if index == AT_ONCE:
            assert "of your requests are running or waiting" in str(ask(gate, bench, "visitor 0"))
    assert "of all visitors are running or waiting" in str(ask(gate, bench, "another"))
    requests[0].state = "done"
    assert isinstance(ask(gate, bench, "another"), LiveJob)


@pytest.mark.parametrize("do", ["measure", "time", "export", "batch", "check", "solve"])
def test_what_costs_or_changes_much_is_refused_whoever_asks(
    bench: Workbench, requests: list[LiveJob], do: str
) -> None:
    assert "public page" in str(ask(Gate(), bench, "one", do=do)) and requests == []


@pytest.mark.parametrize("name", ["text", "adversarial"])
def test_a_long_text_is_refused_even_where_the_field_let_it_pass(
    bench: Workbench, requests: list[LiveJob], name: str
) -> None:
    assert (
        "has 301 characters" in str(ask(Gate(), bench, "one", **{name: "x" * 301}))
        and requests == []
    )


def page(name: str, query: dict[str, str] | None = None) -> AppTest:
    return app_at(name, query).run()


def keys(app: AppTest) -> set[str]:
    return {
        str(widget.key)
        for widget in (*app.button, *app.get("download_button"), *app.get("file_uploader"))
        if widget.key
    }


def test_pages_leave_out_what_is_not_offered_and_say_so(
    cache: Path, requests: list[LiveJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    save(cache, made_up_study())
    queue = JobQueue(cache)
    monkeypatch.setattr(JobQueue, "start", lambda self: None)
    row = queue.submit(StudySpec(levels=(0.5,), device="cpu"))
    queue._rows.change(row.id, "1", state="failed", reason="/home/me/secret is not there.")
    own = {
        "explore": {"time", "export-model"},
        "attack": {"a-batch"},
        "check": {"start", "check-uploader"},
        "studies": {f"forget-{row.id}", f"log-{row.id}"},
    }
    for name, hidden in own.items():
        query = {"tab": "model"} if name == "explore" else {}
        assert hidden <= keys(page(name, query))
        monkeypatch.setenv("PRUNESCOPE_PUBLIC", "1")
        app = page(name, query)
        words = "\n".join(block.value for block in (*app.caption, *app.error, *app.warning))
        assert (
            not app.exception
            and not hidden & keys(app)
            and "public page" in words
            and "/home/me" not in words
        )
        monkeypatch.delenv("PRUNESCOPE_PUBLIC")


def test_an_answer_offers_no_timing_and_no_model(
    cache: Path, requests: list[LiveJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    query, own = {"study": save(cache, made_up_study()).key[:12]}, {"time", "export-model"}
    assert own <= keys(page("check", query))
    monkeypatch.setenv("PRUNESCOPE_PUBLIC", "1")
    app = page("check", query)
    assert not app.exception and not (own | {"again", "another"}) & keys(app)


def test_a_refused_request_says_why_on_the_page(
    cache: Path, requests: list[LiveJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    save(cache, made_up_study())
    monkeypatch.setenv("PRUNESCOPE_PUBLIC", "1")
    # a page without a browser has no address
    monkeypatch.setattr("prunescope.app.state.limits._visitor", lambda: "one")
    app = page("attack")
    app.text_area(key="a-text").set_value("good " * 80).run()
    assert app.text_area(key="a-text").value == ("good " * 80)[:300]
    assert any("400 characters; the first 300 are kept" in info.value for info in app.info)
    monkeypatch.setattr("prunescope.app.state.limits.A_MINUTE", 1)  # getting ready was one
    app.button(key="a-start").click().run()
    assert any("within a minute" in info.value for info in app.warning) and not app.exception
    assert {job.do for job in requests} == {"ready"}
