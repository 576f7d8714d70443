"""Memory of the live worker: what its process holds while every bundled study is opened, and while
some are attacked.

    .venv/bin/python benchmarks/live.py [ATTACKED]

The process loads what `prunescope.engine.live.worker` does, opens every bundled study in turn, then
attacks one sentence on the dense model and on three sparsities of each of ATTACKED studies (default
3, of different models) as the attack page does, with an empty cache. With PRUNESCOPE_DATA set the
studies' own texts calibrate. Prints one JSON object; all figures are megabytes of resident memory.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from prunescope.engine.attacks.resources import find_resources  # noqa: E402
from prunescope.engine.attacks.textattack_import import textattack  # noqa: E402
from prunescope.engine.live.models import LiveModels  # noqa: E402
from prunescope.engine.live.requests import answer  # noqa: E402
from prunescope.engine.progress import SILENT  # noqa: E402
from prunescope.engine.records import Study  # noqa: E402
from prunescope.engine.store import Store  # noqa: E402

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


def main(attacked: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        models = LiveModels(store)
        textattack(find_resources(None))
        memory: dict[str, Any] = {"loaded": resident()["now"], "opened": [], "attacked": []}
        studies = [study for study in store.studies() if study.bundled]
        for study in studies:
            models.begin()
            models.open(study)
            memory["opened"].append(resident()["now"])
        memory["peak while opening"] = resident()["peak"]
        by_model = {
            study.about["model"]: study
            for study in reversed(studies)
            if study.about["pattern"] == "unstructured"
        }
        for study in list(by_model.values())[:attacked]:
            answer(models, request(study), SILENT)
            memory["attacked"].append(resident()["now"])
        memory["peak"] = resident()["peak"]
        print(json.dumps(memory))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
