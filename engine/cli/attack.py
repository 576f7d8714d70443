"""`python -m engine attack`: one text, rows of a data set, or a fixed adversarial set, on one
victim or two.

The second victim is another model (`--against`) or the first one pruned (`--sparsity`).
"""

import argparse
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunescope.engine.attacks.catalogue import ATTACK_HELP, RESOURCES_HELP
from prunescope.engine.cli.attack_tables import (
    attack_table,
    paired_table,
    static_table,
    transfer_table,
)
from prunescope.engine.cli.console import Console
from prunescope.engine.cli.studies import Answer, budget_options, spec_from, victim_options
from prunescope.engine.errors import SettingError, StoreError
from prunescope.engine.formatting import pluralize
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store

if TYPE_CHECKING:  # imports torch
    from prunescope.engine.attacks.terms import KeyedVictim
    from prunescope.engine.data import Dataset
    from prunescope.engine.models.victim import Victim

SPARSITY = 0.5  # of the pruned victim that a text is attacked on unless told


def add_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command with `command(name, run, about)`."""
    attack = command(
        "attack",
        _attack,
        "Attack one text or rows of a data set, or read a fixed adversarial set, on one victim or "
        "on two side by side.",
    )
    victim_options(attack)
    attack_options(attack)


def _attack(options: argparse.Namespace, console: Console) -> Answer:
    return run_attack(
        options,
        spec_from(options, levels=(SPARSITY if options.sparsity is None else options.sparsity,)),
        console,
    )


def attack_options(parser: argparse.ArgumentParser) -> None:
    """The options beside those that name victims and data."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--text", help="attack this text, on the dense victim and the pruned one or --against"
    )
    what.add_argument(
        "--examples", type=int, metavar="N", help="attack N evaluation examples of --data"
    )
    what.add_argument(
        "--set",
        metavar="FILE",
        help="read a fixed adversarial set: labelled texts (AdvGLUE), clean and "
        "adversarial texts side by side, or a log of attacks such as TextAttack's CSV",
    )
    parser.add_argument(
        "--eval-examples",
        type=int,
        default=StudySpec().eval_examples,
        metavar="N",
        help="with --examples: rows that are evaluated, among which those to attack are "
        "drawn, as in a study (default: 872)",
    )
    parser.add_argument(
        "--against",
        metavar="B",
        help="a second model, given the same examples and compared with the first",
    )
    parser.add_argument(
        "--sparsity",
        type=float,
        metavar="S",
        help="compare with the first model pruned at this sparsity "
        f"(default with --text: {SPARSITY:g})",
    )
    parser.add_argument(
        "--label",
        metavar="L",
        help="true label of --text, a number or a class's name (default: what the first "
        "victim says)",
    )
    parser.add_argument(
        "--attack",
        default="deepwordbug",
        metavar="NAME",
        help=ATTACK_HELP + " (default: deepwordbug)",
    )
    budget_options(parser)
    parser.add_argument("--resources", metavar="DIR", help=RESOURCES_HELP)
    parser.add_argument(
        "--task",
        metavar="T",
        help="with --set: rows of this task, such as sst2, and what their labels mean",
    )
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="with --set: rows with this value only",
    )
    parser.add_argument(
        "--log",
        metavar="FILE",
        help="with --examples: write texts and outcomes as TextAttack's CSV or as JSON, "
        "by the suffix; those of a second victim go to FILE with -against before it",
    )


def run_attack(options: argparse.Namespace, spec: StudySpec, console: Console) -> Answer:
    """Run what was asked for: (the JSON object, the table)."""
    from prunescope.engine.attacks.recipes import check_attack, check_ready

    _check(options)
    if options.set is None:  # before the long work, not in the middle of it
        check_attack(spec.attack)
        check_ready(spec.attack, spec.resources)
    if options.text is None:
        return (
            _on_set(options, spec, console)
            if options.set is not None
            else _on_data(options, spec, console)
        )
    return _on_text(options, spec, console)


def _check(options: argparse.Namespace) -> None:
    """Raises SettingError for options that do not go together or are out of range."""
    mode = next(
        f"--{name}" for name in ("text", "examples", "set") if getattr(options, name) is not None
    )
    if options.against is not None and options.sparsity is not None:
        raise SettingError("--against and --sparsity both name the second victim; use one of them.")
    needs = {
        "label": ("--text",),
        "log": ("--examples",),
        "task": ("--set",),
        "where": ("--set",),
        "max_queries": ("--examples", "--text"),
        "max_seconds": ("--examples", "--text"),
    }
    for name, wanted in needs.items():
        if getattr(options, name) not in (None, []) and mode not in wanted:
            raise SettingError(
                f"--{name.replace('_', '-')} goes with {' or '.join(wanted)}, not with {mode}; "
                "leave it out."
            )
    for name in ("examples", "max_queries", "max_seconds"):
        value = getattr(options, name)
        if value is not None and not 0 < value < math.inf:
            raise SettingError(
                f"--{name.replace('_', '-')} is {value}; it must be a number above 0."
            )
    if mode != "--set" and options.attack == "none":
        raise SettingError(
            "--attack is none, so there is nothing to run; name an attack such as deepwordbug."
        )


