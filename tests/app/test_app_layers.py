"""The page of layers: default, picked cell, a look that is asked for, running, failed and done, and
its charts.
"""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_studies import made_up_study, save
from pages import app_at
from streamlit.testing.v1 import AppTest

from prunescope.app.charts import inside
from prunescope.app.charts.palette import SPARSE
from prunescope.app.components import cards
from prunescope.engine import LiveJob, Workbench
from prunescope.engine.reading import series

TOKENS = ["[CLS]", "a", "<b>", "\u202efilm", "[SEP]"]


@pytest.fixture(autouse=True)
def requests(monkeypatch: pytest.MonkeyPatch) -> list[LiveJob]:
    requests: list[LiveJob] = []

    def submit(self: Workbench, do: str, **arguments: Any) -> LiveJob:
        requests.append(LiveJob(len(requests) + 1, do, arguments))
        return requests[-1]

    monkeypatch.setattr(Workbench, "submit", submit)
    monkeypatch.setattr(Workbench, "warm", lambda self: None)
    monkeypatch.setattr(Workbench, "cancel", lambda self, job: setattr(job, "state", "cancelled"))
    return requests


def page(**query: str) -> AppTest:
    return app_at("layers", query).run()


def looked(adversarial: bool = True) -> dict[str, Any]:
    """What the worker answers to a look: two blocks, three heads, five tokens."""
    kinds = ["clean", "adversarial"] if adversarial else ["clean"]
    readers = [(side, kind) for side in ("dense", "pruned") for kind in kinds]
    pairs = [(("dense", kind), ("pruned", kind)) for kind in kinds]
    pairs += (
        [((side, "clean"), (side, "adversarial")) for side in ("dense", "pruned")]
        if adversarial
        else []
    )
    weights = np.random.default_rng(0).dirichlet(np.ones(5), size=(2, 3, 5)).astype(np.float16)
    return {
        "notice": None,
        "texts": {kind: f"a <b> film ({kind})" for kind in kinds},
        "blocks": 2,
        "shares": [0.7, 0.2],
        "sparsity": 0.5,
        "label_names": ["negative", "positive"],
        "distances": [
            {
                "from": list(a),
                "to": list(b),
                "euclidean": [0.0, 0.1, 0.4],
                "cosine": [0.0, 0.01, 0.1],
            }
            for a, b in pairs
        ],
        "map": [
            {"side": side, "text": kind, "points": [[0.0, 0.0], [1.0, index], [2.0, -index]]}
            for index, (side, kind) in enumerate(readers)
        ],
        "attention": [
            {
                "side": side,
                "text": kind,
                "tokens": TOKENS,
                "cut": 4,
                "shape": [2, 3, 5, 5],
                "values": base64.b64encode(weights.tobytes()).decode(),
            }
            for side, kind in readers
        ],
        "probabilities": [
            {"side": side, "text": kind, "values": [0.25, 0.75]} for side, kind in readers
        ],
    }


def test_an_empty_store_says_what_to_do(cache: Path) -> None:
    app = page()
    assert not app.exception
    assert [link.proto.page for link in app.get("page_link")] == ["check"]


def test_the_worst_layer_is_shown_until_a_cell_is_picked(cache: Path) -> None:
    save(cache, made_up_study())
    app = page()
    assert not app.exception
    assert app.header[0].value.startswith("Block 3, ")
    assert page(cell="1.key").header[0].value == "Block 2, key"
    assert page(cell="9.nothing").header[0].value.startswith("Block 3, ")


def test_a_look_is_asked_for_at_the_slider_s_sparsity(cache: Path, requests: list[LiveJob]) -> None:
    study = save(cache, made_up_study())
    app = page(sparsity="40")
    app.text_area(key="look-text").set_value("what a film")
    app.text_area(key="look-adversarial").set_value("what a f1lm")
    app = app.button(key="look").click().run()
    arguments = {
        "study": study.key,
        "sparsity": 0.4,
        "text": "what a film",
        "adversarial": "what a f1lm",
        "at_once": True,
    }
    assert (requests[0].do, requests[0].arguments) == ("look", arguments)
    assert "cancel-looking" in [button.key for button in app.button]
    app.button(key="cancel-looking").click().run()
    assert requests[0].state == "cancelled"


def test_an_n_m_study_is_looked_into_at_its_own_sparsity(
    cache: Path, requests: list[LiveJob]
) -> None:
    save(cache, made_up_study((0.0, 0.5), pattern="2:4"))
    page(sparsity="70").button(key="look").click().run()
    assert requests[0].arguments["sparsity"] == 0.5


def test_a_failed_look_is_a_notice(cache: Path, requests: list[LiveJob]) -> None:
    save(cache, made_up_study())
    app = page().button(key="look").click().run()
    requests[0].state, requests[0].reason = "failed", "There are no words to read; type a sentence."
    app.run()
    assert not app.exception
    assert app.error[0].value.replace("\\", "") == requests[0].reason


@pytest.mark.parametrize("adversarial", [True, False])
def test_a_look_shows_answers_distances_map_and_attention(
    cache: Path, requests: list[LiveJob], adversarial: bool
) -> None:
    save(cache, made_up_study())
    app = page().button(key="look").click().run()
    requests[0].state, requests[0].result = "done", looked(adversarial)
    app.run()
    assert not app.exception
    assert any("pruned, clean text: positive 75.0%" in text.value for text in app.text)
    charts = set(app.session_state["charts"])
    assert {"look-distances", "look-map", "attention-dense", "attention-pruned"} <= charts
    assert any("4 more are left out" in caption.value for caption in app.caption)
    app = app.selectbox(key="attention-head").set_value(2).run()
    assert not app.exception


