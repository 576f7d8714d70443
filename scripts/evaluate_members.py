"""Measure members and averages on the evaluation rows, dense and pruned, and write
FOLDER/evaluation.json.

    .venv/bin/python scripts/evaluate_members.py FOLDER DATA --models
      ce-1,average-uniform,average-aua --cache DIR

A model is a folder in FOLDER, or NAME=MODEL where it lies elsewhere, as in
average-uniform=embedded. Each is a study of its own in DIR, so a run that is stopped goes on, and
what is measured already is not measured again.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from prunescope.engine import Store, StudySpec, run_study
from prunescope.engine.cli.console import Console


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("data")
    parser.add_argument("--models", required=True)
    parser.add_argument("--levels", default="0,0.5,0.875")
    parser.add_argument("--cache", required=True)
    parser.add_argument("--attack", default="deepwordbug")
    parser.add_argument("--attack-examples", type=int, default=200)
    parser.add_argument("--calibration", type=int, default=512)
    parser.add_argument("--held-out", type=int, default=128)
    options = parser.parse_args()
    levels = tuple(float(level) for level in options.levels.split(","))
    found = []
    for name, _, elsewhere in (model.partition("=") for model in options.models.split(",")):
        spec = StudySpec(
            elsewhere or str((options.folder / name).resolve()),
            options.data,
            levels=levels,
            attack=options.attack,
            attack_examples=options.attack_examples,
            calibration=options.calibration,
            held_out=options.held_out,
        )
        study = run_study(spec, Store(options.cache), Console().report)
        for level in study.levels:
            found.append(
                {
                    "model": name,
                    "sparsity": level.sparsity,
                    "acc": asdict(level.acc),
                    "aua": None if level.aua is None else asdict(level.aua),
                }
            )
    about = {
        "attack": options.attack,
        **{name: study.about[name] for name in ("method", "counts", "seed")},
    }
    text = json.dumps({**about, "levels": found}, indent=1)
    (options.folder / "evaluation.json").write_text(text + "\n", encoding="utf-8")
    for row in found:
        print(
            row["model"], row["sparsity"], row["acc"]["value"], row["aua"] and row["aua"]["value"]
        )


if __name__ == "__main__":
    main()
