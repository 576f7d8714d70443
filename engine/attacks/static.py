"""Fixed adversarial texts against victims: published sets such as AdvGLUE, logs of attacks, what an
attack found elsewhere.

Nothing is searched: every victim reads the same texts. A set may hold the clean text of each
adversarial one; then an example counts as attacked only where the victim is right on the clean
text, as in an attack.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from torch import Tensor

from prunescope.engine.attacks.metrics import Paired, attack_rates, paired_attack
from prunescope.engine.attacks.victim_service import VictimService
from prunescope.engine.attacks.word_diff import words_changed, words_of_all
from prunescope.engine.data import Classes, Examples
from prunescope.engine.errors import DataError
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import AttackRecord, Rate

PIECE = 64  # texts read between two reports
Texts = tuple[str, str | None]  # a text, and its pair where there is one
Answers = dict[Texts, Tensor]  # probabilities, (labels,)


@dataclass(frozen=True, slots=True)
class StaticSet:
    """Adversarial texts with their true labels, and their clean texts where the set has them."""

    name: str
    adversarial: Examples
    clean: Examples | None = None
    # How the labels are to be read; without names they are class numbers
    classes: Classes = field(default_factory=partial(Classes, numbered=True))
    notices: tuple[str, ...] = ()  # assumptions made on reading the file

    def __len__(self) -> int:
        return len(self.adversarial)


@dataclass(frozen=True, slots=True)
class StaticResult:
    """The result of one victim on a set. n counts every example of the set; texts without a finite
    answer are in no numerator.
    """

    name: str
    adversarial: Rate  # right on the adversarial text / n
    clean: Rate | None  # right on the clean text / n
    aua: Rate | None  # right on both / n
    asr: Rate | None  # wrong on the adversarial text / right on the clean one
    errors: int  # examples with a text for which the victim's answer is not finite
    # examples with a text that fills the victim's limit of tokens, so that its end may not have
    # been read
    cut: int
    # "broken" where the adversarial text is classified wrongly, clean text aside
    on_adversarial: tuple[AttackRecord, ...]
    # "skipped" where the clean text is classified wrongly; empty without clean texts
    attacks: tuple[AttackRecord, ...]


@dataclass(frozen=True, slots=True)
class StaticPaired:
    """Two victims on the same set: over all examples, and over those whose clean text both read
    rightly.
    """

    adversarial: Paired
    attacks: Paired | None


def check_range(examples: Examples, num_labels: int, where: str) -> None:
    """Raises DataError for an empty set and for a label that the victim does not have."""
    if not len(examples):
        raise DataError(f"{where} has no examples; name a set with at least one.")
    for row, label in enumerate(examples.labels, start=1):
        if not 0 <= label < num_labels:
            raise DataError(
                f"Row {row} of {where} has the label {label}, outside the model's "
                f"0..{num_labels - 1}; use a model for these classes."
            )


def read_answers(victim: Victim, texts: Iterable[Texts], report: Progress = SILENT) -> Answers:
    """The victim's probabilities for every distinct text; NaN where its logits are not finite."""
    distinct, answers = list(dict.fromkeys(texts)), Answers()
    service = VictimService(victim)  # whose answers are those an attack got, to the last bit
    for paired in (False, True):
        kind = [text for text in distinct if (text[1] is not None) is paired]
        for start in range(0, len(kind), PIECE):
            report(f"read {victim.name}", len(answers), len(distinct))
            part = kind[start : start + PIECE]
            items = [text if pair is None else (text, pair) for text, pair in part]
            answers |= zip(part, service.answer(items), strict=True)
    report(f"read {victim.name}", len(distinct), len(distinct))
    return answers


def run_static(victim: Victim, static: StaticSet, report: Progress = SILENT) -> StaticResult:
    """Read a set with one victim. Raises DataError for an empty set and for labels the victim does
    not have.
    """
    check_range(static.adversarial, victim.num_labels, static.name)
    result = judge(victim.name, static, read_answers(victim, all_texts(static), report))
    return replace(result, cut=_cut(victim, static))


def _cut(victim: Victim, static: StaticSet) -> int:
    halves = [half for half in (static.adversarial, static.clean) if half]
    full = [
        [
            len(ids) >= victim.max_tokens
            for ids in victim.encode(half.texts, half.pairs)["input_ids"]
        ]
        for half in halves
    ]
    return sum(any(row) for row in zip(*full, strict=True))


def judge(name: str, static: StaticSet, answers: Answers) -> StaticResult:
    """The result of one victim from its answers to all texts of a set; how many were cut is not in
    the answers.
    """
    labels, adversarial = static.adversarial.labels, texts_of(static.adversarial)
    alone = _records(labels, [None] * len(labels), adversarial, answers)
    acc, _ = attack_rates(alone)
    if static.clean is None:
        return StaticResult(name, acc, None, None, None, _errors(alone), 0, alone, ())
    clean = texts_of(static.clean)
    attacks = _records(labels, clean, adversarial, answers)
    clean_acc, _ = attack_rates(_records(labels, [None] * len(labels), clean, answers))
    return StaticResult(
        name, acc, clean_acc, *attack_rates(attacks), _errors(attacks), 0, alone, attacks
    )


def compare_static(first: StaticResult, second: StaticResult) -> StaticPaired:
    """McNemar's exact test of two victims on the adversarial texts, and on the attacks where there
    are clean texts.
    """
    attacks = (
        paired_attack(first.attacks, second.attacks) if first.attacks and second.attacks else None
    )
    return StaticPaired(paired_attack(first.on_adversarial, second.on_adversarial), attacks)


def texts_of(examples: Examples) -> list[Texts]:
    """Every text with its pair."""
    return list(zip(examples.texts, examples.pairs or [None] * len(examples), strict=True))


def all_texts(static: StaticSet) -> list[Texts]:
    """The adversarial texts of a set, then the clean ones."""
    return texts_of(static.adversarial) + (texts_of(static.clean) if static.clean else [])


def _records(
    labels: Sequence[int],
    clean: Sequence[Texts | None],
    adversarial: Sequence[Texts],
    answers: Answers,
) -> tuple[AttackRecord, ...]:
    rows = zip(labels, clean, adversarial, strict=True)
    return tuple(
        _record(row, label, before, after, answers)
        for row, (label, before, after) in enumerate(rows)
    )


def _record(
    row: int, label: int, clean: Texts | None, text: Texts, answers: Answers
) -> AttackRecord:
    """One example as an attack of one text; without a clean text it counts as right before."""
    before, after = answers[clean or text], answers[text]
    old, new = words_of_all(clean or text), words_of_all(text)
    words, queries = len(old), 1 if clean is None else 2
    if not bool(before.isfinite().all()) or not bool(after.isfinite().all()):
        return AttackRecord(
            row, "error", queries, 0, words, None, None, "The victim answered with NaN or infinity."
        )
    changed = words_changed(old, new)
    if clean is not None and int(before.argmax()) != label:
        outcome = "skipped"
    else:
        outcome = "broken" if int(after.argmax()) != label else "held"
    return AttackRecord(
        row,
        outcome,
        queries,
        changed,
        words,
        round(float(before[label]), 6),
        round(float(after[label]), 6),
    )


def _errors(records: Sequence[AttackRecord]) -> int:
    return sum(record.outcome == "error" for record in records)
