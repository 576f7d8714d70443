"""Attack one text on several victims side by side, in lock-step and with the same candidates.

The worker answers pages with a `TextAttack`, and the command line prints one.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any

from prunescope.engine.attacks.attempt import AttemptStep, Budget, Example, Outcome, check_read
from prunescope.engine.attacks.run import Attackers
from prunescope.engine.attacks.services import NotAttackable, cancel_checks
from prunescope.engine.attacks.similarity import cosines
from prunescope.engine.attacks.victim_service import VictimService
from prunescope.engine.attacks.word_diff import word_changes, word_spans
from prunescope.engine.data.checks import is_whole
from prunescope.engine.errors import InputError, SettingError
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress

MOST_CHARACTERS = 1000
# words; leaving out each word of a longer text in turn takes longer than a page should wait
MOST_LEFT_OUT = 60


@dataclass(frozen=True, slots=True)
class AttackSettings:
    """How texts are attacked."""

    attack: str
    seed: int
    budget: Budget = field(default_factory=Budget)
    resources: str | None = None


@dataclass(frozen=True, slots=True)
class TextTarget:
    """A victim of a text attack, with the level of a study that it is, if it is one."""

    victim: Victim
    study: str | None = None  # the study's key
    sparsity: float | None = None
    achieved: float | None = None


@dataclass(frozen=True, slots=True)
class AttackStep:
    """Event: what happened on one victim while it is attacked."""

    side: str
    step: AttemptStep


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
    sides: list[dict[str, Any]]  # one a victim, see `_side`
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
    importance of each word, and every victim's answer to every adversarial text. Emits an
    `AttackStep` for every step. Raises InputError for a text that cannot be attacked, SettingError
    for a label that the victims do not have.
    """
    text, start = checked_text(text), time.perf_counter()
    victims = {name: target.victim for name, target in targets.items()}
    first = next(iter(victims.values()))
    if label is not None and not 0 <= label < first.num_labels:
        raise SettingError(
            f"The label {label} is outside 0..{first.num_labels - 1}, the victim's range."
        )
    check_readable(text, victims)
    truth = label if label is not None else int(first.read([text])[0].argmax())
    outcomes = _outcomes(victims, settings, Example(text, None, truth), report)
    similarity = _similarity(outcomes, str(first.device))
    tokens = len(first.tokenizer(text)["input_ids"])
    sides = [
        _side(name, target, outcomes[name], truth, similarity.get(name))
        for name, target in targets.items()
    ]
    return TextAttack(
        text=text,
        truth=truth,
        truth_given=label is not None,
        attack=settings.attack,
        seed=settings.seed,
        budget=asdict(settings.budget),
        label_names=list(label_names or first.label_names),
        notices=list(notices),
        cut_at=first.max_tokens if tokens > first.max_tokens else None,
        sides=sides,
        importance=word_importance(victims, text, truth, report),
        transfer=transferred(victims, outcomes, truth),
        seconds=round(time.perf_counter() - start, 2),
    )


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


def check_readable(text: str, victims: Mapping[str, Victim]) -> None:
    """Raises InputError for a text that one of the victims cannot read."""
    try:
        for victim in victims.values():
            check_read(text, victim)
    except NotAttackable as error:
        raise InputError(f"{str(error).rstrip('.')}; type another text.") from error


def _outcomes(
    victims: Mapping[str, Victim], settings: AttackSettings, example: Example, report: Progress
) -> dict[str, Outcome]:
    attackers = Attackers(
        victims, settings.attack, settings.seed, settings.resources, settings.budget
    )
    outcomes: dict[str, Outcome] = {}
    steps = attackers.watch(example, lambda: report("attack", len(outcomes), len(victims)))
    with closing(steps):
        for side, step in steps:
            if not isinstance(step, Outcome):
                report.emit(AttackStep(side, step))
                continue
            if step.record.outcome == "error" or step.record.untried:
                raise InputError(f"{step.record.reason.rstrip('.')}; type another text.")
            outcomes[side] = step
    return outcomes


def _similarity(outcomes: Mapping[str, Outcome], device: str) -> dict[str, float]:
    """Cosine similarity of each successful adversarial text to the original, by victim."""
    texts = {
        name: (outcome.original, outcome.perturbed)
        for name, outcome in outcomes.items()
        if outcome.record.outcome == "broken"
    }
    return dict(zip(texts, cosines(list(texts.values()), device), strict=True))


def _side(
    name: str, target: TextTarget, outcome: Outcome, truth: int, similarity: float | None
) -> dict[str, Any]:
    """An outcome as JSON values, with the victim's answers before and after the attack."""
    logits = target.victim.read([outcome.original, outcome.perturbed])[0]
    before, after = logits.double().softmax(dim=1)[:, truth].tolist()
    changes = word_changes(outcome.original, outcome.perturbed)
    return {
        "name": name,
        "study": target.study,
        "sparsity": target.sparsity,
        "achieved": target.achieved,
        "similarity": similarity,
        **asdict(outcome.record),
        "perturbed": outcome.perturbed,
        "label_before": outcome.label_before,
        "label_after": outcome.label_after,
        "truth_before": before,
        "truth_after": after,
        "path": [list(point) for point in outcome.path],
        "changes": [[change.before, change.after] for change in changes],
    }


def word_importance(
    victims: Mapping[str, Victim], text: str, truth: int, report: Progress = SILENT
) -> dict[str, Any] | None:
    """Leave-one-out: by how much the probability of the true label falls without each word.

    p(y | x) − p(y | x without word i), one row a victim; None for a text of one word or of more
    than `MOST_LEFT_OUT`.
    """
    spans = word_spans(text)
    if not 1 < len(spans) <= MOST_LEFT_OUT:
        return None
    shortened = [" ".join(f"{text[:start]} {text[end:]}".split()) for start, end in spans]
    falls: dict[str, list[float]] = {}
    with cancel_checks(lambda: report("word importance", len(falls), len(victims))):
        for name, victim in victims.items():
            report("word importance", len(falls), len(victims))
            answers = _probabilities(victim, [text, *shortened])
            whole, *rest = (float(probabilities[truth]) for probabilities in answers)
            falls[name] = [round(whole - value, 6) for value in rest]
    return {"words": [text[start:end] for start, end in spans], "falls": falls}


def transferred(
    victims: Mapping[str, Victim], outcomes: Mapping[str, Outcome], truth: int
) -> dict[str, dict[str, Any]]:
    """The target's answer to each adversarial text against a source, by source and target.

    An answer is {label, truth}: the predicted label, and the probability of the true one.
    """
    texts = {
        name: outcomes[name].perturbed
        for name in victims
        if outcomes[name].record.outcome == "broken"
    }
    rows: dict[str, dict[str, Any]] = {source: {} for source in texts}
    for target, victim in victims.items():
        answers = _probabilities(victim, list(texts.values()))
        for source, answer in zip(texts, answers, strict=True):
            label, probability = int(answer.argmax()), round(float(answer[truth]), 6)
            rows[source][target] = {"label": label, "truth": probability}
    return rows


def _probabilities(victim: Victim, texts: Sequence[str]) -> list[Any]:
    distinct = list(dict.fromkeys(texts))
    if not distinct:
        return []
    answers = dict(zip(distinct, VictimService(victim).answer(distinct), strict=True))
    return [answers[text] for text in texts]
