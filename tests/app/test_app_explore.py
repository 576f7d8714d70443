"""A page in its states: default, interpolated, empty, damaged, running, done, failed."""

import json
import urllib.parse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from components import sent, told
from made_up_studies import made_up_study, save
from pages import MAIN, app_at
from streamlit.testing.v1 import AppTest

from prunescope import engine
from prunescope.app.charts.text import plain
from prunescope.app.screens.explore.ahead import compute_ahead
from prunescope.engine import LiveJob, Store, Workbench
from prunescope.engine.config.papers import PAPERS
from prunescope.engine.reading.findings import read_findings
from prunescope.engine.reading.glossary import MEASURES
from prunescope.engine.studies.timings import keep_timed


class Requests(list[LiveJob]):
    """What the page asked of the worker; no worker runs."""


@pytest.fixture(autouse=True)
def requests(monkeypatch: pytest.MonkeyPatch) -> Requests:
    requests = Requests()

    def submit(self: Workbench, do: str, **arguments: Any) -> LiveJob:
        requests.append(LiveJob(len(requests) + 1, do, arguments))
        return requests[-1]

    monkeypatch.setattr(Workbench, "submit", submit)
    monkeypatch.setattr(Workbench, "warm", lambda self: None)
    monkeypatch.setattr(Workbench, "cancel", lambda self, job: setattr(job, "state", "cancelled"))
    return requests


def page(tab: str = "All measures", **query: str) -> AppTest:
    """Explore with one of the tabs below its first screen open, at the sparsity that most of these
    studies measured, unless the address says another.
    """
    app = app_at("explore", {"sparsity": "50", **query})
    app.session_state["details"] = tab
    return app.run()


def moved(app: AppTest, percent: float) -> AppTest:
    """The page after somebody let the slider go there; a component of the browser cannot be moved
    from here, the view can.
    """
    app.session_state["view-study"] = {
        **app.session_state["view-study"],
        "sparsity": f"{percent:g}",
    }
    return app.run()


def captions(app: AppTest) -> str:
    return "\n".join(caption.value for caption in app.caption)


def test_an_empty_store_says_what_to_do(cache: Path) -> None:
    app = page()
    assert not app.exception
    assert app.header[0].value == "No study yet"
    assert [link.proto.page for link in app.get("page_link")] == ["check"]


def test_what_a_study_was_measured_with_is_told_as_text(cache: Path) -> None:
    study = made_up_study()
    save(cache, study)
    assert "Measured with" not in captions(page("Numbers")), "levels of before do not know"
    machine = {"device": "<b>A processor</b> $x$", "threads": 2, "torch": "2.13.0"}
    save(
        cache,
        replace(study, levels=tuple(replace(level, machine=machine) for level in study.levels)),
    )
    assert plain("Measured with <b>A processor</b> $x$, 2 threads, PyTorch 2.13.0.") in captions(
        page("Numbers")
    )


def test_the_cards_show_the_measured_values_of_the_level(cache: Path) -> None:
    study = save(cache, made_up_study())
    app = page()
    assert not app.exception
    here, dense = study.level(0.5), study.level(0.0)
    assert here is not None and here.aua is not None and here.asr is not None and dense is not None
    cards = told(app)
    for name, rate in (("Acc", here.acc), ("Aua", here.aua), ("Asr", here.asr)):
        assert cards[name].startswith(f"{100 * (rate.value or 0):.1f}% | ")
        assert cards[name].endswith(
            f"95%: {100 * rate.low:.1f}–{100 * rate.high:.1f}%, n = {rate.n}"
        )
    change = 100 * ((here.acc.value or 0) - (dense.acc.value or 0))
    assert f"| −{-change:.1f} vs dense (p < .001) | bad |" in cards["Acc"]


