"""A sweep on a Ray cluster: one task a study, results in a folder that every machine reaches.

Ray places the tasks by CPUs and GPUs and repeats those whose machine was lost; a repeated task goes
on with what is in the shared folder. Each task writes how far it is beside the results, and the one
who started the sweep copies that into the rows of their own queue, where the Studies page shows it.
"""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prunescope.engine import paths
from prunescope.engine.errors import PruneScopeError, SettingError
from prunescope.engine.jobs.processes import start_time
from prunescope.engine.jobs.rows import JobTable
from prunescope.engine.progress import Progress, ProgressState
from prunescope.engine.reading.names import spec_title
from prunescope.engine.records import StudySpec

EVERY = 0.5  # seconds between two looks, and between two words of a task
TRIES = 20  # times that a task whose machine was lost is started again
LOST = "The sweep was stopped; start it again, it goes on."


def run_task(arguments: dict[str, Any], shared: str, name: str) -> tuple[str, str, str]:
    """One study, on whatever machine this is: (state, study key, reason)."""
    from prunescope.engine.store import Store, canonical, write_atomic
    from prunescope.engine.studies.run import run_study

    path, last = Path(shared) / "sweeps" / f"{name}.json", 0.0

    def write(state: ProgressState) -> None:
        nonlocal last
        if time.monotonic() > last + EVERY:
            last = time.monotonic()
            done = {"stage": state.stage, "done": state.done, "total": state.total}
            write_atomic(path, canonical(done | {"on": os.uname().nodename}))

    try:
        spec = StudySpec(**{**arguments, "levels": tuple(arguments["levels"])})
        return "done", run_study(spec, Store(shared), Progress(write)).key, ""
    except PruneScopeError as error:
        return "failed", "", str(error)
    finally:
        path.unlink(missing_ok=True)


def run_on_cluster(
    specs: list[StudySpec], address: str, shared: Path, rows: JobTable, sweep: str, report: Progress
) -> list[str]:
    """Run every study on the cluster and return their keys, "" for those that failed; rows of the
    queue follow them.

    Raises SettingError where Ray is not installed or the cluster does not answer.
    """
    try:
        import ray
    except ImportError as error:
        raise SettingError(
            "Ray is not installed; install it with: "
            + (
                ".venv/bin/pip install -r requirements-cluster.txt"
                if paths.in_checkout()
                else 'pip install "prunescope[cluster]"'
            )
        ) from error
    passed = {
        name: os.environ[name]
        for name in (
            "PRUNESCOPE_DATA",
            "HF_HOME",
            "HF_HUB_OFFLINE",
            "TRANSFORMERS_OFFLINE",
            "OMP_NUM_THREADS",
        )
        if name in os.environ
    }
    if paths.in_checkout():  # which lies under the same path on every machine
        passed["PYTHONPATH"] = str(paths.PROJECT)
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level="error",
            configure_logging=False,
            runtime_env={"env_vars": passed},
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise SettingError(
            f"No Ray cluster answers at {address} ({' '.join(str(error).split())[:160]}); start "
            "one with: ray start --head"
        ) from error
    gpus = 1 if ray.cluster_resources().get("GPU") else 0
    task = ray.remote(run_task).options(num_cpus=1, num_gpus=gpus, max_retries=TRIES)
    jobs = {f"{sweep}-{number}": spec for number, spec in enumerate(specs)}
    for name, spec in jobs.items():
        _show(rows, name, sweep, spec, "gpu" if gpus else "cluster")
    try:
        pending = {
            task.remote(asdict(spec), str(shared), name): name for name, spec in jobs.items()
        }
        return _follow(ray, pending, shared, rows, report)
    finally:
        for name in jobs:
            rows.change(
                name,
                "state in ('queued', 'running')",
                state="interrupted",
                reason=LOST,
                ended=time.time(),
            )
        ray.shutdown()


def _show(rows: JobTable, name: str, sweep: str, spec: StudySpec, slot: str) -> None:
    rows.remove(name)
    rows.add(
        id=name,
        do="elsewhere",
        title=spec_title(spec),
        arguments=asdict(spec),
        slot=slot,
        state="queued",
        created=time.time(),
        sweep=sweep,
        folder="",
        environment={},
        holder=os.getpid(),
        holder_born=start_time(os.getpid()),
    )


def _follow(
    ray: Any, pending: dict[Any, str], shared: Path, rows: JobTable, report: Progress
) -> list[str]:
    total, keys = len(pending), dict.fromkeys(pending.values(), "")
    while pending:
        report(f"{total - len(pending)} of {total} studies", total - len(pending), total)
        done, _ = ray.wait(list(pending), num_returns=len(pending), timeout=EVERY)
        for task in done:
            name = pending.pop(task)
            try:
                state, keys[name], reason = ray.get(task)
            except ray.exceptions.RayError as error:
                # its machine was lost too often, or a defect of ours
                state, reason = "failed", " ".join(str(error).split())[-300:]
            rows.change(
                name,
                "state in ('queued', 'running')",
                state=state,
                reason=reason,
                study=keys[name] or None,
                ended=time.time(),
            )
        for name in pending.values():
            _copy(shared / "sweeps" / f"{name}.json", name, rows)
    report(f"{total} of {total} studies", total, total)
    return list(keys.values())


def _copy(path: Path, name: str, rows: JobTable) -> None:
    """What a task says of itself, into its row."""
    try:
        state = json.loads(path.read_bytes())
    except FileNotFoundError:  # not begun, or just ended
        return
    rows.change(name, "state = 'queued'", state="running", started=time.time())
    rows.change(
        name,
        "state = 'running'",
        stage=state["stage"],
        done=state["done"],
        total=state["total"],
        slot=state["on"],
    )
