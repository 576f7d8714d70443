"""`prunescope attack --text`: one text on two victims."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prunescope.engine.cli.attack_tables import text_table
from prunescope.engine.cli.attack_victims import budget_of, texts_at_limit, victims_of
from prunescope.engine.cli.console import Console
from prunescope.engine.cli.options import Answer
from prunescope.engine.cli.settings_attack import SPARSITY
from prunescope.engine.errors import SettingError
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store

if TYPE_CHECKING:  # imports torch
    from prunescope.engine.attacks.terms import KeyedVictim
    from prunescope.engine.live.side_result import TextTarget
    from prunescope.engine.models.victim import Victim


def run_on_text(options: argparse.Namespace, spec: StudySpec, console: Console) -> Answer:
    """Attack the text on the dense victim and the pruned one, or on the victim and `--against`."""
    from prunescope.engine.live.text_attack import AttackSettings, attack_text, checked_text

    text, store = checked_text(options.text), Store(options.cache)
    if options.against is None and options.sparsity is None:
        options.sparsity = SPARSITY
    targets, pruning = _targets(options, victims_of(options, spec, store, console))
    victims = [target.victim for target in targets.values()]
    console.notices([_limit_notice(victim) for victim in victims if texts_at_limit(victim, [text])])
    label = _label(options.label, victims[0].label_names)
    settings = AttackSettings(spec.attack, spec.seed, budget_of(options), spec.resources)
    result = attack_text(targets, text, label, settings, console.report)
    answer = {**result.payload(), **pruning}
    return answer, text_table(answer)


def _targets(
    options: argparse.Namespace, victims: "dict[str, KeyedVictim]"
) -> "tuple[dict[str, TextTarget], dict[str, float]]":
    """(what is attacked by name, the sparsity of the pruned one where there is one)."""
    from prunescope.engine.live.side_result import TextTarget

    if options.against is not None:
        return {name: TextTarget(keyed.victim) for name, keyed in victims.items()}, {}
    dense, pruned = (keyed.victim for keyed in victims.values())
    pruning = {"sparsity": options.sparsity, "achieved": pruned.achieved}
    dense_target = TextTarget(dense, sparsity=0.0, achieved=0.0)
    return {"dense": dense_target, "pruned": TextTarget(pruned, **pruning)}, pruning


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
