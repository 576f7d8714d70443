"""`prunescope baselines`: pruning beside int8, fewer blocks and smaller models, at equal
bytes; `alternatives` is the same command.
"""

import argparse
from typing import TYPE_CHECKING

from prunescope.engine.baselines.spec import LEVELS, BaselineSpec
from prunescope.engine.cli.console import Console, rate_text
from prunescope.engine.cli.options import (
    Answer,
    Command,
    add_settings,
    measure_options,
    record_of,
    spec_from,
    victim_options,
)
from prunescope.engine.cli.settings import Places
from prunescope.engine.formatting import pluralize
from prunescope.engine.paths import expanded
from prunescope.engine.reading.names import study_title
from prunescope.engine.reading.titles import attack_title
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store

if TYPE_CHECKING:
    from prunescope.engine.baselines.records import BaselineTable

BLOCKS = ("blocks", "int8", "pruned_int8", "small", "base", "epochs", "learning_rate")
LATENCY = ("sentences", "batch", "rounds")


def add_commands(command: Command) -> None:
    """Add `baselines`, and `alternatives`, as it was called."""
    parser = command(
        "baselines",
        _baselines,
        "Compare pruning with int8, fewer blocks and smaller models. Bytes on disk, accuracy, "
        "accuracy under attack and time, on the same examples.",
        examples=(
            ("The embedded model, with the usual baselines:", "baselines"),
            (
                "Your own model at two sparsities, without int8:",
                "baselines --model ./my-model --data reviews.csv --levels 0.5,0.875 --no-int8",
            ),
        ),
        aliases=("alternatives",),
    )
    victim_options(parser)
    add_settings(parser, StudySpec, "levels", defaults={"levels": LEVELS})
    add_settings(parser, BaselineSpec, *BLOCKS, *LATENCY)
    measure_options(parser)
    add_settings(
        parser,
        Places,
        "out",
        helps={"out": "the record to write"},
        metavars={"out": "FILE"},
        optional={"out": "in alternatives/ of the cache"},
    )


def _baselines(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.baselines.records import payload
    from prunescope.engine.baselines.run import run_baselines

    levels = LEVELS if options.levels is None else options.levels
    usual = tuple(level for level in (0.5, 0.75) if options.int8 and level in levels)
    spec = record_of(
        BaselineSpec,
        options,
        study=spec_from(options, levels=levels),
        pruned_int8=usual if options.pruned_int8 is None else options.pruned_int8,
        small=options.small or (),
    )
    store = Store(options.cache)
    out = expanded(options.out) if options.out else None
    table = run_baselines(spec, store, out, console.report, console.say)
    console.notices(store.notices, answered=False)
    return {**payload(table), "out": str(table.path)}, baselines_table(table) + f"{table.path}\n"


def baselines_table(table: "BaselineTable") -> str:
    """The baselines by bytes, largest first, each tested against the nearest pruned level."""
    about, latency = table.about, table.latency
    wide = max(len(row.name) for row in table.rows)
    counts = about["counts"]
    head = (
        f"{study_title(about)}, {attack_title(about['attack'])}, "
        f"{counts['evaluation']} evaluated, "
        f"{counts['attacked']} attacked; {latency['device']}, "
        f"{pluralize(latency['threads'], 'thread')}, "
        f"batch {latency['batch']}\n"
        f"{'':<{wide}}  {'MB':>6} {'without':>7}  {'Acc %':>17}  {'Aua %':>17}  {'form':<5} "
        f"{'× dense':>7}  "
        "against the nearest pruned level: p of Acc, of Aua (Holm)\n"
        f"{'':<{wide}}  {'':>6} {'emb.':>7}\n"
    )
    lines = []
    for row in sorted(table.rows, key=lambda row: -row.file_bytes):
        pace = f"{row.pace.form:<5} {row.pace.ratio:7.2f}" if row.pace else f"{'':<13}"
        test = ""
        if (nearest := row.against) is not None:
            attack = f", {nearest.attack.adjusted:.2g}" if nearest.attack else ""
            test = (
                f"{nearest.level} ({nearest.bytes / 1e6:+.1f} MB): {nearest.adjusted:.2g}{attack}"
            )
            test += "; no better than guessing" if table.is_collapsed(row) else ""
        lines.append(
            f"{row.name:<{wide}}  {row.file_bytes / 1e6:6.1f} {row.bytes / 1e6:7.1f}  "
            f"{rate_text(row.acc)}  "
            f"{rate_text(row.aua)}  {pace}  {test}".rstrip()
            + "\n"
        )
    return head + "".join(lines)
