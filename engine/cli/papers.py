"""`python -m engine paper NAME` runs a script of `runs/`; `distances` measures what one needs."""

import argparse
import runpy
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from prunescope.engine.cli.console import Console
from prunescope.engine.cli.options import levels_of, measure_options, spec_from, victim_options
from prunescope.engine.errors import SettingError
from prunescope.engine.paths import PACKAGE
from prunescope.engine.store import Store

if TYPE_CHECKING:
    from prunescope.engine.studies.distances import Distances

Answer = tuple[dict[str, Any], str]
SCRIPTS = PACKAGE / "runs"
PASSED_ON = "scale base attack sets seeds resources out cache device".split()


def paper_options(parser: argparse.ArgumentParser, answers: bool = True) -> None:
    """Add the options of a script of `runs/`, which `paper` passes on."""
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the commands, look up every name and what would be fetched, and do nothing",
    )
    parser.add_argument(
        "--scale",
        default="full",
        metavar="NAME",
        help="full, as printed, or small, to see it work (default: full)",
    )
    parser.add_argument(
        "--base", metavar="BASE", help="another pretrained checkpoint: a hub name or a local folder"
    )
    parser.add_argument("--attack", metavar="NAME", help="another attack, in all commands")
    parser.add_argument("--sets", metavar="LIST", help="some of the table's data sets")
    parser.add_argument("--seeds", metavar="LIST", help="other seeds, such as 0 or 0,1,2")
    parser.add_argument(
        "--resources",
        metavar="DIR",
        help="folder with nltk_data, lexicon and masked-lm, as far as there",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="the folder that receives models (default: papers/ in the cache)",
    )
    parser.add_argument(
        "--cache", metavar="DIR", help="the folder of stored results (default: cache/user)"
    )
    parser.add_argument(
        "--device", default="auto", metavar="D", help="auto, cpu, or cuda (default: auto)"
    )
    if answers:  # every command of `python -m engine` has these two already
        parser.add_argument("--json", action="store_true", help="end stdout with one JSON object")
        parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def add_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add `paper` and `distances`, which one of its tables needs."""
    paper = command(
        "paper",
        _paper,
        "Run the script of a table or figure of the seed paper: paper p1-table1 is python -m "
        "prunescope.runs.p1_table1. The same command goes on where it was stopped.",
    )
    paper.add_argument("table", metavar="NAME", help="such as p1-table1, p1-figure4, p1-ablation")
    paper_options(paper, answers=False)

    distances = command(
        "distances",
        _distances,
        "How far [CLS] moves from the dense model's, block by block, on clean texts and on the "
        "adversarial ones that break the dense model.",
    )
    victim_options(distances)
    distances.add_argument(
        "--levels", type=levels_of, default=(0.5,), metavar="LIST", help="sparsities (default: 0.5)"
    )
    measure_options(distances)


def _paper(options: argparse.Namespace, _console: Console) -> Answer:
    """Run the script in this process; its exit code becomes this command's."""
    scripts = {file.stem.replace("_", "-"): file for file in sorted(SCRIPTS.glob("p1_*.py"))}
    if options.table not in scripts:
        raise SettingError(f"There is no table {options.table!r}; there are {', '.join(scripts)}.")
    words = [str(scripts[options.table])]
    for name in (*PASSED_ON, "dry_run", "json", "quiet"):
        value = getattr(options, name)
        if value is True:
            words.append(f"--{name.replace('_', '-')}")
        elif value:
            words += [f"--{name}", value]
    own, sys.argv = sys.argv, words
    try:
        runpy.run_path(words[0], run_name="__main__")
    finally:
        sys.argv = own
    return {}, ""  # a script ends with SystemExit


def _distances(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.studies.distances import measure_distances

    store = Store(options.cache)
    attacked, broken, rows = measure_distances(spec_from(options), store, console.report)
    console.notices(store.notices, answered=False)
    answer = {"attacked": attacked, "broken": broken, "series": [asdict(row) for row in rows]}
    return answer, distances_table(attacked, broken, rows)


def distances_table(attacked: int, broken: int, rows: list["Distances"]) -> str:
    """Mean 1 − cos, one column per block."""
    head = (
        f"mean 1 − cos of [CLS] between dense and pruned, on the {broken} of {attacked} texts that "
        f"break the dense model\n{'sparsity':>8}  {'text':<11}"
        + "".join(f" {f'block {block}':>9}" for block in range(1, len(rows[0].cosine) + 1))
    )
    lines = [
        f"{100 * row.sparsity:>6g} %  {row.text:<11}"
        + "".join(f" {one.value:>9.4f}" for one in row.cosine)
        for row in rows
    ]
    return "\n".join([head, *lines]) + "\n"
