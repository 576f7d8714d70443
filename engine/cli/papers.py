"""`python -m engine paper NAME`: a table of the seed papers, from its recipe file; and `distances`,
for one of them.
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from prunescope.engine.cli.console import Console
from prunescope.engine.cli.options import levels_of, measure_options, spec_from, victim_options
from prunescope.engine.errors import SettingError
from prunescope.engine.paths import expanded, user_cache
from prunescope.engine.records import check_seed
from prunescope.engine.store import Store

if TYPE_CHECKING:
    from prunescope.engine.papers.recipe import Paper, Step
    from prunescope.engine.papers.run import Figures
    from prunescope.engine.studies.distances import Distances

Answer = tuple[dict[str, Any], str]
ATTACKING = ("device", "resources", "cache")
PASSED = {
    "finetune": ("device",),
    "members": ("device", "resources"),
    "average": ("device",),
    "subnetworks": ATTACKING,
    "evaluate": ("device", "resources"),
    "distances": ATTACKING,
    "study": ATTACKING,
}


def add_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add `paper` and `distances`, which one of its tables needs."""
    paper = command(
        "paper",
        _paper,
        "Do a table or figure of the seed papers, step by step, from its recipe. The same command "
        "goes on where it was stopped.",
    )
    paper.add_argument(
        "recipe", metavar="NAME", help="a shipped recipe such as p1-table1, or a JSON file"
    )
    paper.add_argument(
        "--dry-run",
        action="store_true",
        help="print the steps, look whether every name resolves and what would "
        "be fetched, and do nothing",
    )
    paper.add_argument(
        "--scale", default="full", help="full, as printed, or small, to see it work (default: full)"
    )
    paper.add_argument(
        "--base", metavar="BASE", help="another pretrained checkpoint: a hub name or a local folder"
    )
    paper.add_argument("--attack", metavar="NAME", help="another attack, at all steps")
    paper.add_argument("--sets", metavar="LIST", help="some of the recipe's data sets")
    paper.add_argument("--seeds", metavar="LIST", help="other seeds, such as 0 or 0,1,2")
    paper.add_argument(
        "--resources",
        metavar="DIR",
        help="folder with what attacks need (nltk_data, lexicon, masked-lm)",
    )
    paper.add_argument(
        "--out",
        metavar="DIR",
        help="the folder that receives models and answers (default: papers/ in the cache)",
    )
    paper.add_argument(
        "--cache", metavar="DIR", help="where studies are kept (default: cache/user)"
    )
    paper.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")

    distances = command(
        "distances",
        _distances,
        "How far [CLS] moves from the dense model's, block by block, on clean texts and "
        "on the adversarial ones that break the dense model.",
    )
    victim_options(distances)
    distances.add_argument(
        "--levels", type=levels_of, default=(0.5,), metavar="LIST", help="sparsities (default: 0.5)"
    )
    measure_options(distances)


def _read(options: argparse.Namespace) -> "Paper":
    from prunescope.engine.papers.recipe import paper_path, read_paper

    changes: dict[str, Any] = {
        name: getattr(options, name) for name in ("base", "attack") if getattr(options, name)
    }
    if options.resources:
        changes["resources"] = str(expanded(options.resources).resolve())
    if options.sets:
        changes["sets"] = options.sets.split(",")
    if options.seeds:
        try:
            changes["seeds"] = [int(seed) for seed in options.seeds.split(",")]
        except ValueError:
            raise SettingError(
                f"--seeds is {options.seeds!r}, not a list such as 0,1,2; correct it."
            ) from None
        for seed in changes["seeds"]:
            check_seed(seed, "--seeds")
    root = expanded(options.cache) if options.cache else user_cache()
    work = expanded(options.out) if options.out else root / "papers"
    return read_paper(paper_path(options.recipe), options.scale, work, changes)


