"""Attack one text on several victims side by side, in lock-step and with the same candidates.

The worker answers pages with a `TextAttack`, and the command line prints one.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any

from prunescope.engine.attacks.attempt import Budget, Example, Outcome, check_read
from prunescope.engine.attacks.run import Attackers
from prunescope.engine.attacks.services import NotAttackable
from prunescope.engine.data.checks import is_whole
from prunescope.engine.errors import InputError, SettingError
from prunescope.engine.live.cross_reading import transferred, word_importance
from prunescope.engine.live.side_result import (
    AttackStep,
    SideEnded,
    TextTarget,
    Tried,
    side_result,
)
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress

MOST_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class AttackSettings:
    """How texts are attacked."""

    attack: str
    seed: int
    budget: Budget = field(default_factory=Budget)
    resources: str | None = None


@dataclass(frozen=True, slots=True)
class TextAttack:
    """The result of an attack on one text, victim by victim."""

    text: str
    truth: int
    truth_given: bool  # else the first victim's prediction
    attack: str
    seed: int
    budget: dict[str, Any]
    label_names: list[str]
    notices: list[str]
    cut_at: int | None  # the first victim's limit of tokens, where the text is longer
    sides: list[dict[str, Any]]  # one a victim, see `side_result`
    importance: dict[str, Any] | None  # see `word_importance`
    transfer: dict[str, dict[str, Any]]  # see `transferred`
    seconds: float

    def payload(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


def attack_text(
    targets: Mapping[str, TextTarget],
    text: str,
    label: int | None,
    settings: AttackSettings,
    report: Progress = SILENT,
    label_names: Sequence[str] = (),
    notices: Sequence[str] = (),
) -> TextAttack:
    """Attack one text on all victims in lock-step. `label` None takes the first victim's answer.

    The result has the outcomes, the similarity of each adversarial text to the original, the
    importance of each word, and every victim's answer to every adversarial text. Emits what
    `attack_sides` does. Raises InputError for a text that cannot be attacked, SettingError for a
    label that the victims do not have.
    """
    text, start = checked_text(text), time.perf_counter()
    victims = {name: target.victim for name, target in targets.items()}
    first = next(iter(victims.values()))
    truth = true_label(first, text, label)
    sides = attack_sides(targets, text, truth, settings, report)
    found = {side["name"]: side["perturbed"] for side in sides if side["outcome"] == "broken"}
    return TextAttack(
        text=text,
        truth=truth,
        truth_given=label is not None,
        attack=settings.attack,
        seed=settings.seed,
        budget=asdict(settings.budget),
        label_names=list(label_names or first.label_names),
        notices=list(notices),
        cut_at=limit_passed(first, text),
        sides=sides,
        importance=word_importance(victims, text, truth, report),
        transfer=transferred(victims, found, truth),
        seconds=round(time.perf_counter() - start, 2),
    )


def true_label(first: Victim, text: str, label: int | None) -> int:
    """The label that is attacked: the one given, else what the first victim says.

    Raises SettingError for one that the victim does not have, InputError for a text that it cannot
    read.
    """
    if label is not None and not 0 <= label < first.num_labels:
        raise SettingError(
            f"The label {label} is outside 0..{first.num_labels - 1}, the victim's range."
        )
    check_readable(text, first)
    return label if label is not None else int(first.read([text])[0].argmax())


def limit_passed(victim: Victim, text: str) -> int | None:
    """The victim's limit of tokens, where the text is longer; it reads the beginning only."""
    tokens = len(victim.tokenizer(text)["input_ids"])
    return victim.max_tokens if tokens > victim.max_tokens else None


def attack_sides(
    targets: Mapping[str, TextTarget],
    text: str,
    truth: int,
    settings: AttackSettings,
    report: Progress = SILENT,
) -> list[dict[str, Any]]:
    """Attack a checked text on all victims in lock-step; the results in their order.

    A result depends on its victim alone, not on the others that are attacked beside it. Emits an
    `AttackStep` for every step and a `SideEnded` for every victim, when its attack ends. Raises
    InputError for a text that cannot be attacked.
    """
    victims = {name: target.victim for name, target in targets.items()}
    for victim in victims.values():
        check_readable(text, victim)
    attackers = Attackers(
        victims, settings.attack, settings.seed, settings.resources, settings.budget
    )
    results: dict[str, dict[str, Any]] = {}
    tried = {name: Tried() for name in targets}
    steps = attackers.watch(
        Example(text, None, truth), lambda: report("attack", len(results), len(victims))
    )
    with closing(steps):
        for name, step in steps:
            if not isinstance(step, Outcome):
                tried[name].add(text, step)
                report.emit(AttackStep(name, step))
                continue
            if step.record.outcome == "error" or step.record.untried:
                raise InputError(f"{step.record.reason.rstrip('.')}; type another text.")
            results[name] = side_result(name, targets[name], step, truth, tried[name])
            report.emit(SideEnded(name, results[name]))
    return [results[name] for name in targets]


def checked_text(text: str) -> str:
    """The text without surrounding space.

    Raises InputError where it is empty, too long, without words or not whole.
    """
    text = " ".join(text.split())
    if not is_whole(text):
        raise InputError(
            "The text holds half a character, as of a terminal that is not UTF-8; type it whole."
        )
    if not any(character.isalnum() for character in text):
        raise InputError("There are no words to attack; type a sentence.")
    if len(text) > MOST_CHARACTERS:
        raise InputError(
            f"The text has {len(text)} characters; shorten it to {MOST_CHARACTERS} or fewer."
        )
    return text


def check_readable(text: str, victim: Victim) -> None:
    """Raises InputError for a text that a victim cannot read."""
    try:
        check_read(text, victim)
    except NotAttackable as error:
        raise InputError(f"{str(error).rstrip('.')}; type another text.") from error
