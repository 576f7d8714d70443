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

from prunescope.engine import JobQueue, Store, StudySpec
from prunescope.engine.jobs.processes import start_time
from prunescope.engine.store.exchange import packed_study

HOSTILE = "<b>**x**</b> $a$ [l](http://x) \u202etxt.exe"


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """No job is started."""
    monkeypatch.setattr(JobQueue, "start", lambda self: None)


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
    assert "No study yet" in shown(app)
    assert not [header for header in app.header if header.value == "Jobs"]


def test_the_store_is_listed(cache: Path) -> None:
    save(cache, made_up_study())
    app = page()
    assert not app.exception
    (table,) = app.dataframe
    assert (
        table.value.loc[0, "model"] == "Tiny"
        and table.value.loc[0, "levels"] == 4
        and table.value.loc[0, "storage"] == "user"
    )


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
