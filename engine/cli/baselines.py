"""`python -m engine alternatives`: pruning beside int8, fewer blocks and smaller models, at equal
bytes.
"""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from prunescope.engine.cli.console import Console, rate_text
from prunescope.engine.cli.studies import measure_options, spec_from, victim_options
from prunescope.engine.errors import SettingError
from prunescope.engine.formatting import pluralize
from prunescope.engine.paths import expanded
from prunescope.engine.reading.names import study_title
from prunescope.engine.reading.titles import attack_title
from prunescope.engine.store import Store

if TYPE_CHECKING:
    from prunescope.engine.baselines.records import AlternativesTable

Answer = tuple[dict[str, Any], str]


def add_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add `alternatives`."""
    parser = command(
        "alternatives",
        _alternatives,
        "Compare pruned levels with int8 weights, fewer blocks and smaller models: "
        "bytes on disk, accuracy, accuracy under attack and time, on the same rows.",
    )
    victim_options(parser)
    parser.add_argument(
        "--levels",
        metavar="LIST",
        help="sparsities to compare with (default: 0.2,0.4,0.5,0.7,0.75,0.8,0.875,0.9)",
    )
    parser.add_argument(
        "--blocks",
        metavar="LIST",
        help="how many of the first blocks to keep, without training (default: every "
        "number below all; none leaves it out)",
    )
    parser.add_argument("--no-int8", action="store_true", help="leave int8 out")
    parser.add_argument(
        "--pruned-int8",
        metavar="LIST",
        help="levels that are also stored in int8 (default: those of 0.5 and "
        "0.75 that are in --levels; none leaves it out)",
    )
    parser.add_argument(
        "--small",
        metavar="LIST",
        help="blocks of smaller models that are fine-tuned from the base's first "
        "blocks on the training rows (default: none)",
    )
    parser.add_argument(
        "--base",
        default="embedded",
        metavar="BASE",
        help="the checkpoint of these (default: embedded)",
    )
    for name, kind, value, about in (
        ("epochs", float, 1.0, "passes of their training"),
        ("learning-rate", float, 1e-4, "its highest rate"),
        ("sentences", int, 64, "texts of a round of the latency"),
        ("batch", int, 8, "texts a pass"),
        ("rounds", int, 20, "rounds in turn"),
    ):
        parser.add_argument(
            f"--{name}", type=kind, default=value, metavar="N", help=f"{about} (default: {value:g})"
        )
    measure_options(parser)
    parser.add_argument(
        "--out", metavar="FILE", help="the record to write (default: alternatives/ in the cache)"
    )


def _numbers(text: str | None, option: str, kind: Callable[[str], Any]) -> tuple[Any, ...] | None:
    """None where the option was not given; nothing for `none`."""
    if text is None or text == "none":
        return None if text is None else ()
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise SettingError(
            f"{option} is {text!r}, not a list of numbers, nor none; correct it."
        ) from None


def _alternatives(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.baselines.records import payload
    from prunescope.engine.baselines.run import run_alternatives
    from prunescope.engine.baselines.spec import LEVELS, AlternativesSpec

    levels = _numbers(options.levels, "--levels", float)
    levels = LEVELS if levels is None else levels
    int8 = not options.no_int8
    usual = tuple(level for level in (0.5, 0.75) if int8 and level in levels)
    pruned_int8 = _numbers(options.pruned_int8, "--pruned-int8", float)
    spec = AlternativesSpec(
        spec_from(options, levels=levels),
        _numbers(options.blocks, "--blocks", int),
        int8,
        usual if pruned_int8 is None else pruned_int8,
        _numbers(options.small, "--small", int) or (),
        options.base,
        options.epochs,
        options.learning_rate,
        options.sentences,
        options.batch,
        options.rounds,
    )
    store = Store(options.cache)
    out = expanded(options.out) if options.out else None
    table = run_alternatives(spec, store, out, console.report, console.say)
    console.notices(store.notices, answered=False)
    return {**payload(table), "out": str(table.path)}, alternatives_table(table) + f"{table.path}\n"


def alternatives_table(table: "AlternativesTable") -> str:
    """The alternatives by bytes, largest first, with their test against the nearest pruned level."""
    about, told = table.about, table.latency
    wide = max(len(row.name) for row in table.rows)
    counts = about["counts"]
    head = (
        f"{study_title(about)}, {attack_title(about['attack'])}, "
        f"{counts['evaluation']} evaluated, "
        f"{counts['attacked']} attacked; {told['device']}, {pluralize(told['threads'], 'thread')}, "
        f"batch {told['batch']}\n"
        f"{'':<{wide}}  {'MB':>6} {'without':>7}  {'Acc %':>17}  {'Aua %':>17}  {'form':<5} "
        f"{'× dense':>7}  "
        "against the nearest pruned level: p of Acc, of Aua (Holm)\n"
        f"{'':<{wide}}  {'':>6} {'emb.':>7}\n"
    )
    lines = []
    for row in sorted(table.rows, key=lambda row: -row.file_bytes):
        pace = f"{row.pace.form:<5} {row.pace.ratio:7.2f}" if row.pace else f"{'':<13}"
        test = ""
        if (one := row.against) is not None:
            attack = f", {one.attack.adjusted:.2g}" if one.attack else ""
            test = f"{one.level} ({one.bytes / 1e6:+.1f} MB): {one.adjusted:.2g}{attack}"
            test += "; no better than guessing" if table.is_collapsed(row) else ""
        lines.append(
            f"{row.name:<{wide}}  {row.file_bytes / 1e6:6.1f} {row.bytes / 1e6:7.1f}  "
            f"{rate_text(row.acc)}  "
            f"{rate_text(row.aua)}  {pace}  {test}".rstrip()
            + "\n"
        )
    return head + "".join(lines)
