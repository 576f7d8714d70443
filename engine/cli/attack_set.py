"""`prunescope attack --set`: a fixed adversarial set on one victim or two."""

import argparse
from dataclasses import asdict, replace

from prunescope.engine.cli.attack_tables import static_table
from prunescope.engine.cli.attack_victims import victims_of
from prunescope.engine.cli.console import Console
from prunescope.engine.cli.options import Answer
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store


def run_on_set(options: argparse.Namespace, spec: StudySpec, console: Console) -> Answer:
    """Read the set with every victim and compare two of them."""
    from prunescope.engine.attacks.static import compare_static, run_static
    from prunescope.engine.attacks.static_files import fit_to_victim, read_set
    from prunescope.engine.data.columns import Choice

    columns = Choice.of(**spec.reading)
    static = read_set(options.set, options.task, options.where, columns)
    results = []
    for name, target in victims_of(options, spec, Store(options.cache), console).items():
        fitted = fit_to_victim(static, target.victim)
        console.notices([notice for notice in fitted.notices if notice not in static.notices])
        results.append(replace(run_static(target.victim, fitted, console.report), name=name))
    console.notices(list(static.notices))
    paired = compare_static(*results) if len(results) == 2 else None
    examples = ("on_adversarial", "attacks")
    answer = {
        "set": static.name,
        "n": len(static),
        "notices": list(static.notices),
        "victims": [
            {name: value for name, value in asdict(result).items() if name not in examples}
            for result in results
        ],
        "paired": asdict(paired) if paired else None,
    }
    return answer, static_table(static, results, paired)
