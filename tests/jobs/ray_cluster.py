"""A sweep on a Ray cluster of two nodes on loopback, one of which is killed while it works.

Ray takes 127.0.0.1 for "find my address", so the nodes have other addresses of the loopback network
(on Linux all of 127/8).

    python tests/jobs/ray_cluster.py FOLDER
"""

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ.update(OMP_NUM_THREADS="1", RAY_USAGE_STATS_ENABLED="0", TRANSFORMERS_VERBOSITY="error")

import ray  # noqa: E402
from small_models import write_model, write_reviews  # noqa: E402  the project is not installed

from prunescope.engine.jobs.cluster import run_on_cluster  # noqa: E402
from prunescope.engine.jobs.rows import JobTable  # noqa: E402
from prunescope.engine.progress import Progress, ProgressState  # noqa: E402
from prunescope.engine.store import Store  # noqa: E402
from prunescope.engine.studies.sweep import sweep_of  # noqa: E402

HEAD, OTHER = "127.0.0.2", "127.0.0.3"
NODES: list[subprocess.Popen[bytes]] = []
RAY = str(Path(sys.executable).with_name("ray"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_node(folder: Path, ip: str, *where: str) -> subprocess.Popen[bytes]:
    """One node in a process group of its own."""
    log = folder / f"node-{ip}.log"
    node = subprocess.Popen(
        [
            RAY,
            "start",
            "--block",
            *where,
            f"--node-ip-address={ip}",
            "--num-cpus=1",
            "--num-gpus=0",
            "--object-store-memory=80000000",
            "--disable-usage-stats",
            f"--temp-dir={folder / 'ray'}",
        ],
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    NODES.append(node)
    while "runtime started" not in log.read_text():
        assert node.poll() is None, log.read_text()
        time.sleep(0.2)
    return node


def kill_node(node: subprocess.Popen[bytes]) -> None:
    """SIGKILL the node and all that it started: Ray gives its parts their own process groups."""
    found, tree = (
        {node.pid},
        subprocess.run(
            ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
        ).stdout,
    )
    pairs = [tuple(map(int, line.split())) for line in tree.splitlines()]
    for _ in range(8):
        found |= {pid for pid, parent in pairs if parent in found}
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    node.wait()


ray.init = functools.partial(ray.init, _node_ip_address=HEAD)


def main(folder: Path) -> None:
    model, data = write_model(folder / "model"), folder / "data"
    write_reviews(data / "train.tsv", 120, seed=1)
    write_reviews(data / "validation.tsv", 30, seed=2)
    specs = sweep_of(
        {
            "models": str(model),
            "data": str(data),
            "methods": ["adaptive", "magnitude", "wanda"],
            "seeds": [0, 1],
            "sparsities": [0, 0.5, 0.75],
            "attacks": "deepwordbug",
            "calibration": 60,
            "held_out": 10,
            "eval_examples": 20,
            "attack_examples": 6,
            "device": "cpu",
        }
    )
    address = f"{HEAD}:{free_port()}"
    start_node(
        folder, HEAD, "--head", f"--port={address.rpartition(':')[2]}", "--include-dashboard=false"
    )
    lost = start_node(folder, OTHER, f"--address={address}")
    rows, seen = JobTable(folder / "user"), set[str]()

    def kill() -> None:
        while sum(row.state == "running" for row in rows.read()) < 2:  # both nodes work
            time.sleep(0.1)
        kill_node(lost)
        seen.add("killed")

    def look(state: ProgressState) -> None:
        seen.update(row.state for row in rows.read())

    threading.Thread(target=kill, daemon=True).start()
    keys = run_on_cluster(specs, address, folder / "shared", rows, "sweep-test", Progress(look))
    store = Store(folder / "shared", folder / "none")
    studies = [store.study(key) for key in keys]
    print(
        json.dumps(
            {
                "keys": keys,
                "seen": sorted(seen),
                "states": [row.state for row in rows.read()],
                "notices": store.notices,
                "levels": [
                    [level.sparsity for level in study.levels] if study else None
                    for study in studies
                ],
                "left": [path.name for path in (folder / "shared" / "sweeps").iterdir()],
            }
        )
    )


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    finally:
        for one in NODES:
            kill_node(one)
