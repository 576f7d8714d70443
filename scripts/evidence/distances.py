"""P1's Table 4 on many sentences, for several methods: cache/bundled/evidence/distances.json,
figures without texts.

    PRUNESCOPE_DATA=… python scripts/evidence/distances.py --cache DIR

`prunescope distances` prints the same of one method.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from prunescope.engine import Store, StudySpec  # noqa: E402
from prunescope.engine.cli.console import Console  # noqa: E402
from prunescope.engine.studies.distances import measure_distances  # noqa: E402

OUT = ROOT / "cache" / "bundled" / "evidence" / "distances.json"
METHODS = ("adaptive", "p1", "sparsegpt", "magnitude")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", help="where pruned victims are kept (default: cache/user)")
    options = parser.parse_args()
    store, series = Store(options.cache), []
    for method in METHODS:
        spec = StudySpec(
            data=str(Path(os.environ["PRUNESCOPE_DATA"]) / "sst2"),
            method=method,
            levels=(0.5, 0.875),
            calibration=1024,
            held_out=256,
        )
        attacked, broken, found = measure_distances(spec, store, Console().report)
        series += [
            {
                "method": method,
                "sparsity": one.sparsity,
                "text": one.text,
                "cosine": [asdict(mean) for mean in one.cosine],
            }
            for one in found
        ]
        print(f"{method}: {broken} of {attacked} texts break the dense model", flush=True)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    told = {
        "data": "sst2",
        "attack": "deepwordbug",
        "examples": attacked,
        "broken": broken,
        "series": series,
    }
    OUT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
