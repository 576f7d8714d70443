"""Jobs: the page's side with made-up workers, the real worker process, and the bench inside it."""

import contextlib
import gc
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import weakref
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from prunescope.engine import open_packed, paths, timed_levels
from prunescope.engine.errors import SettingError
from prunescope.engine.live import client
from prunescope.engine.live.attack_run import AttackRuns
from prunescope.engine.live.client import AttackSnapshot, LiveJob, Workbench
from prunescope.engine.live.memory import bytes_in_memory
from prunescope.engine.live.models import LiveModels, OpenedStudy
from prunescope.engine.live.worker import Worker
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.progress import ProgressState
from prunescope.engine.records import Study, StudySpec
from prunescope.engine.store import Store, key_of
from prunescope.engine.studies.prepare import prepare
from prunescope.engine.studies.run import run_study

# Answers as prunescope.engine.live.worker does, without its libraries; `do` says how it behaves.
MADE_UP = """#!{python} -S
import json, os, sys, time
def say(**event): print(json.dumps(event), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    number, do = request.get("id"), request.get("how") or request.get("do")
    if number is None: continue
    if do == "warmed": say(id=0, event="warmed"); continue
    say(id=number, event="started")
    if do == "hang": time.sleep(600)
    if do == "nap": time.sleep(1); say(id=number, event="cancelled"); continue
    if do == "die": sys.stdin.readline(); os._exit(7)  # with another one behind it
    if do == "torn":
        sys.stdout.write('{{"id": ' + str(number) + ', "event": "do')
        sys.stdout.flush(); os._exit(7)
    if do == "noise": print("\\nDownloading: 100 %", flush=True)
    say(id=number, event="progress", stage="block 1", done=3, total=4)
    step = dict(id=number, event="step", side="dense", lowest=0.25)
    say(**step, kind="try", queries=5, text="b", truth=0.25)
    say(**step, kind="rank", queries=9, text=None, truth=None)
    if do == "refuse":
        say(id=number, event="failed", reason="The study nope is not in the store."); continue
    say(id=number, event="done", result={{"pid": os.getpid()}})
"""


def wait_until(true: Callable[[], bool], seconds: float = 120) -> None:
    """Poll until something holds; the limit only ends a test that would hang."""
    for _ in range(int(seconds / 0.02)):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it never came true")


def finished(job: LiveJob) -> LiveJob:
    """The job once it is over; it is looked at, as a page does."""

    def over() -> bool:
        job.look()
        return not job.active

    wait_until(over)
    return job


def running(job: LiveJob) -> LiveJob:
    wait_until(lambda: job.state != "queued")
    assert job.state == "running"
    return job


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pid_of(bench: Workbench) -> int:
    assert bench._process is not None
    return bench._process.pid


# The page's side


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """A workbench whose workers are made up."""
    worker = tmp_path / "worker"
    worker.write_text(MADE_UP.format(python=sys.executable), encoding="utf-8")
    worker.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(worker))
    made = Workbench(tmp_path / "cache")
    yield made
    made.close()


def test_a_job_tells_its_progress_and_its_result(bench: Workbench) -> None:
    job = finished(bench.submit("measure"))
    assert (job.state, job.result, job.reason) == ("done", {"pid": pid_of(bench)}, "")
    assert job.progress == ProgressState("block 1", 3, 4)
    assert job.steps == [("dense", 5, 0.25), ("dense", 9, 0.25)]
    assert job.snapshots == {"dense": AttackSnapshot("rank", 9, "b", 0.25, [(5, 0.25), (9, 0.25)])}


def test_jobs_share_one_worker_and_keep_their_answers_apart(bench: Workbench) -> None:
    first, second, third = bench.submit("measure"), bench.submit("refuse"), bench.submit("measure")
    assert finished(first).result == finished(third).result
    assert (
        finished(second).state == "failed"
        and second.reason == "The study nope is not in the store."
    )
    assert second.result is None


def test_a_worker_that_dies_fails_its_jobs_and_the_next_one_works(bench: Workbench) -> None:
    dead, behind = bench.submit("die"), bench.submit("measure")
    for job in (dead, behind):
        assert finished(job).state == "failed"
        assert "ended unexpectedly (code 7)" in job.reason
    assert finished(bench.submit("measure")).state == "done"