def _paper(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.cli.main import parsed
    from prunescope.engine.papers.check import check_commands
    from prunescope.engine.papers.run import figures, run_paper

    paper = _read(options)

    def whole(command: tuple[str, ...]) -> list[str]:
        told = {name: getattr(options, name) for name in PASSED[command[0]]}
        return [
            *command,
            *(word for name, value in told.items() if value for word in (f"--{name}", str(value))),
        ]

    check_commands(paper, lambda command: parsed(whole(command)))
    if options.dry_run:
        return _looked(paper, options, console)

    def run(command: tuple[str, ...]) -> dict[str, Any]:
        chosen = parsed(whole(command))
        answer, table = chosen.run(chosen, console)
        console.say(table.rstrip("\n"))
        found: dict[str, Any] = answer
        return found

    answer = run_paper(paper, run, console.say)
    return answer, figures_table(paper, figures(paper))


def _looked(paper: "Paper", options: argparse.Namespace, console: Console) -> Answer:
    """Every step and every name, with nothing done."""
    from prunescope.engine.papers.check import check_names, words, work_of
    from prunescope.engine.papers.run import is_done

    names = check_names(
        paper, options.resources, (lambda sentence: None) if options.quiet else console.say
    )
    rows = {one.name: one.rows for one in names if one.kind == "data"}
    steps = [(step, is_done(paper, step), work_of(step, rows)) for step in paper.steps]
    lines = [f"{paper.title} ({paper.scale}, {paper.values['base']})", paper.about, ""]
    lines += [_step_line(place, *one) for place, one in enumerate(steps, start=1)]
    lines += ["", *map(words, names)]
    wrong = sum(not one.fine for one in names)
    due = sum(not done for _, done, _ in steps)
    lines.append(
        f"{due} of {len(steps)} steps are due; "
        + (
            f"{wrong} of {len(names)} names cannot be used: see above."
            if wrong
            else "every name resolves."
        )
    )
    options.code = 2 if wrong else 0
    told = {
        "paper": paper.name,
        "scale": paper.scale,
        "steps": [
            {"name": step.name, "command": list(step.command), "done": done, "work": work}
            for step, done, work in steps
        ],
        "names": [
            {
                "kind": one.kind,
                "name": one.name,
                "fine": one.fine,
                "about": one.about,
                "bytes": one.bytes,
            }
            for one in names
        ],
    }
    return told, "\n".join(lines) + "\n"


def _step_line(place: int, step: "Step", done: bool, work: str) -> str:
    told = f"{place:>3} {'done' if done else 'due':<4} {step.name}: {work}".rstrip(": ")
    return f"{told}\n         python -m engine {' '.join(step.command)}"


def figures_table(paper: "Paper", found: list["Figures"]) -> str:
    """Ours beside what the paper prints, in per cent; with several seeds the mean and its standard
    deviation.
    """
    wide = max([len(one.row) for one in found], default=0)
    head = (
        f"{paper.title} ({paper.scale}, {paper.values['base']}); beside it what the paper prints, "
        "of its own models\n"
        f"{'':<{wide}}  {'data':<8} {'sparsity':>8}  {'Acc %':>12} {'Aua %':>12} {'Asr %':>12}   "
        "printed: Acc / Aua / Asr\n"
    )
    lines = []
    for one in found:
        told = one.published
        printed = (
            " / ".join(f"{told[name]:g}" if name in told else "–" for name in ("acc", "aua", "asr"))
            if told
            else "–"
        )
        lines.append(
            f"{one.row:<{wide}}  {one.set:<8} {100 * one.sparsity:>6g} %  "
            + " ".join(f"{one.text(name):>12}" for name in ("acc", "aua", "asr"))
            + f"   {printed}\n"
        )
    return head + "".join(lines)


def _distances(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.studies.distances import measure_distances

    store = Store(options.cache)
    attacked, broken, rows = measure_distances(spec_from(options), store, console.report)
    console.notices(store.notices, answered=False)
    answer = {"attacked": attacked, "broken": broken, "series": [asdict(row) for row in rows]}
    return answer, distances_table(attacked, broken, rows)


def distances_table(attacked: int, broken: int, rows: list["Distances"]) -> str:
    """Mean 1 − cos, a column a block."""
    head = (
        f"mean 1 − cos of [CLS] between dense and pruned, on the {broken} of {attacked} texts that "
        "break the dense model\n"
        f"{'sparsity':>8}  {'text':<11}"
        + "".join(f" {f'block {block}':>9}" for block in range(1, len(rows[0].cosine) + 1))
    )
    lines = [
        f"{100 * row.sparsity:>6g} %  {row.text:<11}"
        + "".join(f" {one.value:>9.4f}" for one in row.cosine)
        for row in rows
    ]
    return "\n".join([head, *lines]) + "\n"
