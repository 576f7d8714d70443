"""Ship studies: copy them from a cache into cache/bundled, in the order given and after those that are there already,
without paths of this machine.

    .venv/bin/python scripts/bundle.py CACHE KEY [KEY …]
"""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine import Store, paths


def main() -> None:
    cache, *keys = sys.argv[1:]
    source, target = Store(cache), Store(paths.BUNDLED)
    before = sum(study.bundled and study.key not in keys for study in target.studies())
    for order, key in enumerate(keys, start=before):
        study = source.study(key)
        if study is None:
            sys.exit(f"{cache} holds no study {key}.")
        spec = study.about["spec"]
        local = spec["data"] != "embedded" and Path(spec["data"]).exists()
        about = {**study.about, "order": order, "spec": {**spec, "resources": None, "data": None if local else spec["data"]}}
        shipped = replace(study, about=about)
        target.save_study(shipped)
        for level in study.levels:
            target.save_level(shipped, level)
        print(f"{key[:12]} {about['model']} on {about['data']}, {about['method']}: {len(study.levels)} levels")


if __name__ == "__main__":
    main()