def _sides(
    options: argparse.Namespace, spec: StudySpec, store: Store, console: Console
) -> "dict[str, KeyedVictim]":
    from prunescope.engine.cli.models import model_sides, one_side, pruned_sides

    notices = list[str]()
    if options.against is None and options.sparsity is None:
        sides = one_side(spec)
    elif options.against is not None:
        sides, notices = model_sides(spec, options.against)
    else:
        sides, notices = pruned_sides(spec, options.sparsity, store, console.report)
    console.notices(
        [*(notice for side in sides.values() for notice in side.victim.notices), *notices]
    )
    return sides


# One text


def _on_text(options: argparse.Namespace, spec: StudySpec, console: Console) -> Answer:
    from prunescope.engine.live.text_attack import (
        AttackSettings,
        TextTarget,
        attack_text,
        checked_text,
    )

    text, store = checked_text(options.text), Store(options.cache)
    if options.against is None and options.sparsity is None:
        options.sparsity = SPARSITY
    sides = list(_sides(options, spec, store, console).items())
    extra: dict[str, Any] = {}
    if options.against is not None:
        targets = {name: TextTarget(side.victim) for name, side in sides}
    else:
        (_, dense), (_, pruned) = sides
        extra = {"sparsity": options.sparsity, "achieved": _zero_share(pruned.victim)}
        targets = {
            "dense": TextTarget(dense.victim, sparsity=0.0, achieved=0.0),
            "pruned": TextTarget(pruned.victim, **extra),
        }
    victims = [target.victim for target in targets.values()]
    console.notices([_limit(victim) for victim in victims if _cut(victim, [text], None)])
    label = _label(options.label, victims[0].label_names)
    settings = AttackSettings(spec.attack, spec.seed, _budget(options), spec.resources)
    result = attack_text(targets, text, label, settings, console.report)
    answer = {**result.payload(), **extra}
    return answer, _text_table(answer)


def _zero_share(victim: "Victim") -> float:
    weights = list(victim.prunable().values())
    zeros = sum(int((weight == 0).sum()) for weight in weights)
    return zeros / sum(weight.numel() for weight in weights)


def _limit(victim: "Victim") -> str:
    return (
        f"The text reaches {victim.name}'s limit of {victim.max_tokens} tokens; what is changed "
        "beyond it changes nothing."
    )


def _label(told: str | None, names: Sequence[str]) -> int | None:
    """A class by its name or its number. Raises SettingError for one that the victim has not."""
    from prunescope.engine.data.matching import class_places

    if told is None:
        return None
    if (places := class_places([told], names)) is not None:
        return places[0]
    if told.strip().isdecimal() and int(told) < len(names):
        return int(told)
    raise SettingError(
        f"The label {told!r} is none of the victim's, {', '.join(names)}, nor a number from 0 to "
        f"{len(names) - 1}."
    )


def _text_table(answer: dict[str, Any]) -> str:
    names, wide = answer["label_names"], max(8, *(len(side["name"]) for side in answer["sides"]))
    said = [
        " → ".join(dict.fromkeys((names[side["label_before"]], names[side["label_after"]])))
        for side in answer["sides"]
    ]
    room = max(map(len, said))
    lines = (
        f"{side['name']:<{wide}} {side['outcome']:<8} {side['queries']:>4} queries  {what:<{room}} "
        f" {side['perturbed']}\n"
        for side, what in zip(answer["sides"], said, strict=True)
    )
    return "".join(lines)


def _budget(options: argparse.Namespace) -> Any:
    from prunescope.engine.attacks.attempt import Budget

    return Budget(options.max_queries, options.max_seconds)


# Rows of a data set


