"""`prunescope paper NAME` runs a script of `runs/`; `distances` measures what one needs."""

import argparse
import runpy
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from prunescope.engine.cli.console import Console
from prunescope.engine.cli.options import (
    add_settings,
    group_of,
    measure_options,
    spec_from,
    victim_options,
)
from prunescope.engine.cli.parser import ANSWERS
from prunescope.engine.cli.settings import PaperSettings, Places
from prunescope.engine.config.study import RUN
from prunescope.engine.errors import SettingError
from prunescope.engine.paths import PACKAGE
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store

if TYPE_CHECKING:
    from prunescope.engine.studies.distances import Distances

Answer = tuple[dict[str, Any], str]
DISTANCE_LEVELS = (0.5,)
SCRIPTS = PACKAGE / "runs"
PASSED_ON = "scale base attack sets seeds resources out cache device".split()


def paper_options(parser: argparse.ArgumentParser, answers: bool = True) -> None:
    """Add the options of a script of `runs/`, which `paper` passes on."""
    add_settings(parser, PaperSettings, "dry_run", "scale", "base", "attack", "sets", "seeds")
    add_settings(parser, StudySpec, "resources", "device")
    add_settings(parser, Places, "cache")
    helps, usual = {"out": "the folder that receives models"}, {"out": "papers/ in the cache"}
    add_settings(parser, Places, "out", helps=helps, optional=usual)
    if answers:  # every command of `prunescope` has these two already
        for flag, about in ANSWERS.items():
            group_of(parser, RUN).add_argument(flag, action="store_true", help=about)


def add_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add `paper` and `distances`, which one of its tables needs."""
    paper = command(
        "paper",
        _paper,
        "Make a table or figure of the seed paper P1 again. paper p1-table1 is python -m "
        "prunescope.runs.p1_table1; the same command goes on where it was stopped.",
        examples=(
            ("What Table 1 would run and fetch:", "paper p1-table1 --dry-run"),
            ("Table 3 in small, to see it work:", "paper p1-table3 --scale small"),
        ),
    )
    paper.add_argument("table", metavar="NAME", help="such as p1-table1, p1-figure4, p1-ablation")
    paper_options(paper, answers=False)

    distances = command(
        "distances",
        _distances,
        "Measure how far [CLS] moves from the dense model's. Block by block, on clean texts and "
        "on the adversarial ones that break the dense model.",
        examples=(
            ("The embedded model at 50%:", "distances"),
            (
                "Your own model at two sparsities:",
                "distances --model ./my-model --data reviews.csv --levels 0.5,0.875",
            ),
        ),
    )
    victim_options(distances)
    add_settings(distances, StudySpec, "levels", defaults={"levels": DISTANCE_LEVELS})
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
    levels = DISTANCE_LEVELS if options.levels is None else options.levels
    spec = spec_from(options, levels=levels)
    attacked, broken, rows = measure_distances(spec, store, console.report)
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