def test_only_a_significant_change_has_a_colour(cache: Path) -> None:
    study = made_up_study((0.0, 0.05, 0.5))
    save(cache, study)
    assert "−2.0 vs dense (n.s.) | same |" in told(page(sparsity="5"))["Acc"]
    assert "| bad |" in told(page(sparsity="50"))["Acc"]
    between = told(page(sparsity="30"))["Acc"]
    assert "| ≈ −" in between and "| same |" in between, "nothing was tested there"


def test_a_collapsed_level_is_faded_and_has_no_aua(cache: Path) -> None:
    save(cache, made_up_study())
    cards = told(page(sparsity="90"))
    assert cards["Acc"].startswith("54.0% | collapsed | faded |")
    assert cards["Aua"].startswith("– | collapsed | faded |") and "%" not in cards["Asr"]


def test_the_browser_has_a_value_for_every_stop_of_the_slider(cache: Path) -> None:
    save(cache, made_up_study((0.0, 0.4, 0.875)))
    app = page()
    (slider,), (cards,), (sentence,) = (sent(app, name) for name in ("slider", "cards", "sentence"))
    (heat,) = sent(page("Layers"), "heat")
    stops = sorted([*range(96), 87.5])
    assert all(part["stops"] == stops for part in (slider, cards, sentence, heat))
    assert slider["measured"] == [0, 40, 87.5]
    assert {len(texts) for texts in cards["studies"][0]["texts"].values()} == {97}
    assert len(sentence["sentences"]) == 97
    cursors = [marks for one in sent(app, "cursor") for marks in one["charts"].values()]
    assert len(cursors) == 3, "two panels, and the curves of all measures"
    assert {len(mark["at"]) for marks in cursors for mark in marks} == {97}
    assert len(heat["between"]) == 97 and max(max(pair[:2]) for pair in heat["between"]) < len(
        heat["levels"]
    )


def test_every_card_answers_the_slider(cache: Path) -> None:
    save(cache, made_up_study())
    app = page()
    before, after = told(app), told(moved(app, 90))
    assert set(before) == {"Acc", "Aua", "Asr", "[CLS] error", "Packed size"}
    assert all(before[name] != after[name] for name in before)


def test_a_value_between_levels_says_that_it_is_interpolated(cache: Path) -> None:
    save(cache, made_up_study())
    app = page(sparsity="45")
    assert told(app)["Acc"].startswith("≈ ") and told(app)["Acc"].endswith(
        "interpolated between 40 and 50%"
    )
    app = page("The model", sparsity="45")
    assert [button.label for button in app.button if button.key == "measure"] == ["Measure 45% now"]


def test_a_measured_level_is_not_offered_for_measuring(cache: Path) -> None:
    save(cache, made_up_study())
    assert "measure" not in [button.key for button in page("The model").button]


