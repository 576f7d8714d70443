"""Ship studies: copy them from a cache into cache/bundled, in the order given and after those that
are there already, without paths of this machine.

    .venv/bin/python scripts/bundle.py CACHE KEY [KEY …]
    .venv/bin/python scripts/bundle.py CACHE --evidence NAME KEY [KEY …]     for docs/results.md
      alone, not for the dashboard

A key may be cut short, as long as one study alone begins with it.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from prunescope.engine import Store, Study, paths


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cache")
    parser.add_argument("keys", nargs="+", metavar="KEY")
    parser.add_argument("--evidence", metavar="NAME")
    options = parser.parse_args()
    folder = paths.BUNDLED / "evidence" / options.evidence if options.evidence else paths.BUNDLED
    source, target = Store(options.cache), Store(folder, bundled=folder)
    found = [_only(source, key) for key in options.keys]
    keys = [study.key for study in found]
    before = sum(study.bundled and study.key not in keys for study in target.studies())
    for order, study in enumerate(found, start=before):
        spec = study.about["spec"]
        named = spec["data"]  # None: it was bundled before, from a folder
        local = named not in (None, "embedded") and Path(named).exists()
        about = {
            **study.about,
            "order": order,
            "spec": {
                **spec,
                "model": _portable(spec["model"]),
                "resources": None,
                "calibration_data": ",".join(
                    Path(file).name for file in spec.get("calibration_data", "").split(",")
                ),
                "data": None if local else named,
            },
        }
        shipped = replace(study, about=about)
        target.save_study(shipped)
        for level in study.levels:
            target.save_level(shipped, level)
        print(
            f"{study.key[:12]} {about['model']} on {about['data']}, {about['method']}: "
            f"{len(study.levels)} levels"
        )


def _portable(model: str) -> str:
    """A model's whole path as one that counts from wherever its folder lies."""
    return f"./{Path(model).name}" if Path(model).is_absolute() else model


def _only(source: Store, key: str) -> Study:
    matching = [study.key for study in source.studies() if study.key.startswith(key)]
    study = source.study(matching[0]) if len(matching) == 1 else None
    if study is None:
        sys.exit(f"{source.root} holds {len(matching)} studies whose key begins with {key}.")
    return study


if __name__ == "__main__":
    main()
