"""`python -m engine attack --text`: one text on two victims."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prunescope.engine.cli.attack_tables import text_table
from prunescope.engine.cli.attack_victims import SPARSITY, budget_of, texts_at_limit, victims_of
from prunescope.engine.cli.console import Console
from prunescope.engine.cli.studies import Answer
from prunescope.engine.errors import SettingError
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store

if TYPE_CHECKING:  # imports torch
    from prunescope.engine.models.victim import Victim


def run_on_text(options: argparse.Namespace, spec: StudySpec, console: Console) -> Answer:
    """Attack the text on the dense victim and the pruned one, or `--against`."""
    return (
        _dense_and_pruned(options, spec, console)
        if options.against is None
        else _two_models(options, spec, console)
    )


def _dense_and_pruned(options: argparse.Namespace, spec: StudySpec, console: Console) -> Answer:
    from prunescope.engine.live.bench import Bench

    bench = Bench(Store(options.cache))
    sparsity = SPARSITY if options.sparsity is None else options.sparsity
    prepared = bench.prepare(spec, console.report)
    console.notices(prepared.victim.notices)
    label = _label(options.label, prepared.victim.label_names)
    answer = bench.attack(
        prepared, options.text, label, sparsity, console.report, budget=budget_of(options)
    )
    if answer["cut_at"] is not None:
        console.notices([_limit_notice(prepared.victim)])
    return answer, text_table(answer)


def _two_models(options: argparse.Namespace, spec: StudySpec, console: Console) -> Answer:
    from prunescope.engine.live.bench import attack_sides, checked_text

    text = checked_text(options.text)
    targets = victims_of(options, spec, Store(options.cache), console)
    victims = {name: target.victim for name, target in targets.items()}
    console.notices(
        [_limit_notice(victim) for victim in victims.values() if texts_at_limit(victim, [text])]
    )
    first = next(iter(victims.values()))
    label = _label(options.label, first.label_names)
    truth = label if label is not None else int(first.read([text])[0].argmax())
    results = attack_sides(
        victims,
        spec.attack,
        text,
        truth,
        spec.seed,
        spec.resources,
        console.report,
        budget=budget_of(options),
    )
    answer: dict[str, Any] = {
        "text": text,
        "truth": truth,
        "truth_given": label is not None,
        "attack": spec.attack,
        "label_names": list(first.label_names),
        "sides": results,
    }
    return answer, text_table(answer)


def _limit_notice(victim: "Victim") -> str:
    return (
        f"The text reaches {victim.name}'s limit of {victim.max_tokens} tokens; what is changed "
        "beyond it changes nothing."
    )


def _label(label: str | None, names: Sequence[str]) -> int | None:
    """A class by its name or its number. Raises SettingError for one the victim does not have."""
    from prunescope.engine.data.matching import class_places

    if label is None:
        return None
    if (classes := class_places([label], names)) is not None:
        return classes[0]
    if label.strip().isdecimal() and int(label) < len(names):
        return int(label)
    raise SettingError(
        f"The label {label!r} is none of the victim's, {', '.join(names)}, nor a number from 0 to "
        f"{len(names) - 1}."
    )
