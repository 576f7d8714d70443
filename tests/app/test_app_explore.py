"""The page as a person meets it: default, interpolated, empty, damaged, running, done and failed."""

import json
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from made_up import made_up_study, save
from streamlit.testing.v1 import AppTest

import engine
from engine import Job, Store, Workbench

MAIN = str(Path(__file__).resolve().parents[2] / "app" / "main.py")


class Requests(list[Job]):
    """What the page asked of the worker; no worker runs."""


@pytest.fixture(autouse=True)
def requests(monkeypatch: pytest.MonkeyPatch) -> Requests:
    asked = Requests()

    def submit(self: Workbench, do: str, **arguments: Any) -> Job:
        asked.append(Job(len(asked) + 1, do, arguments))
        return asked[-1]

    monkeypatch.setattr(Workbench, "submit", submit)
    monkeypatch.setattr(Workbench, "warm", lambda self: None)
    monkeypatch.setattr(Workbench, "cancel", lambda self, job: setattr(job, "state", "cancelled"))
    return asked


def page(**query: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def captions(app: AppTest) -> str:
    return "\n".join(caption.value for caption in app.caption)


def test_an_empty_store_says_what_to_do(cache: Path) -> None:
    app = page()
    assert not app.exception
    assert app.header[0].value == "No study yet"
    assert "python -m engine demo" in app.text[0].value


def test_the_cards_show_the_measured_values_of_the_level(cache: Path) -> None:
    study = save(cache, made_up_study())
    app = page()
    assert not app.exception
    here = study.level(0.5)
    assert here is not None and here.aua is not None and here.asr is not None
    assert metrics(app)["Acc"] == f"{100 * (here.acc.value or 0):.1f} %"
    assert metrics(app)["Aua"] == f"{100 * (here.aua.value or 0):.1f} %"
    assert metrics(app)["Asr"] == f"{100 * (here.asr.value or 0):.1f} %"
    assert f"{100 * here.acc.low:.1f} – {100 * here.acc.high:.1f} %, n = 100" in captions(app)


def test_the_slider_moves_every_card(cache: Path) -> None:
    save(cache, made_up_study())
    app = page()
    before = metrics(app)
    after = metrics(app.slider(key="sparsity").set_value(90).run())
    assert all(before[name] != after[name] for name in ("Sparsity", "Acc", "Aua", "Asr", "Size, packed"))


def test_a_value_between_levels_says_that_it_is_interpolated(cache: Path) -> None:
    save(cache, made_up_study())
    app = page().slider(key="sparsity").set_value(45).run()
    assert metrics(app)["Acc"].startswith("≈ ")
    assert "interpolated between 40 and 50 %" in captions(app)
    assert [button.label for button in app.button if button.key == "measure"] == ["Measure 45 % now"]


def test_a_measured_level_is_not_offered_for_measuring(cache: Path) -> None:
    save(cache, made_up_study())
    assert "measure" not in [button.key for button in page().button]


def test_a_study_whose_data_is_elsewhere_is_not_offered_for_measuring(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRUNESCOPE_DATA", raising=False)
    save(cache, made_up_study(spec={"model": "embedded", "data": None}))
    app = page().slider(key="sparsity").set_value(45).run()
    assert "measure" not in [button.key for button in app.button]
    assert "PRUNESCOPE_DATA" in captions(app)


def test_a_study_without_attack_shows_no_made_up_rates(cache: Path) -> None:
    save(cache, made_up_study(attacked=0))
    app = page()
    assert not app.exception
    assert metrics(app)["Aua"] == metrics(app)["Asr"] == "–"


def test_a_damaged_level_is_set_aside_with_a_notice_and_the_rest_is_shown(cache: Path) -> None:
    study = save(cache, made_up_study())
    path = next(p for p in (cache / "studies" / study.key).glob("*.json")
                if p.name != "study.json" and json.loads(p.read_text())["payload"]["sparsity"] == 0.5)  # fmt: skip
    path.write_bytes(path.read_bytes()[:-40])
    app = page()
    assert not app.exception
    assert any("set aside" in warning.value for warning in app.warning)
    assert metrics(app)["Acc"].startswith("≈ ")


def test_a_link_to_a_study_that_is_not_here_says_so(cache: Path) -> None:
    save(cache, made_up_study())
    assert any("not in this store" in info.value for info in page(study="feedbeef").info)


def test_the_link_carries_the_sparsity(cache: Path) -> None:
    save(cache, made_up_study())
    assert metrics(page(sparsity="90"))["Sparsity"] == "90 %"


def test_two_studies_can_be_switched(cache: Path) -> None:
    one, two = save(cache, made_up_study()), save(cache, made_up_study((0.0, 0.5), data="other"))
    app = page()
    shown = {app.text[0].value}
    app = app.selectbox(key="study").set_value(next(k for k in (one.key, two.key) if k != app.selectbox(key="study").value))
    assert len(shown | {app.run().text[0].value}) == 2


def test_the_door_leads_to_the_attack_page_with_study_and_sparsity(cache: Path) -> None:
    study = save(cache, made_up_study())
    link = page().slider(key="sparsity").set_value(90).run().get("page_link")[0].proto
    assert link.label == "Attack at 90 % sparsity" and link.page == "attack"
    assert dict(urllib.parse.parse_qsl(link.query_string)) == {"study": study.key[:12], "victims": f"{study.key[:12]}@0.9"}


def test_measuring_asks_the_worker_and_can_be_cancelled(cache: Path, requests: Requests) -> None:
    study = save(cache, made_up_study())
    app = page().slider(key="sparsity").set_value(45).run()
    app.button(key="measure").click().run()
    assert (requests[0].do, requests[0].arguments) == ("measure", {"study": study.key, "sparsity": 0.45})
    app.button(key="cancel-measuring").click().run()
    assert requests[0].state == "cancelled" and "Cancelled" in app.info[0].value


def test_a_level_that_could_not_be_measured_is_one_sentence(cache: Path, requests: Requests) -> None:
    save(cache, made_up_study())
    app = page().slider(key="sparsity").set_value(45).run()
    app.button(key="measure").click().run()
    requests[0].state, requests[0].reason = "failed", "The data changed; make the study again."
    app.run()
    assert not app.exception
    assert app.error[0].value.replace("\\", "") == "The data changed; make the study again."


def test_about_states_the_definitions(cache: Path) -> None:
    app = AppTest.from_file(str(Path(MAIN).parent / "screens" / "about.py"), default_timeout=60).run()
    assert not app.exception
    assert any("accuracy under attack" in block.value for block in app.markdown)


def test_the_page_imports_neither_torch_nor_textattack() -> None:
    import subprocess
    import sys

    code = ("import sys; sys.path.insert(0, '.'); import app.charts, app.figures, app.live, app.state, app.attack_form;"
            "import app.attack_batch, app.compare_charts, engine;"
            "engine.Store, engine.Workbench, engine.bundled_reviews, engine.paired_attack, engine.attacks_here();"
            "print([m for m in ('torch', 'transformers', 'textattack') if m in sys.modules])")  # fmt: skip
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True,
                          cwd=Path(MAIN).parents[1], check=True)  # fmt: skip
    assert done.stdout.strip() == "[]"
    assert engine.Store is Store