def test_while_a_model_is_pruned_a_sparser_one_is_shown_as_what_it_is(
    cache: Path, requests: list[LiveJob]
) -> None:
    save(cache, made_up_study())
    app = page(sparsity="40").button(key="look").click().run()
    requests[0].state, requests[0].result = "done", {**looked(), "sparsity": 0.75}
    app.run()
    assert not app.exception
    assert [job.do for job in requests] == ["look", "prune"]
    assert "The pruned model is the one at 75%, while 40% is being pruned." in texts(app)
    assert "cancel-looking" in [button.key for button in app.button]
    requests[1].state = "done"
    app.run()
    requests[2].state, requests[2].result = "done", {**looked(), "sparsity": 0.4}
    app.run()
    assert "The pruned model is the one at 40%." in texts(app)
    assert not any("75%" in text for text in texts(app))


def test_a_model_that_could_not_be_pruned_is_not_named_for_the_one_that_is_shown(
    cache: Path, requests: list[LiveJob]
) -> None:
    save(cache, made_up_study())
    app = page(sparsity="40").button(key="look").click().run()
    requests[0].state, requests[0].result = "done", {**looked(), "sparsity": 0.75}
    app.run()
    requests[1].state, requests[1].reason = "failed", "No memory is left."
    app.run()
    assert "The pruned model is the one at 75%; 40% was not pruned." in texts(app)
    assert app.error[0].value.replace("\\", "") == "No memory is left."


def texts(app: AppTest) -> list[str]:
    return [text.value for text in app.text]


def attacked(outcome: str) -> dict[str, Any]:
    side = {"name": "pruned", "outcome": outcome, "perturbed": "a f1lm"}
    return {"sides": [{**side, "name": "dense"}, side]}


def test_the_text_of_an_attack_goes_into_its_field_once(
    cache: Path, requests: list[LiveJob]
) -> None:
    save(cache, made_up_study())
    app = page().button(key="look-attack").click().run()
    requests[0].state, requests[0].result = "done", attacked("broken")
    app.run()
    assert app.text_area(key="look-adversarial").value == "a f1lm"
    app = app.text_area(key="look-adversarial").set_value("my own").run()
    assert app.text_area(key="look-adversarial").value == "my own"


def test_an_attack_that_does_not_break_the_model_says_so(
    cache: Path, requests: list[LiveJob]
) -> None:
    save(cache, made_up_study())
    app = page().button(key="look-attack").click().run()
    requests[0].state, requests[0].result = "done", attacked("held")
    app.run()
    assert app.text_area(key="look-adversarial").value == ""
    assert any("withstood the attack" in info.value for info in app.info)


def test_attention_reads_back_and_its_mean_is_over_heads() -> None:
    values, tokens, cut = inside.attention_of(looked(), "pruned", "clean")
    assert (values.shape, tokens, cut) == ((2, 3, 5, 5), TOKENS, 4)
    table = inside.attention_table(looked(), "dense", "clean", 1, None)
    assert table.to_numpy() == pytest.approx(values[1].mean(axis=0), abs=1e-4)
    assert inside.attention_table(looked(), "dense", "clean", 1, 2).to_numpy() == pytest.approx(
        values[1, 2], abs=1e-4
    )


def test_tokens_are_text_in_a_chart() -> None:
    figure = inside.attention_chart(inside.attention_table(looked(), "dense", "clean", 0, 0), 1.0)
    assert list(figure.layout.xaxis.ticktext) == [
        "[CLS]",
        "a",
        "&lt;b&gt;",
        "⟨U+202E⟩film",
        "[SEP]",
    ]


def test_distances_and_map_hold_a_row_a_layer_and_reading() -> None:
    table = inside.distances_table(looked())
    assert len(table) == 4 * 3 and list(table["layer"])[:3] == ["embeddings", "1", "2"]
    assert len(inside.map_table(looked())) == 4 * 3
    figure = inside.distances_chart(looked(), "cosine")
    assert [list(trace.y) for trace in figure.data] == [[0.0, 0.01, 0.1]] * 4
    looks = [(trace.line.dash, trace.marker.symbol) for trace in figure.data]
    assert len(set(looks)) == 4
    paths = inside.map_chart(looked())
    assert len({(trace.line.dash, trace.marker.symbol) for trace in paths.data}) == 4
    assert paths.layout.yaxis.scaleanchor == "x", "distances on the map are distances"


def test_a_cell_s_curve_and_marks_are_its_errors() -> None:
    study = made_up_study()
    frame = series.cell_curve(study, "2.value")
    assert list(frame["error"]) == [level.layer_errors["2.value"] for level in study.levels]
    figure = inside.cell_chart(frame, "Block 3, value")
    assert (
        list(figure.data[1].y) == [error for error in frame["error"] if error > 0]
        and figure.data[1].line.color == SPARSE
    )
    (mark,) = cards.cell_marks(study, "2.value", [0.0, 45.0, 50.0, 99.0])
    assert (
        mark["at"][0] is None
        and not mark["at"][1][1]
        and mark["at"][2][1]
        and mark["at"][3] is None
    )
