"""The page Studies as a person meets it: default, empty, running, failed, damaged; starting,
cancelling, importing.
"""

import os
from pathlib import Path
from typing import Any

import pytest
from made_up_studies import made_up_study, save
from pages import app_at
from streamlit.testing.v1 import AppTest

from prunescope.app.screens.studies.start import command, levels_in
from prunescope.engine import Job, JobQueue, SettingError, Store, StudySpec, Workbench
from prunescope.engine.jobs.processes import start_time
from prunescope.engine.store.exchange import packed_study

HOSTILE = "<b>**x**</b> $a$ [l](http://x) \u202etxt.exe"


class Asked(list[Job]):
    """What the page asked of the worker; no worker runs."""


@pytest.fixture(autouse=True)
def requests(monkeypatch: pytest.MonkeyPatch) -> Asked:
    jobs = Asked()

    def submit(self: Workbench, do: str, **arguments: Any) -> Job:
        jobs.append(Job(len(jobs) + 1, do, arguments))
        return jobs[-1]

    monkeypatch.setattr(Workbench, "submit", submit)
    monkeypatch.setattr(Workbench, "cancel", lambda self, job: setattr(job, "state", "cancelled"))
    monkeypatch.setattr(JobQueue, "start", lambda self: None)
    return jobs


def page(**query: str) -> AppTest:
    return app_at("studies", query).run()


def shown(app: AppTest) -> str:
    kinds = (
        app.markdown,
        app.caption,
        app.text,
        app.info,
        app.warning,
        app.error,
        app.success,
        app.code,
        app.header,
    )
    return "\n".join(str(block.value) for kind in kinds for block in kind)


def a_job(cache: Path, state: str, **values: Any) -> str:
    queue = JobQueue(cache)
    row = queue.submit(
        StudySpec(levels=(0.0, 0.5), device="cpu", calibration=values.pop("calibration", 512))
    )
    queue._rows.change(row.id, "1", state=state, **values)
    return row.id


def test_an_empty_store_offers_to_start(cache: Path) -> None:
    app = page()
    assert not app.exception
    assert "No study yet" in shown(app) and "no estimate" in shown(app)
    assert app.button(key="start").disabled is False
    assert not [header for header in app.header if header.value == "Jobs"]


def test_the_store_is_listed_and_a_like_study_gives_an_estimate(cache: Path) -> None:
    study = made_up_study()
    for level in study.levels:
        level.seconds.update(prune=100.0, evaluate=1.0, attack=20.0)
    save(cache, study)
    app = page()
    assert not app.exception
    (table,) = app.dataframe
    assert (
        table.value.loc[0, "model"] == "Tiny"
        and table.value.loc[0, "levels"] == 4
        and table.value.loc[0, "storage"] == "user"
    )
    assert "About" in shown(app) and "1 stored study of this model" in shown(app)


def test_what_starts_is_checked_first_then_queued_and_named_in_the_address(
    cache: Path, requests: Asked
) -> None:
    app = page()
    app.text_input(key="new-levels").set_value("0, 62.5 %").run()
    app.number_input(key="new-seed").set_value(7).run()
    app.button(key="start").click().run()
    assert not app.exception and requests[0].do == "check"
    assert (
        requests[0].arguments["spec"]["levels"] == (0.0, 0.625)
        and requests[0].arguments["spec"]["seed"] == 7
    )
    assert JobQueue(cache).rows() == []  # not before it is known to be well
    requests[0].state, requests[0].result = "done", {"key": "k", "about": {}, "stored": []}
    app.run()
    (row,) = JobQueue(cache).rows()
    assert row.state == "queued" and row.arguments["seed"] == 7
    assert app.query_params["job"] in (row.id, [row.id])


def test_columns_of_other_names_can_be_told(cache: Path, requests: Asked) -> None:
    app = page()
    app.text_input(key="new-text-column").set_value(" body ").run()
    app.text_input(key="new-label-column").set_value("stars").run()
    app.button(key="start").click().run()
    spec = requests[0].arguments["spec"]
    assert (spec["text_column"], spec["pair_column"], spec["label_column"]) == (
        "body",
        None,
        "stars",
    )


def test_what_the_engine_refuses_is_said_and_not_queued(cache: Path, requests: Asked) -> None:
    app = page()
    app.button(key="start").click().run()
    requests[0].state, requests[0].reason = "failed", "The folder nowhere holds no config.json."
    app.run()
    assert (
        "The folder nowhere holds no config" in shown(app).replace("\\", "")
        and JobQueue(cache).rows() == []
    )


def test_a_check_can_be_cancelled(cache: Path, requests: Asked) -> None:
    app = page()
    app.button(key="start").click().run()
    app.button(key="cancel-check").click().run()
    assert "Cancelled before it started" in shown(app) and JobQueue(cache).rows() == []


BAD = {
    "0, x": "is not a list of percentages",
    "120": "120% is not a sparsity",
    "nan": "nan% is not a sparsity",
    "": "no levels",
}


