"""`runs` and `jobs` on the command line: their JSON, their exit codes, one sentence for what cannot
be.
"""

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up_store import a_level, a_study

from prunescope.engine.cli.main import main
from prunescope.engine.jobs.queue import JobQueue
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store, level_key

Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs one command on a store with one study: (exit code, the JSON object, stderr)."""
    monkeypatch.setattr("prunescope.engine.paths.BUNDLED", tmp_path / "none")
    monkeypatch.setattr(JobQueue, "start", lambda self: None)
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "cache")
    store.save_study(a_study())
    for level in (0.0, 0.5):
        store.save_level(a_study(), a_level(level))

    def run(*arguments: str) -> tuple[int, Any, str]:
        try:
            code = main([*arguments, "--cache", str(tmp_path / "cache"), "--json"])
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        out, err = capsys.readouterr()
        return code, json.loads(out.splitlines()[-1]) if out and code != 2 else None, err

    return run


KEY = a_study().key


@pytest.mark.parametrize("arguments", [("runs",), ("runs", "list")])
def test_the_list_names_every_study_with_its_levels(run: Run, arguments: tuple[str, ...]) -> None:
    code, answer, _ = run(*arguments)
    (study,) = answer["studies"]
    assert (
        code == 0
        and study["key"] == KEY
        and [level["sparsity"] for level in study["levels"]] == [0.0, 0.5]
    )
    assert answer["sizes"]["total"] >= study["bytes"] > 0


def test_a_study_is_shown_by_the_first_digits_of_its_key(run: Run) -> None:
    code, answer, _ = run("runs", "show", KEY[:6])
    assert code == 0 and answer["key"] == KEY and answer["levels"][1]["acc"]["n"] == 4
    code, _, err = run("runs", "show", "ffff")
    assert code == 2 and err == "No studies begin with 'ffff'; `prunescope runs list` shows them.\n"


def test_verifying_ends_with_one_where_something_is_damaged(run: Run, tmp_path: Path) -> None:
    assert run("runs", "verify")[:2] == (0, {"whole": 3, "damaged": 0, "notices": []})
    path = tmp_path / "cache" / "studies" / KEY / f"{level_key(a_study().identity, 0.5)}.json"
    path.write_bytes(b"")
    code, answer, _ = run("runs", "verify")
    assert code == 1 and (answer["whole"], answer["damaged"]) == (2, 1)


def test_a_study_goes_out_and_comes_in(run: Run, tmp_path: Path) -> None:
    assert run("runs", "export", KEY[:8])[1]["out"] == f"{KEY[:12]}.prunescope"
    code, _, err = run("runs", "export", KEY[:8])
    assert code == 2 and "there already" in err
    assert run("runs", "remove", KEY[:8])[1] == {"key": KEY, "removed": True}
    assert run("runs", "list")[1]["studies"] == []
    assert run("runs", "import", f"{KEY[:12]}.prunescope")[1] == {"key": KEY, "new_levels": 2}
    (tmp_path / "x").write_bytes(b"nothing")
    for name, says in (("x", "not an exported study"), ("y", "cannot be read")):
        code, _, err = run("runs", "import", name)
        assert code == 2 and says in err and err.count("\n") == 1


def test_cleaning_says_what_it_would_do_before_it_does_it(run: Run) -> None:
    assert run("runs", "clean")[0] == 2
    assert len(run("runs", "clean", "--total", "0")[1]["would_remove"]) == 1
    assert run("runs", "pin", KEY[:8])[1]["pinned"]
    assert run("runs", "clean", "--total", "0", "--yes")[1]["removed"] == []
    assert not run("runs", "unpin", KEY[:8])[1]["pinned"]
    assert len(run("runs", "clean", "--total", "1kB", "--yes")[1]["removed"]) == 1
    assert run("runs", "list")[1]["studies"] == []
    code, _, err = run("runs", "clean", "--total", "lots")
    assert code == 2 and "not a size" in err


def test_the_index_is_made_anew(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cache" / "index.sqlite").write_bytes(b"damaged")
    assert run("runs", "rebuild-index")[1] == {"studies": 1, "levels": 2}


def test_jobs_are_listed_cancelled_resumed_and_forgotten(run: Run, tmp_path: Path) -> None:
    assert run("jobs")[1] == {"jobs": []}
    row = JobQueue(tmp_path / "cache").submit(StudySpec(device="cpu"))
    (told,) = run("jobs", "list")[1]["jobs"]
    assert (told["id"], told["state"], told["before"], told["slot"]) == (row.id, "queued", 0, "cpu")
    assert run("jobs", "cancel", row.id[:4])[1]["job"]["state"] == "cancelled"
    assert run("jobs", "resume", row.id)[1]["job"]["state"] == "queued"
    assert run("jobs", "log", row.id)[1] == {"log": ""}
    code, _, err = run("jobs", "remove", row.id)
    assert code == 2 and "cancel it first" in err
    run("jobs", "cancel", row.id)
    assert run("jobs", "show", row.id)[1]["job"]["arguments"]["calibration"] == 512
    assert run("jobs", "remove", row.id)[1] == {"removed": True} and run("jobs")[1] == {"jobs": []}


def test_a_study_in_the_background_is_checked_before_it_is_queued(
    run: Run, data_folder: Path
) -> None:
    code, _, err = run("study", "--background", "--method", "nonsense")
    assert code == 2 and "nonsense" in err and run("jobs")[1] == {"jobs": []}
    code, answer, _ = run(
        "study", "--background", "--data", str(data_folder), "--levels", "0,0.5", "--attack", "none"
    )
    assert (
        code == 0
        and answer["job"]["state"] == "queued"
        and answer["job"]["arguments"]["levels"] == [0.0, 0.5]
    )


@pytest.mark.parametrize(
    ("state", "reason", "told"),
    [
        (
            None,
            "",
            "stopped before a level was done; start the same study again, and it goes on with what "
            "is not done",
        ),
        ("queued", "", "waits in the queue; no level is done yet"),
        (
            "failed",
            "Memory ran out at 9.1 GB.",
            "failed before a level was done; `prunescope jobs resume {job}` goes on "
            "(Memory ran out at 9.1 GB.)",
        ),
        (
            "interrupted",
            "",
            "was interrupted before a level was done; `prunescope jobs resume {job}` goes on",
        ),
        (
            "cancelled",
            "",
            "was cancelled before a level was done; `prunescope jobs resume {job}` goes on",
        ),
        ("used", "", "is being measured; no level is done yet"),
    ],
)
def test_a_study_without_a_level_says_where_it_stands(
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    state: str | None,
    reason: str,
    told: str,
) -> None:
    bare, store, job = a_study(seed=7), Store(tmp_path / "cache"), ""
    store.save_study(bare)
    if state not in (None, "used"):
        queue = JobQueue(tmp_path / "cache")
        job = queue.submit(StudySpec(device="cpu")).id
        queue._rows.change(job, "1", state=state, study=bare.key, reason=reason)
    with store.using(bare.key) if state == "used" else contextlib.nullcontext():
        _, answer, _ = run("runs")
        main(["runs", "--cache", str(tmp_path / "cache")])
    rows = {row["key"]: row for row in answer["studies"]}
    assert rows[KEY]["unfinished"] is None
    assert rows[bare.key]["unfinished"]["state"] == {
        None: "stopped",
        "queued": "waiting",
        "used": "running",
    }.get(state, state)
    (line,) = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith(bare.key[:12])
    ]
    assert line.endswith(f": {told.format(job=job)}")


def test_the_list_names_no_two_studies_alike(run: Run, tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    for where in ("run-a", "run-b"):
        study = a_study(victim=where)
        place = {
            "model": "checkpoint-500",
            "spec": {**study.about["spec"], "model": f"/home/{where}/checkpoint-500"},
        }
        store.save_study(replace(study, about={**study.about, **place}))
    names = [row["name"] for row in run("runs")[1]["studies"]]
    assert len(set(names)) == 3 and {name.partition(" on ")[0] for name in names} == {
        "tiny",
        "run-a/checkpoint-500",
        "run-b/checkpoint-500",
    }
