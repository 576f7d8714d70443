"""What a person at the live pages waits for, and what the worker holds.

    .venv/bin/python benchmarks/live.py wait [FURTHER]      seconds until a sparsity is there that
                                                            nobody pruned before
    .venv/bin/python benchmarks/live.py idle                what pruning ahead costs a request
    .venv/bin/python benchmarks/live.py memory [ATTACKED]   megabytes of resident memory

Each prints one JSON object. PRUNESCOPE_DATA names the data of the studies; without it, the embedded
reviews calibrate.

wait    the landing study in a new process, with what ships and without it: the first new sparsity
        (`cold`, from the start of the process, of which `loading` passes before the pruning) and
        up to three further ones (`further`, their mean), each with its seconds of processor time,
        which tell more on a machine that is not idle. `scaled` are seconds × this machine's rate
        of matrix products, measured before and after, / 141 GFLOP/s.
idle    two workers as the pages have them, the second one pruning ahead: seconds until a look
        inside a model that ships is answered and until another pruning begins, with and without
        the work that has to give way. `stand_in` is how long a page waits for what it shows while
        a sparsity is being pruned.
memory  the process loads what `prunescope.engine.live.worker` does, opens every bundled study in
        turn, then attacks one sentence on the dense model and on three sparsities of each of
        ATTACKED studies (default 3, of different models) as the attack page does, with an empty
        cache.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from benchmarks.pipeline import product_rate  # noqa: E402
from prunescope.engine import Ahead, LookRuns, Workbench, paths  # noqa: E402
from prunescope.engine.attacks.resources import find_resources  # noqa: E402
from prunescope.engine.attacks.textattack_import import textattack  # noqa: E402
from prunescope.engine.live.client import LiveJob  # noqa: E402
from prunescope.engine.live.models import LiveModels  # noqa: E402
from prunescope.engine.live.requests import answer  # noqa: E402
from prunescope.engine.progress import SILENT  # noqa: E402
from prunescope.engine.records import Study  # noqa: E402
from prunescope.engine.store import Store  # noqa: E402
from prunescope.engine.store.maintenance import MEASUREMENTS  # noqa: E402
from prunescope.engine.store.shipped import shipped_models  # noqa: E402

RATE = 141e9  # operations a second of the machine on which the targets were set
NEW = (0.63, 0.58, 0.71, 0.83)  # sparsities that do not ship; the first one is cold
SHIPPED = 0.75  # one that does
DELAYS = 5  # requests that meet pruning ahead
SPARSITIES = (0.5, 0.7, 0.9)
TEXT = (
    "A warm, funny film that never wastes a minute of your time and leaves you smiling long "
    "after the end."
)


def resident() -> dict[str, int]:
    """Megabytes that the process holds now, and held at most."""
    lines = (
        line.split() for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    )
    kilobytes = {line[0]: int(line[1]) for line in lines if line[0] in ("VmRSS:", "VmHWM:")}
    return {"now": kilobytes["VmRSS:"] // 1000, "peak": kilobytes["VmHWM:"] // 1000}


def request(study: Study) -> dict[str, Any]:
    sides = [
        {"name": f"{100 * sparsity:g}%", "study": study.key, "sparsity": sparsity}
        for sparsity in (0.0, *SPARSITIES)
    ]
    return {"do": "attack", "victims": sides, "attack": "deepwordbug", "text": TEXT, "label": None}


def landing_study() -> str:
    """The key of the study that the first page shows."""
    return shipped_models(Store())[0].study


def bundled(folder: Path, kept: bool) -> Path:
    """The bundled layer, with the measurements that ship or without them."""
    if kept:
        return paths.BUNDLED
    for part in paths.BUNDLED.iterdir():
        if part.name != MEASUREMENTS:
            (folder / part.name).symlink_to(part)
    return folder


def prune_in_turn(kept: bool, started: float, further: int) -> None:
    """In a process of its own: print the seconds of every new sparsity, the first one's since the
    process was started.
    """
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as other:
        models = LiveModels(Store(cache, bundled=bundled(Path(other), kept)))
        study = models.store.study(landing_study())
        assert study is not None
        models.open(study)
        loading, seconds, processor = time.time() - started, list[float](), list[float]()
        for sparsity in NEW[: further + 1]:
            models.begin()
            start, before = (time.time(), time.process_time()) if seconds else (started, 0.0)
            model = models.sparse(study, sparsity)
            seconds.append(time.time() - start)
            processor.append(time.process_time() - before)
        measured = {"loading": loading, "seconds": seconds, "processor": processor}
        print(json.dumps({**measured, "notice": model.notice}))


def wait(further: int = 3) -> dict[str, Any]:
    """Cold and further levels, with what ships and without."""
    device, waits = torch.device("cpu"), dict[str, Any]()
    for name in ("bare", "kept"):
        before = product_rate(device)
        words = [sys.executable, __file__, "levels", name, str(time.time()), str(further)]
        run = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
        measured = json.loads(run.stdout.splitlines()[-1])
        rate = (before + product_rate(device)) / 2
        first, *others = measured["seconds"]
        mean = statistics.mean(others)
        waits[name] = {
            "cold": round(first, 1),
            "loading": round(measured["loading"], 1),
            "further": round(mean, 1),
            "each": [round(each, 1) for each in others],
            "processor": [round(each, 1) for each in measured["processor"]],
            "rate_gflops": round(rate / 1e9),
            "scaled": {
                "cold": round(first * rate / RATE, 1),
                "further": round(mean * rate / RATE, 1),
            },
            "notice": measured["notice"],
        }
    return waits


def seconds_until(true: Callable[[], bool]) -> float:
    """Poll until something holds."""
    start = time.perf_counter()
    while not true():
        time.sleep(0.01)
    return time.perf_counter() - start


def idle() -> dict[str, Any]:
    """Requests with and without pruning ahead."""
    study = landing_study()
    with tempfile.TemporaryDirectory() as cache:
        front, back = Workbench(cache), Workbench(cache, nice=5)
        ahead, looks = Ahead(front, back), LookRuns(front, back)
        look = {"study": study, "sparsity": SHIPPED, "text": TEXT, "adversarial": None}
        ended(front.submit("look", **look))  # libraries and models are loaded
        delays: dict[str, list[float]] = {"look": [], "prune": []}
        without = [ended(front.submit("look", **look)) for _ in range(DELAYS)]
        for turn in range(DELAYS):
            level = 0.3 + turn / 100
            for do, bench in (("look", front), ("prune", back)):
                own = begin_ahead(ahead, study, level)
                time.sleep(1 + turn)  # somewhere within it
                assert own.active, "it had ended before the request came"
                if do == "look":
                    delays[do].append(ended(front.submit("look", **look)))
                else:
                    job = bench.submit("prune", study=study, sparsity=0.9 - level)
                    delays[do].append(seconds_until(lambda job=job: job.state != "queued"))  # type: ignore[misc]
                    bench.drop(job)
                    seconds_until(lambda job=job: not job.active)  # type: ignore[misc]
                seconds_until(lambda own=own: not own.active)  # type: ignore[misc]
        run = looks.submit("look", **{**look, "sparsity": 0.63})

        def shown() -> bool:
            run.look()
            return run.result is not None

        stand_in = seconds_until(shown)
        assert run.stands_in
        run.drop()
        for bench in (front, back):
            bench.close()
    return {
        "look_without": round(statistics.median(without), 2),
        "look": [round(each, 2) for each in delays["look"]],
        "prune_begins": [round(each, 2) for each in delays["prune"]],
        "stand_in": round(stand_in, 2),
    }


def begin_ahead(ahead: Ahead, study: str, level: float) -> LiveJob:
    """Pruning ahead, at a level."""

    def begun() -> bool:
        ahead.look("benchmark", study, (level,))
        job = ahead.job
        return job is not None and job.level == level and job.progress.done > 0

    seconds_until(begun)
    assert ahead.job is not None
    return ahead.job


def ended(job: LiveJob) -> float:
    """Seconds until a job is over, which must have gone well."""

    def over() -> bool:
        job.look()
        return not job.active

    seconds = seconds_until(over)
    assert job.state == "done", job.reason
    return seconds


def memory(attacked: int = 3) -> dict[str, Any]:
    """Resident memory while studies are opened and attacked."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        models = LiveModels(store)
        textattack(find_resources(None))
        held: dict[str, Any] = {"loaded": resident()["now"], "opened": [], "attacked": []}
        studies = [study for study in store.studies() if study.bundled]
        for study in studies:
            models.begin()
            models.open(study)
            held["opened"].append(resident()["now"])
        held["peak while opening"] = resident()["peak"]
        by_model = {
            study.about["model"]: study
            for study in reversed(studies)
            if study.about["pattern"] == "unstructured"
        }
        for study in list(by_model.values())[:attacked]:
            answer(models, request(study), SILENT)
            held["attacked"].append(resident()["now"])
        held["peak"] = resident()["peak"]
        return held


def main(what: str, *others: str) -> None:
    """Measure one thing."""
    if what == "levels":
        prune_in_turn(others[0] == "kept", float(others[1]), int(others[2]))
        return
    measure = {"wait": wait, "idle": idle, "memory": memory}[what]
    print(json.dumps(measure(*map(int, others))))


if __name__ == "__main__":
    main(*sys.argv[1:])
