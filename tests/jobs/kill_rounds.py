"""Kill the worker of a job at random moments, round after round, and look whether anything was
lost, half, or wrong.

    .venv/bin/python tests/jobs/kill_rounds.py ROUNDS FOLDER

Each round starts the real worker in a process of its own, kills it with SIGKILL at a random moment,
and resumes the job in the next round, while another process reads the store all the time. A study
that came to its end must be, byte for byte, that of a run that nobody killed, times left out. The
libraries are loaded once, before the processes are forked.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

from small_models import write_model, write_reviews  # noqa: E402  the project is not installed

from prunescope.engine.attacks.resources import find_resources  # noqa: E402
from prunescope.engine.attacks.textattack_import import textattack  # noqa: E402
from prunescope.engine.jobs.processes import start_time  # noqa: E402
from prunescope.engine.jobs.queue import JobQueue  # noqa: E402
from prunescope.engine.jobs.work import Work  # noqa: E402
from prunescope.engine.records import StudySpec  # noqa: E402
from prunescope.engine.store import Store  # noqa: E402
from prunescope.engine.store.keeping import verify_store  # noqa: E402
from prunescope.engine.studies.run import run_study  # noqa: E402

JobQueue.start = lambda self: None  # type: ignore[method-assign]  workers are started here


def entries(store: Store) -> dict[str, str]:
    """Every entry of every study, times left out."""
    found = {}
    for path in sorted((store.root / "studies").glob("*/*.json*")):
        entry = json.loads(path.read_bytes())
        entry.pop("seconds", None)
        found[path.name] = json.dumps(entry)
    return found


def start_worker(queue: JobQueue, job: str, ticket: str) -> int:
    """Fork the worker of a job; its process number."""
    me = os.getpid()
    assert queue._rows.change(
        job,
        "state = 'queued'",
        state="running",
        ticket=ticket,
        holder=me,
        holder_born=start_time(me),
    )
    if (child := os.fork()) == 0:
        os.setsid()
        work = Work(queue.root, job, ticket)
        if (row := work.begin()) is not None:
            work.do(row)
        os._exit(0)
    return child


def start_reader(folder: Path, wrong: Path) -> int:
    """Fork a process that reads every store below `folder` for ever and writes down what it should
    not see.
    """
    if (child := os.fork()) == 0:
        while True:
            for root in folder.glob("round-*"):
                store = Store(root, folder / "none")
                for study in store.studies():
                    store.study(study.key)
                if store.notices:
                    wrong.open("a").write("\n".join(store.notices))
            time.sleep(0.02)
    return child


def main(rounds: int, folder: Path) -> None:
    model, data = write_model(folder / "model"), folder / "data"
    write_reviews(data / "train.tsv", 120, seed=1)
    write_reviews(data / "validation.tsv", 30, seed=2)
    spec = StudySpec(
        str(model),
        str(data),
        levels=(0.0, 0.5, 0.75, 0.875),
        calibration=60,
        held_out=10,
        eval_examples=20,
        attack_examples=8,
        device="cpu",
    )
    textattack(find_resources(None))
    run_study(spec, Store(folder / "warm", folder / "none"))
    began = time.monotonic()
    run_study(spec, unbroken := Store(folder / "unbroken", folder / "none"))
    whole, draw = time.monotonic() - began, random.Random(0)
    wanted, reader, wrong = (
        entries(unbroken),
        start_reader(folder, folder / "wrong"),
        folder / "wrong",
    )
    ends = kills = 0
    queue, job = JobQueue(folder / "round-0"), ""
    os.close(2)
    os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        while kills < rounds:
            job = job or queue.submit(spec).id
            child = start_worker(queue, job, str(kills))
            time.sleep(draw.uniform(0, whole))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            kills += 1
            store = Store(queue.root, folder / "none")
            assert verify_store(store)[1] == 0, store.notices
            row = queue.row(job)
            if row.state == "done":
                assert entries(store) == wanted
                ends += 1
                queue, job = JobQueue(folder / f"round-{ends}"), ""
            else:
                assert row.state == "interrupted", row
                queue.resume(job)
        if job:  # the last one, left in peace
            os.waitpid(start_worker(queue, job, "last"), 0)
            assert (
                queue.row(job).state == "done"
                and entries(Store(queue.root, folder / "none")) == wanted
            )
        assert not wrong.exists(), wrong.read_text()
    finally:
        os.kill(reader, signal.SIGKILL)
        os.waitpid(reader, 0)
    print(
        f"{kills} kills over a study of {whole:.1f} s, {ends + bool(job)} studies came to their "
        "end, all as the unbroken one"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
