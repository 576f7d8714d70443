"""The store at size: writing, listing with and without the index, opening, readers beside a writer,
and what it takes on disk.

    .venv/bin/python benchmarks/store.py [STUDIES]

Studies are copies of the bundled SST-2 study (14 levels, 200 attacked examples each) under other
seeds. The floor of a list is reading the same files' sizes and times from the file system. Prints
one JSON object.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from prunescope.engine import Store, Study, study_rows  # noqa: E402
from prunescope.engine.store import key_of  # noqa: E402
from prunescope.engine.store.index import Index, _files  # noqa: E402

READER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from prunescope.engine import Store, study_rows
took = []
for _ in range(3):
    start = time.monotonic()
    study_rows(Store(sys.argv[1], Path("none")))
    took.append(time.monotonic() - start)
print(max(took))
"""


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main(count: int) -> None:
    bundled = Store(ROOT / "no-such-cache")
    like = max(
        (
            study
            for study in map(bundled.study, (study.key for study in bundled.studies()))
            if study
        ),
        key=lambda study: (study.about["data"] == "sst2", len(study.levels)),
    )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store, writes = Store(root, root / "none"), []
        for seed in range(count):
            identity = {**like.identity, "seed": 1000 + seed}
            study: Study = replace(like, key=key_of(identity), identity=identity)
            store.save_study(study)
            writes += [
                timed(lambda level=level, study=study: store.save_level(study, level))
                for level in like.levels
            ]
        files = [path for path in (root / "studies").rglob("*") if path.is_file()]
        cold = timed(lambda: study_rows(store))
        warm = [timed(lambda: study_rows(Store(root, root / "none"))) for _ in range(5)]
        floor = [timed(lambda: list(_files(root / "studies"))) for _ in range(5)]
        opened = [timed(lambda: store.study(study.key)) for _ in range(5)]
        index = Index(root).path.stat().st_size
        readers = [
            subprocess.Popen(
                [sys.executable, "-c", READER, str(root), str(ROOT)],
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(16)
        ]
        waits = []
        while any(reader.poll() is None for reader in readers):
            waits.append(timed(lambda: store.save_level(study, like.levels[0])))
            time.sleep(0.05)
        print(
            json.dumps(
                {
                    "studies": count,
                    "levels": len(like.levels),
                    "files": len(files),
                    "bytes": sum(path.stat().st_size for path in files),
                    "index_bytes": index,
                    "write_level_median_s": round(statistics.median(writes), 5),
                    "list_first_s": round(cold, 3),
                    "list_s": round(statistics.median(warm), 3),
                    "list_over_floor": round(statistics.median(warm) / statistics.median(floor), 1),
                    "open_study_s": round(statistics.median(opened), 4),
                    "write_beside_16_readers_worst_s": round(max(waits), 3),
                    "read_beside_writer_worst_s": round(
                        max(float(reader.communicate()[0]) for reader in readers), 3
                    ),
                }
            )
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