def test_a_worker_that_is_killed_fails_its_job_and_the_next_one_works(bench: Workbench) -> None:
    job = running(bench.submit("hang"))
    first = pid_of(bench)
    os.kill(first, signal.SIGKILL)
    assert finished(job).state == "failed" and "code -9" in job.reason
    again = finished(bench.submit("measure"))
    assert again.state == "done" and again.result != {"pid": first}


def test_a_job_is_not_forgotten_when_its_worker_was_replaced_first(bench: Workbench) -> None:
    job = running(bench.submit("hang"))
    with bench._lock:  # the reader cannot mark the job before the next one has started a new worker
        os.kill(pid_of(bench), signal.SIGKILL)
        assert bench._process is not None
        bench._process.wait()
        other = bench.submit("measure")
    assert finished(job).state == "failed"
    assert finished(other).state == "done"


def test_an_answer_cut_short_fails_the_job(bench: Workbench) -> None:
    assert finished(bench.submit("torn")).state == "failed"


def test_a_line_that_is_no_answer_is_passed_over(bench: Workbench) -> None:
    assert finished(bench.submit("noise")).state == "done"


def test_a_job_that_will_not_stop_is_ended_and_those_behind_it_go_on(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PATIENCE", 0.1)
    stuck, behind = running(bench.submit("hang")), bench.submit("measure")
    first = pid_of(bench)
    bench.cancel(stuck)
    assert finished(stuck).state == "cancelled"
    assert finished(behind).state == "done" and len(behind.steps) == 2
    assert not alive(first)


def test_a_job_that_is_dropped_does_not_cost_the_others_their_worker(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PATIENCE", 0.1)
    loading, behind = running(bench.submit("nap")), bench.submit("measure")
    first = pid_of(bench)
    bench.drop(loading)
    assert finished(behind).state == "done" and pid_of(bench) == first and alive(first)
    assert loading.state == "cancelled"


def test_cancelling_a_waiting_job_leaves_the_running_one_alone(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PATIENCE", 0.0)
    busy, waiting = running(bench.submit("hang")), bench.submit("measure")
    first = pid_of(bench)
    bench.cancel(waiting)
    assert finished(waiting).state == "cancelled"
    time.sleep(0.2)  # longer than its patience
    assert busy.state == "running" and pid_of(bench) == first and alive(first)


def test_a_finished_job_stays_finished_when_it_is_cancelled(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PATIENCE", 0.0)
    job = finished(bench.submit("measure"))
    bench.cancel(job)
    time.sleep(0.1)
    assert job.state == "done"


def test_what_nobody_looks_at_any_more_is_cancelled_and_says_why(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LONG_PATIENCE", 0.1)
    monkeypatch.setattr(client, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(client, "ABANDONED_AFTER", 1.0)
    job = running(bench.submit("attack", how="hang"))
    for _ in range(30):  # longer than it would be left alone
        job.look()
        time.sleep(0.05)
    assert job.state == "running", "somebody waits for it"
    wait_until(lambda: not job.active, 20)
    assert job.state == "cancelled" and "closed or left" in job.reason
    kept = running(bench.submit("hang"))  # what is stored is not awaited
    time.sleep(1.3)
    assert kept.state == "running" and not bench._watching


def test_closing_ends_the_worker_and_its_jobs(bench: Workbench) -> None:
    job = running(bench.submit("hang"))
    pid = pid_of(bench)
    bench.close()
    assert not alive(pid)
    assert finished(job).state == "failed"
    bench.close()  # twice does no harm


def test_old_jobs_are_forgotten_and_active_ones_are_not(bench: Workbench) -> None:
    made = [bench.submit("measure") for _ in range(70)]
    finished(made[-1])
    last = running(bench.submit("hang"))
    assert len(bench._jobs) == len(bench._sent) == 51 and bench._jobs[last.number] is last


def test_warming_starts_the_worker_once(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "WARM_AFTER", 0.0)
    bench.warm()
    wait_until(lambda: bench._process is not None)
    first = pid_of(bench)
    bench.warm()
    assert finished(bench.submit("measure")).result == {"pid": first}


def test_a_bench_is_busy_until_its_worker_is_warm_and_while_it_has_jobs(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "WARM_AFTER", 0.0)
    assert not bench.busy
    bench.warm()
    assert bench.busy
    wait_until(lambda: bench._process is not None)
    assert bench.busy, "it loads its libraries"
    assert bench._process is not None and bench._process.stdin is not None
    bench._process.stdin.write('{"id": 0, "do": "warmed"}\n')  # the made-up worker says it then
    bench._process.stdin.flush()
    wait_until(lambda: not bench.busy)
    job = bench.submit("measure")
    assert bench.busy
    finished(job)
    assert not bench.busy
    bench._warming = True
    bench.submit("hang")
    os.kill(pid_of(bench), signal.SIGKILL)
    wait_until(lambda: not bench.busy)


def test_what_was_to_be_warmed_stays_cold_once_it_is_closed(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "WARM_AFTER", 0.1)
    bench.warm()
    bench.close()
    time.sleep(0.3)  # longer than it waits
    assert bench._process is None


@contextlib.contextmanager
def ended_at_last(process: subprocess.Popen[str]) -> Iterator[None]:
    """Kills a process that a failing test leaves running, which would be waited for without end."""
    try:
        yield
    finally:
        process.kill()


# The worker's loop, in a process of its own and without its libraries

LOUD = """
import os, sys
from prunescope.engine.live import worker
def loud(self, request):
    print("a library prints"); os.write(1, b"so does its C code\\n"); sys.stdout.flush()
    if request["do"] == "fail": raise RuntimeError("a defect")
    return {"ok": request["id"]}
def broken(self): raise ImportError("no such library")
worker.Worker._do, worker.Worker._warm = loud, broken
sys.argv = ["worker", "--cache", sys.argv[1]]
worker.main()
"""


def test_what_a_library_prints_does_not_enter_the_answers_and_a_defect_does_not_end_the_worker(
    tmp_path: Path,
) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-c", LOUD, str(tmp_path)],
        text=True,
        cwd=paths.PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert worker.stdin and worker.stdout and worker.stderr
    with worker, ended_at_last(worker):
        for request in ({"warm": True}, {"id": 1, "do": "fail"}, {"id": 2, "do": "look"}):
            worker.stdin.write(json.dumps(request) + "\n")
        worker.stdin.flush()
        warmed, *answers = [json.loads(worker.stdout.readline()) for _ in range(5)]
        worker.stdin.close()  # without an owner it ends
        assert worker.wait(60) == 0
        errors = worker.stderr.read()
    assert warmed == {"id": 0, "event": "warmed"}, "whatever came of it"
    assert [answer["id"] for answer in answers] == [1, 1, 2, 2]
    assert [answer["event"] for answer in answers] == ["started", "failed", "started", "done"]
    assert "Something went wrong" in answers[1]["reason"] and answers[3]["result"] == {"ok": 2}
    assert errors.count("a library prints") == errors.count("so does its C code") == 2
    assert "RuntimeError: a defect" in errors


# The real worker


@pytest.fixture(scope="module")
def made(
    model_folder: Path, data_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Study, Path]:
    """A study without an attack at 0 and 0.5, and its cache."""
    cache = tmp_path_factory.mktemp("cache")
    spec = StudySpec(
        model=str(model_folder),
        data=str(data_folder),
        levels=(0.0, 0.5),
        calibration=40,
        held_out=10,
        eval_examples=50,
        attack="none",
        device="cpu",
    )
    return run_study(spec, Store(cache)), cache


@pytest.fixture(scope="module")
def real(made: tuple[Study, Path]) -> Iterator[Workbench]:
    bench = Workbench(made[1])
    yield bench
    pid = pid_of(bench)
    bench.close()
    assert not alive(pid)


def test_steps_of_an_attack_reach_the_page_and_its_job_is_found_by_a_token(
    real: Workbench, made: tuple[Study, Path]
) -> None:
    victims = [
        {"name": name, "study": made[0].key, "sparsity": sparsity}
        for name, sparsity in (("Dense", 0.0), ("50 %", 0.5))
    ]
    job = real.submit(
        "attack",
        victims=victims,
        attack="deepwordbug",
        text="a very good film of the slow cast",
        label=None,
    )
    assert real.find(job.token) is job and real.find("0" * 16) is None and real.find("") is None
    assert finished(job).state == "done", job.reason
    assert job.result is not None and [side["name"] for side in job.result["sides"]] == [
        "Dense",
        "50 %",
    ]
    for side in job.result["sides"]:
        look = job.snapshots[side["name"]]
        assert look.queries == side["queries"] and look.path[-1][1] == pytest.approx(
            side["path"][-1][1], abs=1e-6
        )


def test_a_model_that_must_be_pruned_is_attacked_as_if_it_had_been_ready(
    real: Workbench, made: tuple[Study, Path]
) -> None:
    """Dense is attacked at once, the other when the second worker has pruned it."""
    asked = {
        "victims": [
            {"name": name, "study": made[0].key, "sparsity": sparsity}
            for name, sparsity in (("Dense", 0.0), ("35%", 0.35))
        ],
        "attack": "deepwordbug",
        "text": "a very good film of the slow cast",
        "label": None,
    }
    second = Workbench(made[1])
    run = AttackRuns(real, second).submit("attack", **asked)

    def looked_at(true: Callable[[], bool]) -> Callable[[], bool]:
        def look() -> bool:
            run.look()
            return true()

        return look

    wait_until(looked_at(lambda: run.sides()[0].result is not None))
    assert run.sides()[1].result is None, "it must be pruned first"
    wait_until(looked_at(lambda: not run.active))
    assert run.state == "done" and run.result is not None, run.reason
    second.close()
    together = finished(real.submit("attack", **asked))
    assert together.result is not None and together.result["unready"] == []
    assert run.result["sides"] == together.result["sides"]
    assert set(run.result["importance"]["falls"]) == {"Dense", "35%"}


def test_the_worker_measures_a_level_into_the_store(
    real: Workbench, made: tuple[Study, Path]
) -> None:
    study, cache = made
    assert finished(real.submit("measure", study=study.key, sparsity=0.25)).state == "done"
    found = Store(cache).study(study.key)
    assert found is not None and [level.sparsity for level in found.levels] == [0.0, 0.25, 0.5]


def test_the_worker_prunes_ahead_and_says_at_which_sparsity_it_is(
    real: Workbench, made: tuple[Study, Path]
) -> None:
    for due in (0.45, None):
        job = real.submit("ahead", study=made[0].key, sparsities=[0.5, 0.45])
        assert not real.busy, "nobody asked for it"
        assert finished(job).state == "done", job.reason
        assert (job.level, job.result) == (due, {"sparsity": due})


def test_the_worker_looks_inside_both_victims(real: Workbench, made: tuple[Study, Path]) -> None:
    job = finished(
        real.submit(
            "look",
            study=made[0].key,
            sparsity=0.5,
            text="a bright film",
            adversarial="a brigth film",
        )
    )
    assert job.state == "done" and job.result is not None, job.reason
    clean = next(pair for pair in job.result["distances"] if pair["to"] == ["pruned", "clean"])
    assert clean["euclidean"][0] == 0 < clean["euclidean"][-1], (
        "embeddings are not pruned, blocks are"
    )
    assert job.result["texts"] == {"clean": "a bright film", "adversarial": "a brigth film"}


def test_the_worker_times_a_level_beside_its_study(
    real: Workbench, made: tuple[Study, Path]
) -> None:
    study, cache = made
    before = Store(cache).study(study.key)
    job = finished(real.submit("time", study=study.key, sparsity=0.5))
    assert job.state == "done", job.reason
    (timed,) = timed_levels(Store(cache), study)
    assert (
        timed.sparsity == 0.5 and timed.low <= timed.ratio <= timed.high and timed.sentences == 32
    )
    assert Store(cache).study(study.key) == before, "a time is no part of a study"


def test_the_worker_writes_the_pruned_model_as_one_file(
    real: Workbench, made: tuple[Study, Path], tmp_path: Path
) -> None:
    study, cache = made
    stages = []
    job = real.submit("export", study=study.key, sparsity=0.5)
    while job.active:
        stages.append(job.progress.stage)
        time.sleep(0.01)
    assert job.state == "done" and job.result is not None, job.reason
    path = Path(job.result["path"])
    assert path.parent == cache / "exports" and path.stat().st_size == job.result["bytes"]
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    model, info = open_packed(tmp_path / path.stem)
    assert info.provenance["achieved"] == 0.5 and info.provenance["identity"] == study.identity
    blocks = [
        weight
        for name, weight in model.named_parameters()
        if ".layer." in name and weight.ndim == 2
    ]
    assert sum(int((weight == 0).sum()) for weight in blocks) * 2 == sum(
        weight.numel() for weight in blocks
    )
    before = path.read_bytes()
    assert finished(real.submit("export", study=study.key, sparsity=0.5)).state == "done"
    assert path.read_bytes() == before, "the same model is the same file"
    for sparsity in (0.6, 0.7, 0.8):
        assert finished(real.submit("export", study=study.key, sparsity=sparsity)).state == "done"
    assert sorted(one.name[13:] for one in path.parent.iterdir()) == [
        "at-60.zip",
        "at-70.zip",
        "at-80.zip",
    ]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"do": "look", "sparsity": 0.5, "text": " ", "adversarial": None}, "There are no words"),
        (
            {"do": "measure", "study": "f" * 64, "sparsity": 0.5},
            "The study ffffffffffff is not in the store",
        ),
        ({"do": "measure", "sparsity": 1.5}, "Sparsity 1.5 is outside"),
        (
            {"do": "attack", "victims": [], "text": "good", "label": None},
            "0 victims were requested",
        ),
        ({"do": "dance", "sparsity": 0.5}, "does not know the request 'dance'"),
        ({"do": "measure", "sparsity": "half"}, "Something went wrong inside PruneScope"),
    ],
)
def test_the_worker_says_why_it_refuses(
    real: Workbench, made: tuple[Study, Path], request_: dict[str, Any], reason: str
) -> None:
    job = finished(real.submit(**{"study": made[0].key, **request_}))
    assert job.state == "failed" and reason in job.reason


def test_a_running_job_is_cancelled_and_no_process_is_left(made: tuple[Study, Path]) -> None:
    bench = Workbench(made[1])
    try:
        # it is loading its libraries now
        job = running(bench.submit("measure", study=made[0].key, sparsity=0.6))
        pid = pid_of(bench)
        bench.cancel(job)
        assert finished(job).state == "cancelled"
    finally:
        bench.close()
    assert not alive(pid) and Store(made[1]).level(made[0], 0.6) is None


# The bench inside the worker


def test_a_pruned_victim_is_solved_once_and_kept_while_there_is_room(
    made: tuple[Study, Path], tmp_path: Path
) -> None:
    bench = LiveModels(Store(tmp_path))
    prepared, notice = bench.open(made[0])
    assert notice is None and prepared.study.key == made[0].key
    first = bench.pruned(prepared, 0.5)
    for sparsity in (0.6, 0.7):
        bench.pruned(prepared, sparsity)
    assert bench.pruned(prepared, 0.5) is first and bench.open(made[0])[0] is prepared
    # the texts, the dense victim and one pruned
    bench._cache.most = bytes_in_memory([prepared, first])
    bench.begin()
    assert bench.open(made[0])[0] is prepared
    again = bench.pruned(prepared, 0.8)
    assert bench._cache.values() == (OpenedStudy(prepared, None), again), (
        "what was used longest ago has gone"
    )
    assert bench.pruned(prepared, 0.5) is not first


@pytest.fixture(scope="module")
def many(
    made: tuple[Study, Path], model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Study]:
    """Six studies on two models, of different draws; their heads are enough to be opened."""
    folder = tmp_path_factory.mktemp("models")
    spec = replace(StudySpec(**made[0].about["spec"], levels=(0.0,)), device="cpu")
    studies = []
    for number in range(2):
        model = AutoModelForSequenceClassification.from_pretrained(model_folder)
        with torch.no_grad():
            model.classifier.bias += number
        model.save_pretrained(folder / f"model-{number}")
        AutoTokenizer.from_pretrained(model_folder).save_pretrained(folder / f"model-{number}")
        studies += [
            prepare(replace(spec, model=str(folder / f"model-{number}"), seed=seed)).study
            for seed in range(3)
        ]
    return studies


class Alive:
    """Which models that a bench has opened or pruned are still in memory."""

    def __init__(self) -> None:
        self._seen: dict[int, weakref.ref[Any]] = {}

    def see(self, *victims: Victim) -> None:
        for victim in victims:
            self._seen[id(victim.model)] = weakref.ref(victim.model)

    def count(self) -> int:
        gc.collect()
        return sum(model() is not None for model in self._seen.values())


def test_studies_of_one_model_share_its_dense_victim(many: list[Study], tmp_path: Path) -> None:
    bench, alive = LiveModels(Store(tmp_path)), Alive()
    for study in many:
        bench.begin()
        prepared, notice = bench.open(study)
        assert notice is None and prepared.study == study
        alive.see(prepared.victim)
    assert alive.count() == len({id(one.victim) for one in bench._studies()}) == 2


def test_memory_is_bounded_whatever_is_opened_and_pruned(many: list[Study], tmp_path: Path) -> None:
    """Two dense victims and twelve pruned ones, under a bound of five with their statistics and
    texts.
    """
    one = bytes_in_memory([load_victim(many[0].about["spec"]["model"], "cpu")])
    bench, alive = LiveModels(Store(tmp_path), most_bytes=5 * one), Alive()
    for study in [*many, *reversed(many)]:
        bench.begin()
        prepared, _ = bench.open(study)
        alive.see(prepared.victim)
        for sparsity in (0.5, 0.7):
            alive.see(bench.pruned(prepared, sparsity).victim)
        del prepared
        assert bench._cache.bytes() <= bench._cache.most and alive.count() <= 5


def test_what_a_request_uses_stays_until_the_next_even_above_the_bound(
    many: list[Study], tmp_path: Path
) -> None:
    bench = LiveModels(Store(tmp_path), most_bytes=1)
    bench.begin()
    prepared, _ = bench.open(many[0])
    pruned = [bench.pruned(prepared, sparsity) for sparsity in (0.5, 0.7)]
    assert [bench.pruned(prepared, sparsity) for sparsity in (0.5, 0.7)] == pruned and bench.open(
        many[0]
    )[0] is prepared
    bench.begin()
    assert bench.pruned(prepared, 0.7) is pruned[1], (
        "the next request finds it: attacking begins where it was made ready"
    )
    other, _ = bench.open(many[3])
    assert bench._cache.values() == (pruned[1], other.victim, OpenedStudy(other, None))


def elsewhere(study: Study, data_folder: Path, folder: Path) -> Study:
    """The same study on a copy of its data, `folder`/data."""
    shutil.copytree(data_folder, folder / "data")
    spec = StudySpec(**study.about["spec"], levels=(0.0,))
    return run_study(replace(spec, data=str(folder / "data")), Store(folder))


def test_a_study_whose_data_is_gone_stands_in_and_says_so(
    made: tuple[Study, Path], data_folder: Path, tmp_path: Path
) -> None:
    study = elsewhere(made[0], data_folder, tmp_path)
    shutil.rmtree(tmp_path / "data")
    prepared, notice = LiveModels(Store(tmp_path)).open(study)
    assert notice is not None and notice.startswith("The texts of data are not on this machine")
    assert prepared.study.key != study.key and prepared.spec.data == "embedded"


def test_a_stand_in_is_not_given_out_as_the_studys_model(
    made: tuple[Study, Path], data_folder: Path, tmp_path: Path
) -> None:
    study = elsewhere(made[0], data_folder, tmp_path)
    shutil.rmtree(tmp_path / "data")
    answers = io.StringIO()
    Worker(Store(tmp_path), answers)._answer(
        {"id": 1, "do": "export", "study": study.key, "sparsity": 0.5}
    )
    last = json.loads(answers.getvalue().splitlines()[-1])
    assert (
        last["event"] == "failed" and "not given out as the model of this study" in last["reason"]
    )
    assert not (tmp_path / "exports").exists()


def test_a_stand_in_keeps_the_classes_of_the_study(
    made: tuple[Study, Path], data_folder: Path, tmp_path: Path
) -> None:
    study = elsewhere(made[0], data_folder, tmp_path)
    shutil.rmtree(tmp_path / "data")
    study = replace(study, about={**study.about, "label_names": ["quiet", "loud"]})
    prepared, notice = LiveModels(Store(tmp_path)).open(study)
    assert notice is not None and prepared.study.about["label_names"] == ["quiet", "loud"]


def test_data_that_was_a_local_copy_is_never_looked_for_on_the_hub(
    made: tuple[Study, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        "prunescope.engine.data.load.read_hub", lambda name, choice: asked.append(name)
    )
    shipped = replace(
        made[0], about={**made[0].about, "spec": {**made[0].about["spec"], "data": None}}
    )
    for root in (None, "no-such-folder"):
        monkeypatch.delenv(
            "PRUNESCOPE_DATA", raising=False
        ) if root is None else monkeypatch.setenv("PRUNESCOPE_DATA", root)
        prepared, notice = LiveModels(Store(tmp_path)).open(shipped)
        assert notice is not None and prepared.spec.data == "embedded"
    assert asked == []


def test_a_study_of_groups_that_cannot_reach_a_half_opens(
    made: tuple[Study, Path], tmp_path: Path
) -> None:
    spec = replace(StudySpec(**made[0].about["spec"], levels=(0.75,)), pattern="1:4")
    study = run_study(spec, Store(tmp_path))
    bench = LiveModels(Store(tmp_path))
    prepared, notice = bench.open(study)
    assert notice is None and prepared.study.key == study.key
    assert bench.pruned(prepared, 0.75).achieved == 0.75


def test_a_study_made_before_there_were_plans_opens_on_todays_plan(
    made: tuple[Study, Path], tmp_path: Path
) -> None:
    identity = {name: value for name, value in made[0].identity.items() if name != "plan"}
    identity |= {"method": {"name": "adaptive", "alpha": None}, "pattern": "unstructured"}
    newer = ("allocation", "layers", "precision", "force")
    spec = {name: value for name, value in made[0].about["spec"].items() if name not in newer}
    about = {name: value for name, value in made[0].about.items() if name not in newer}
    old = replace(made[0], key=key_of(identity), identity=identity, about={**about, "spec": spec})
    prepared, notice = LiveModels(Store(tmp_path)).open(old)
    assert notice is not None and prepared.study.key != old.key


def append(path: Path, *rows: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{row}\n" for row in rows)


def test_a_study_whose_calibration_text_has_changed_stands_in_and_says_so(
    made: tuple[Study, Path], data_folder: Path, tmp_path: Path
) -> None:
    study = elsewhere(made[0], data_folder, tmp_path)
    append(
        tmp_path / "data" / "train.tsv", *(f"a film of number {number}\t1" for number in range(50))
    )
    prepared, notice = LiveModels(Store(tmp_path)).open(study)
    assert notice is not None and notice.startswith(
        "The texts of data have changed since the study was made"
    )
    assert prepared.spec.data == "embedded"


def test_a_study_whose_evaluation_has_changed_is_pruned_alike_but_gets_no_further_level(
    made: tuple[Study, Path], data_folder: Path, tmp_path: Path
) -> None:
    study = elsewhere(made[0], data_folder, tmp_path)
    append(tmp_path / "data" / "validation.tsv", *["a film that was not there\t1"] * 20)
    bench = LiveModels(Store(tmp_path))
    prepared, notice = bench.open(study)
    assert notice is None and prepared.study.key != study.key
    with pytest.raises(SettingError, match=f"not belong to the study {study.key[:12]}"):
        bench.measure(prepared, study, 0.5)
    found = bench.store.study(study.key)
    assert found is not None and [level.sparsity for level in found.levels] == [0.0]


def test_a_study_that_is_asked_for_is_checked_without_being_made(
    model_folder: Path, data_folder: Path, tmp_path: Path
) -> None:
    spec = StudySpec(
        str(model_folder),
        str(data_folder),
        levels=(0.0, 0.5),
        calibration=40,
        held_out=10,
        eval_examples=20,
        attack="none",
        device="cpu",
    )
    out = io.StringIO()
    worker = Worker(Store(tmp_path), out)
    worker._answer({"id": 1, "do": "check", "spec": asdict(spec)})
    nowhere = str(tmp_path / "no-such-folder")  # a name of the hub would be tried for 23 seconds
    worker._answer({"id": 2, "do": "check", "spec": {**asdict(spec), "data": nowhere}})
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    told = {event["id"]: event for event in events if event["event"] in ("done", "failed")}
    assert told[1]["result"]["stored"] == [] and len(told[1]["result"]["key"]) == 64
    assert told[2]["event"] == "failed" and "no-such-folder" in told[2]["reason"]
    assert Store(tmp_path).study(told[1]["result"]["key"]) is None
    run_study(spec, Store(tmp_path))
    worker._answer({"id": 3, "do": "check", "spec": asdict(spec)})
    assert json.loads(out.getvalue().splitlines()[-1])["result"]["stored"] == [0.0, 0.5]