def _on_data(options: argparse.Namespace, spec: StudySpec, console: Console) -> Answer:
    from prunescope.engine.attacks.cached_run import attack_cached, summary_of
    from prunescope.engine.attacks.logs import write_log
    from prunescope.engine.attacks.metrics import attack_notices, paired_attack
    from prunescope.engine.attacks.similarity import similarity
    from prunescope.engine.attacks.transfer import transfer
    from prunescope.engine.data import check_labels, fit_dataset, load_dataset
    from prunescope.engine.data.draw import drawn_rows

    logs, store = _log_names(options), Store(options.cache)  # before the long work, not after it
    # Of one file, pruning needs half
    data = load_dataset(
        spec.data, **spec.reading, seed=spec.seed, divide=options.sparsity is not None
    )
    sides = _sides(options, spec, store, console)
    victims = {name: side.victim for name, side in sides.items()}
    first = next(iter(victims.values()))
    data, notices = fit_dataset(data, first.label_names, first.name)
    console.notices(list(notices))
    check_labels(data.evaluation, first.num_labels, f"{data.name}, evaluation")
    evaluation, rows = drawn_rows(data.evaluation, spec.eval_examples, options.examples, spec.seed)
    said = _fewer(data, len(evaluation), len(rows), options)
    console.notices(said)
    drawn = evaluation.take(rows)
    cut = {name: _cut(victim, drawn.texts, drawn.pairs) for name, victim in victims.items()}
    console.notices(
        [
            f"{count} of the {len(rows)} examples reach {name}'s limit of "
            f"{victims[name].max_tokens} tokens; what is changed beyond it changes nothing."
            for name, count in cut.items()
            if count
        ]
    )
    found = attack_cached(
        sides,
        spec.attack,
        evaluation,
        rows,
        spec.seed,
        store,
        console.report,
        spec.resources,
        _budget(options),
        said.append,
    )
    records = {name: [text.record for text in texts] for name, texts in found.items()}
    said += [notice for name, of in records.items() for notice in attack_notices(of, f"{name}: ")]
    console.notices(said)
    summaries = {name: summary_of(texts) for name, texts in found.items()}
    alike = {name: similarity(texts, str(victims[name].device)) for name, texts in found.items()}
    table = attack_table(
        f"{data.name}, {spec.attack}, {len(rows)} examples, seed {spec.seed}; {len(evaluation)} of "
        f"{pluralize(len(data.evaluation), 'row')} evaluated",
        summaries,
        alike,
    )
    answer: dict[str, Any] = {
        "attack": spec.attack,
        "data": data.name,
        "rows": len(data.evaluation),
        "evaluated": len(evaluation),
        "examples": len(rows),
        "seed": spec.seed,
        "budget": asdict(_budget(options)),
        "notices": said,
        "victims": [
            {
                "name": name,
                **asdict(summary),
                "similarity": asdict(alike[name]),
                "at_limit": cut[name],
            }
            for name, summary in summaries.items()
        ],
        "paired": None,
        "transfer": {},
    }
    if len(sides) == 2:
        paired, moved = paired_attack(*records.values()), transfer(found, victims, console.report)
        answer |= {"paired": asdict(paired), "transfer": _plain(moved)}
        table += paired_table(
            list(sides), paired, "Right without attack with both"
        ) + transfer_table(moved)
    answer["logs"] = [
        str(write_log(path, texts)) for path, texts in zip(logs, found.values(), strict=False)
    ]
    return answer, table + "".join(f"{path}\n" for path in answer["logs"])


def _fewer(
    data: "Dataset", evaluated: int, attacked: int, options: argparse.Namespace
) -> list[str]:
    """Why fewer rows are attacked than were asked for."""
    if attacked >= options.examples:
        return []
    rows = len(data.evaluation)
    half = (
        f" (the other {len(data.train)} of the file calibrate the pruned model)"
        if data.train and os.path.isfile(os.path.expanduser(options.data))
        else ""
    )
    drawn = f", of which --eval-examples draws {evaluated}" if evaluated < rows else ""
    return [
        f"{data.name} has {pluralize(rows, 'row')} to evaluate{half}{drawn}, so {attacked} are "
        f"attacked and not {options.examples}."
    ]


def _cut(victim: "Victim", texts: Sequence[str], pairs: Sequence[str] | None) -> int:
    """How many texts reach a victim's limit of tokens."""
    return sum(len(ids) >= victim.max_tokens for ids in victim.encode(texts, pairs)["input_ids"])


def _log_names(options: argparse.Namespace) -> list[Path]:
    """The files to write, one a victim; none where no log is asked for. Raises SettingError or
    StoreError.
    """
    from prunescope.engine.attacks.logs import check_log_name

    if options.log is None:
        return []
    first = check_log_name(options.log)
    second = options.against is not None or options.sparsity is not None
    names = [first, first.with_stem(f"{first.stem}-against")] if second else [first]
    for path in names:
        if path.exists():
            raise StoreError(
                f"{path} is there already; name another file with --log, or remove it."
            )
    if not os.access(
        next(folder for folder in first.absolute().parents if folder.exists()), os.W_OK | os.X_OK
    ):
        raise StoreError(
            f"{first.parent} cannot be written; name a file in another folder with --log."
        )
    return names


def _plain(moved: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        source: {target: asdict(found) for target, found in row.items()}
        for source, row in moved.items()
    }


# A fixed set


def _on_set(options: argparse.Namespace, spec: StudySpec, console: Console) -> Answer:
    from prunescope.engine.attacks.static import compare_static, run_static
    from prunescope.engine.attacks.static_files import fit_to_victim, read_set
    from prunescope.engine.data.columns import Choice

    columns = Choice.of(**spec.reading)
    static = read_set(options.set, options.task, options.where, columns)
    results = []
    for name, side in _sides(options, spec, Store(options.cache), console).items():
        fitted = fit_to_victim(static, side.victim)
        console.notices([notice for notice in fitted.notices if notice not in static.notices])
        results.append(replace(run_static(side.victim, fitted, console.report), name=name))
    console.notices(list(static.notices))
    paired = compare_static(*results) if len(results) == 2 else None
    shown = [
        {
            name: value
            for name, value in asdict(result).items()
            if name not in ("on_adversarial", "attacks")
        }
        for result in results
    ]
    answer = {
        "set": static.name,
        "n": len(static),
        "notices": list(static.notices),
        "victims": shown,
        "paired": asdict(paired) if paired else None,
    }
    return answer, static_table(static, results, paired)