@pytest.mark.parametrize(("levels", "says"), BAD.items())
def test_a_field_that_cannot_be_is_said_at_once(cache: Path, levels: str, says: str) -> None:
    app = page()
    app.text_input(key="new-levels").set_value(levels).run()
    assert says in shown(app).replace("\\", "") and app.button(key="start").disabled


def test_a_running_job_shows_its_progress_and_can_be_cancelled(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = os.getpid()
    job = a_job(
        cache,
        "running",
        stage="50 %: attack 3 of 9",
        done=500,
        total=2000,
        remaining=75.0,
        pid=me,
        born=start_time(me),
    )
    waiting = a_job(cache, "queued", calibration=64)
    app = page(job=job)
    assert not app.exception
    text = shown(app)
    assert "Running" in text and "about 1 min 15 s left" in text and "1 before it on cpu" in text
    assert "The log is empty so far" in text
    monkeypatch.setattr("prunescope.engine.jobs.queue.end_group", lambda pid, when: None)
    app.button(key=f"cancel-{job}").click().run()
    assert (
        JobQueue(cache).row(job).state == "cancelled"
        and JobQueue(cache).row(waiting).state == "queued"
    )
    assert app.button(key=f"resume-{job}") is not None


def test_a_failed_job_says_why_and_can_be_resumed_or_forgotten(cache: Path) -> None:
    job = a_job(
        cache, "failed", reason=f"It failed: {HOSTILE}", title=HOSTILE, started=1.0, ended=2.0
    )
    app = page(job=job)
    assert not app.exception and app.error and "**x**" not in app.error[0].value
    assert all("**x**" not in block.value for block in app.markdown)
    app.button(key=f"resume-{job}").click().run()
    assert JobQueue(cache).row(job).state == "queued"
    app.button(key=f"cancel-{job}").click().run()
    app.button(key=f"forget-{job}").click().run()
    assert JobQueue(cache).rows() == []


def test_a_dead_worker_is_offered_for_resuming(cache: Path) -> None:
    job = a_job(cache, "running", pid=2**22 + 5, born="gone")
    app = page()
    assert "Interrupted" in shown(app) and app.button(key=f"resume-{job}") is not None


def test_a_link_to_a_job_that_is_not_here_says_so(cache: Path) -> None:
    assert "not in this queue" in shown(page(job="0123456789ab")), "also where the queue is empty"
    a_job(cache, "done")
    assert "not in this queue" in shown(page(job="0123456789ab"))


def test_a_damaged_study_is_set_aside_and_the_page_goes_on(cache: Path) -> None:
    study = save(cache, made_up_study())
    (cache / "studies" / study.key / "study.json").write_bytes(b"damaged")
    app = page()
    assert not app.exception and "set aside" in shown(app) and "No study yet" in shown(app)


def test_a_damaged_list_of_jobs_is_set_aside_and_the_page_goes_on(cache: Path) -> None:
    a_job(cache, "done")
    (cache / "jobs" / "jobs.sqlite").write_bytes(b"damaged" * 1000)
    app = page()
    assert not app.exception and "list of jobs was damaged" in shown(app)
    assert not app.run().error


def test_the_command_line_says_what_the_form_says() -> None:
    spec = StudySpec(model="my model", levels=(0.0, 0.625), seed=3)
    assert command(spec).endswith("study --background --model 'my model' --levels 0,0.625 --seed 3")
    assert levels_in("50, 0,12.5%, 50") == (0.0, 0.125, 0.5)
    with pytest.raises(SettingError, match="percentages"):
        levels_in("a half")


def test_an_exported_study_comes_in_through_the_page(cache: Path, tmp_path: Path) -> None:
    study = save(tmp_path / "other", made_up_study())
    content = packed_study(Store(tmp_path / "other"), study.key)
    app = page()
    app.file_uploader(key="import").set_value(
        ("study.prunescope", content, "application/zip")
    ).run()
    app.button(key="take-in").click().run()
    assert "4 new levels" in shown(app) and Store(cache).study(study.key) is not None
    app.file_uploader(key="import").set_value(
        ("study.prunescope", content[:-9], "application/zip")
    ).run()
    app.button(key="take-in").click().run()
    assert "nothing was imported" in shown(app)


def test_a_study_without_a_level_says_where_it_stands_and_strangers_are_not_told_why(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = made_up_study((0.0, 0.3))
    Store(cache).save_study(bare)
    a_job(cache, "failed", study=bare.key, reason="/secret/place is full.", ended=1.0)
    (table,) = page().dataframe
    assert table.value.loc[0, "sparsity"] == "failed" and table.value.loc[0, "levels"] == 0
    for public, owner in (("", True), ("1", False)):
        monkeypatch.setenv("PRUNESCOPE_PUBLIC", public)
        app = app_at("explore", {"study": bare.key[:12]}).run()
        (warning,) = [
            block.value for block in app.warning if "before a level was done" in block.value
        ]
        assert (
            "failed before a level was done" in warning
            and ("resume it on the page Studies" in warning) is owner
        )
        assert ("secret" in warning) is owner