def test_a_study_whose_data_is_elsewhere_is_not_offered_for_measuring(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PRUNESCOPE_DATA", raising=False)
    save(cache, made_up_study(spec={"model": "embedded", "data": None}))
    app = page("The model", sparsity="45")
    assert "measure" not in [button.key for button in app.button]
    assert "PRUNESCOPE_DATA" in captions(app)


def test_a_study_without_attack_shows_no_made_up_rates(cache: Path) -> None:
    save(cache, made_up_study(attacked=0))
    app = page()
    assert not app.exception
    assert told(app)["Aua"] == told(app)["Asr"] == "– |  | same | not measured in this study"


def test_a_damaged_level_is_set_aside_with_a_notice_and_the_rest_is_shown(cache: Path) -> None:
    study = save(cache, made_up_study())
    path = next(
        p
        for p in (cache / "studies" / study.key).glob("*.json")
        if p.name != "study.json" and json.loads(p.read_text())["payload"]["sparsity"] == 0.5
    )
    path.write_bytes(path.read_bytes()[:-40])
    app = page()
    assert not app.exception
    assert any("set aside" in warning.value for warning in app.warning)
    assert told(app)["Acc"].startswith("≈ ")


def test_a_study_whose_levels_are_all_damaged_is_a_notice(cache: Path) -> None:
    study = save(cache, made_up_study())
    for path in (cache / "studies" / study.key).glob("*.json"):
        if path.name != "study.json":
            path.write_bytes(b"{")
    app = page()
    assert not app.exception
    (sentence,) = [
        warning.value
        for warning in app.warning
        if "stopped before a level was done" in warning.value
    ]
    assert "as soon as" not in sentence


@pytest.mark.parametrize(
    ("query", "notice"),
    [
        ({"study": "feedbeef"}, "The study “feedbeef” is not in this store"),
        (
            {"sparsity": "much"},
            "sparsity = “much”, which is not a number from 0 to 100; the usual sparsity is shown",
        ),
        ({"sparsity": "120"}, "sparsity = “120”"),
        ({"sparsity": "nan"}, "sparsity = “nan”"),
        ({"tolerance": "-2"}, "tolerance = “-2”"),
    ],
)
def test_a_link_to_what_is_not_here_says_so(
    cache: Path, query: dict[str, str], notice: str
) -> None:
    save(cache, made_up_study())
    app = page(**query)
    assert not app.exception
    assert any(notice in info.value.replace("\\", "") for info in app.info)


def test_the_address_carries_the_view(cache: Path) -> None:
    keys = [
        save(cache, made_up_study((0.0, 0.5, last), data=name)).key
        for name, last in (("one", 0.8), ("two", 0.9))
    ]
    app = page(
        study=f"{keys[1][:12]},{keys[0][:12]}",
        sparsity="90",
        tolerance="7.5",
        curves="acc,size",
    )
    assert app.multiselect(key="studies").value == [keys[1], keys[0]]
    assert sent(app, "slider")[0]["start"] == 90
    assert app.number_input(key="tolerance").value == 7.5
    (of_panels, of_curves) = sent(app, "cursor")
    assert set(of_panels["charts"]) == {"panel-acc", "panel-aua"}
    assert {mark["axis"] for mark in of_curves["charts"]["curves"]} == {"yaxis", "yaxis2"}
    view = {name: app.query_params[name] for name in ("study", "sparsity", "tolerance", "curves")}
    assert view == {
        "study": f"{keys[1][:12]},{keys[0][:12]}",
        "sparsity": "90",
        "tolerance": "7.5",
        "curves": "acc,size",
    }
    heat = sent(page("Layers", cell="1.output"), "heat")[0]
    assert heat["picked"] == "1.output"


def test_a_default_stays_out_of_the_address(cache: Path) -> None:
    save(cache, made_up_study())
    assert set(page().query_params) == {"sparsity"}


def test_several_studies_share_the_page(cache: Path) -> None:
    keys = [
        save(cache, made_up_study((0.0, 0.5, last), data=name)).key
        for name, last in (("one", 0.8), ("two", 0.9))
    ]
    app = page()
    assert len(sent(app, "cards")[0]["studies"]) == 1
    app = app.multiselect(key="studies").set_value(keys).run()
    assert not app.exception
    assert [study["name"] for study in sent(app, "cards")[0]["studies"]] == ["one", "two"]
    assert len({study["symbol"] for study in sent(app, "cards")[0]["studies"]}) == 2


def test_no_study_picked_asks_for_one(cache: Path) -> None:
    save(cache, made_up_study())
    app = page().multiselect(key="studies").set_value([]).run()
    assert not app.exception
    assert "Pick a study" in app.info[0].value


def test_the_last_safe_sparsity_answers_the_tolerance(cache: Path) -> None:
    save(cache, made_up_study())
    app = page()
    assert sent(app, "slider")[0]["safe"]["best"] == 0
    app = app.number_input(key="tolerance").set_value(50.0).run()
    assert sent(app, "slider")[0]["safe"]["best"] == 50  # at 90% it has collapsed
    assert "Safe up to 50% with 95% confidence" in captions(app)


def test_a_study_of_one_level_opens_there_and_what_makes_it_say_little_is_told(cache: Path) -> None:
    save(cache, made_up_study((0.0,)))
    app = app_at("explore").run()
    assert not app.exception and sent(app, "slider")[0]["start"] == 0
    assert "Measured at 0% only." in captions(app) and "Safe up to" not in captions(app)
    study = made_up_study()
    taken = replace(
        study.levels[0],
        notices=("m calls its classes a, b; they are taken for c, d, in this order.",),
    )
    save(cache, replace(study, levels=(taken, *study.levels[1:])))
    app = page(study=study.key[:12], tolerance="0.1")
    warnings = " ".join(warning.value for warning in app.warning)
    assert "they are taken for c, d" in warnings and "a single one decides" in warnings


def test_timing_asks_the_worker_and_is_shown_when_it_is_there(
    cache: Path, requests: Requests
) -> None:
    study = save(cache, made_up_study())
    app = page("The model").button(key="time").click().run()
    assert (requests[0].do, requests[0].arguments) == (
        "time",
        {"study": study.key, "sparsity": 0.5},
    )
    keep_timed(
        Store(cache),
        study,
        engine.Timed(0.5, 1.5, 1.4, 1.6, 0.003, 0.002, 32, 8, 20, 2, "a processor"),
    )
    requests[0].state = "done"
    app.run()
    assert any("3.0 ms against 2.0 ms a sentence" in block.value for block in app.markdown)
    app = page()
    assert told(app)["CSR time"] == "× 1.50 | +50% | bad | 5–95%: 1.40–1.60"


def test_three_doors_lead_on_with_the_selection(cache: Path) -> None:
    study = save(cache, made_up_study())
    links = [link.proto for link in page(sparsity="90").get("page_link")]
    assert [link.page for link in links[:3]] == ["attack", "check", "figure"]
    for link in links[:3]:
        assert dict(urllib.parse.parse_qsl(link.query_string)) == {
            "study": study.key[:12],
            "sparsity": "90",
        }


def test_measuring_asks_the_worker_and_can_be_cancelled(cache: Path, requests: Requests) -> None:
    study = save(cache, made_up_study())
    app = page("The model", sparsity="45").button(key="measure").click().run()
    assert (requests[0].do, requests[0].arguments) == (
        "measure",
        {"study": study.key, "sparsity": 0.45},
    )
    app.button(key="cancel-measuring").click().run()
    assert requests[0].state == "cancelled" and "Cancelled" in "".join(
        info.value for info in app.info
    )


def test_a_level_that_could_not_be_measured_is_one_sentence(
    cache: Path, requests: Requests
) -> None:
    save(cache, made_up_study())
    app = page("The model", sparsity="45").button(key="measure").click().run()
    requests[0].state, requests[0].reason = "failed", "The data changed; make the study again."
    app.run()
    assert not app.exception
    assert app.error[0].value.replace("\\", "") == "The data changed; make the study again."


def test_the_pruned_model_is_made_by_the_worker_and_downloaded(
    cache: Path, requests: Requests, tmp_path: Path
) -> None:
    study = save(cache, made_up_study())
    app = page("The model", sparsity="40")
    app = app.radio(key="export-form").set_value("packed").run()
    assert "About 65 MB" in captions(app), "said beforehand"
    app = app.button(key="export-model").click().run()
    assert (requests[0].do, requests[0].arguments) == (
        "export",
        {"study": study.key, "sparsity": 0.4, "form": "packed"},
    )
    file = tmp_path / "model-at-40.zip"
    file.write_bytes(b"zip")
    requests[0].state = "done"
    requests[0].result = {
        "path": str(file),
        "bytes": 64_000_000,
        "sentence": "64 MB on disk.",
        "achieved": 0.4,
    }
    app.run()
    assert not app.exception
    assert [
        button.label for button in app.get("download_button") if button.key == "download-model"
    ] == ["Download 64.0 MB"]
    file.unlink()
    assert "no longer exists" in app.run().info[0].value


def test_a_model_that_cannot_be_made_here_says_why_and_how_elsewhere(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PRUNESCOPE_DATA", raising=False)
    save(cache, made_up_study(spec={"model": "embedded", "data": None}))
    app = page("The model", sparsity="40")
    assert "export-model" not in [button.key for button in app.button]
    assert "PRUNESCOPE_DATA" in captions(app).replace("\\", "")
    assert any(
        block.value.endswith("--sparsity 0.4 --format packed --out pruned-model")
        for block in app.code
    )


def test_a_model_that_ships_is_offered_without_the_study_s_texts(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PRUNESCOPE_DATA", raising=False)
    study = save(cache, made_up_study(spec={"model": "embedded", "data": None}))
    rate = engine.Rate.of(45, 90)
    model = engine.ShippedModel(
        Path("m"), "k", study.key, 0.4, 0.4, 12, 1000, rate, rate, rate, 0, 0
    )
    monkeypatch.setattr("prunescope.app.components.take_model.ships", lambda *level: model)
    app = page("The model", sparsity="40")
    assert "export-model" in [button.key for button in app.button]
    text = captions(app).replace("\\", "")
    assert "12 bits a remaining weight" in text and "accuracy 50.0% of 90" in text
    level = study.level(0.4)
    assert level is not None and level.acc.value is not None
    assert f"on another machine, has {100 * level.acc.value:.1f}%" in text, "not the same figures"


def test_about_states_every_measure_of_the_glossary_and_both_papers(cache: Path) -> None:
    app = app_at("about").run()
    assert not app.exception
    text = "\n".join(block.value for block in app.markdown)
    assert all(entry.meaning in text for entry in MEASURES)
    assert all(title in text for title in PAPERS.values())


def test_about_has_the_findings_question_by_question(cache: Path) -> None:
    app = app_at("about").run()
    answers = {
        expander.label: "\n".join(block.value for block in expander.markdown)
        for expander in app.expander
    }
    findings = read_findings()
    assert len(findings) == 11 and list(answers) == [finding.question for finding in findings]
    for finding in findings:
        answer = answers[finding.question]
        for claim in finding.claims:
            assert f"| {claim.statement} | {claim.verdict_text} | {claim.short_text} |" in answer
        assert all(f"- {note}" in answer for note in finding.notes)


def test_the_page_imports_neither_torch_nor_textattack() -> None:
    import subprocess
    import sys

    code = (
        "import sys; sys.path.insert(0, '.'); import prunescope.app.charts.curves, "
        "prunescope.engine.reading.series, prunescope.app.screens.explore.live, "
        "prunescope.app.state.resources, prunescope.app.screens.attack.form;"
        "import prunescope.app.screens.attack.batch, prunescope.app.charts.compare, engine;"
        "engine.Store, engine.Workbench, engine.bundled_reviews, engine.paired_attack, "
        "engine.attacks_here();"
        "print([m for m in ('torch', 'transformers', 'textattack') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(MAIN).parents[1],
        check=True,
    )
    assert done.stdout.strip() == "[]"
    assert engine.Store is Store


def test_a_newcomers_page_computes_nothing_that_was_computed_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    st.cache_resource.clear()
    compute_ahead()

    def compute(*arguments: Any) -> None:
        raise AssertionError("computed again")

    for name in ("first_screen.comparison", "first_screen.panel", "curves.cards.cards"):
        monkeypatch.setattr(f"prunescope.app.screens.explore.{name}", compute)
    monkeypatch.setattr("prunescope.app.charts.curves.curves", compute)
    assert not app_at("explore").run().exception
    st.cache_resource.clear()
    assert app_at("explore").run().exception  # the guard bites
