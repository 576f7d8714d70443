"""Ship what the pruner measures once for a study: importance and loss curves, from its own text and
from the embedded reviews, which calibrate where that text is missing. They are measured by pruning
one sparsity, in a cache of its own, and copied to cache/bundled/measurements.

    export PRUNESCOPE_DATA=FOLDER
    .venv/bin/python scripts/bundle_measurements.py CACHE STUDY
"""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from prunescope.engine import Store, paths
from prunescope.engine.export.measurements import measurements_key
from prunescope.engine.live.on_reviews import on_reviews, spec_of
from prunescope.engine.store.maintenance import MEASUREMENTS
from prunescope.engine.studies.examples import data_place
from prunescope.engine.studies.prepare import prepare
from prunescope.engine.studies.pruned import pruned_at

SPARSITY = 0.5  # that any pattern of the landing study has; it decides nothing of what is kept


def main() -> None:
    """Measure and write the files."""
    cache, start = sys.argv[1:]
    # nothing that ships already is read: the bundled layer is left out
    target, store = paths.BUNDLED / MEASUREMENTS, Store(cache, bundled=Path(cache))
    matching = [study for study in Store().studies() if study.key.startswith(start)]
    if len(matching) != 1:
        sys.exit(f"{len(matching)} studies have a key that begins with {start}.")
    study = matching[0]
    own = replace(spec_of(study), data=data_place(study))
    for spec in (own, on_reviews(own)):
        prepared = prepare(spec)
        if spec is own and prepared.study.identity["calibration"] != study.identity["calibration"]:
            sys.exit(f"{spec.data} does not hold the study's calibration text.")
        pruned_at(prepared, SPARSITY, store)
        key = measurements_key(prepared.study.identity, prepared.plan)
        path = store.root / MEASUREMENTS / f"{key}.safetensors"
        target.mkdir(exist_ok=True)
        shutil.copyfile(path, target / path.name)
        print(f"{prepared.data.name}: {path.stat().st_size:,} bytes, {path.name}", flush=True)


if __name__ == "__main__":
    main()
