"""Rates and means of an attack, and the paired comparison of victims on the same examples.

Every example has one of five outcomes: "skipped" (misclassified without attack), "broken" (the
attack succeeded), "held" (withstood the attack), "exhausted" (withstood until the budget ran out),
and "error" (the attack failed, so nothing is known). Examples that gave an attack nothing to try
are among the skipped and the held, and are also counted separately.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from prunescope.engine.errors import DataError
from prunescope.engine.evaluation.statistics import Statistic, bootstrap_mean, holm, mcnemar
from prunescope.engine.records import AttackRecord, Rate

OUTCOMES = ("skipped", "broken", "held", "exhausted", "error")
WITHSTOOD = ("held", "exhausted")
Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class AttackSummary:
    """What an attack did to one victim. n counts every example given, errors included."""

    n: int
    skipped: int
    broken: int
    held: int
    exhausted: int
    errors: int
    acc: Rate  # right without attack / n
    aua: Rate  # (held + exhausted) / n
    asr: Rate  # broken / (broken + held + exhausted)
    queries: Statistic  # per example that is neither skipped nor an error
    words_changed: Statistic  # share of the words that were changed, over the broken examples
    untried: int = 0  # of the skipped and held: examples that gave the attack nothing to try


def outcome_counts(records: Sequence[AttackRecord]) -> dict[str, int]:
    """How many records have each outcome. Raises ValueError for an outcome that is none of
    `OUTCOMES`.
    """
    counts = dict.fromkeys(OUTCOMES, 0)
    for record in records:
        if record.outcome not in counts:
            raise ValueError(
                f"{record.outcome!r} is no outcome of an attack; use one of {', '.join(OUTCOMES)}"
            )
        counts[record.outcome] += 1
    return counts


def attack_rates(records: Sequence[AttackRecord]) -> tuple[Rate, Rate]:
    """(Aua, Asr): withstood / all, and broken / originally correct.

    An error is in the denominator of Aua and not in its numerator, because a failed attack shows no
    robustness; Asr leaves it out of both.
    """
    counts = outcome_counts(records)
    withstood = sum(counts[outcome] for outcome in WITHSTOOD)
    return Rate.of(withstood, len(records)), Rate.of(counts["broken"], withstood + counts["broken"])


def attack_summary(records: Sequence[AttackRecord], right: int | None = None) -> AttackSummary:
    """Counts, Acc, Aua, Asr, mean queries and mean share of changed words.

    `right` is how many of the victim's answers without attack are right; from records alone that is
    not known of errors, which then count against Acc as they do against Aua.
    """
    counts = outcome_counts(records)
    aua, asr = attack_rates(records)
    finished = [
        record for record in records if record.outcome == "broken" or record.outcome in WITHSTOOD
    ]
    shares = [
        record.words_changed / record.words
        for record in finished
        if record.outcome == "broken" and record.words
    ]
    return AttackSummary(
        len(records),
        counts["skipped"],
        counts["broken"],
        counts["held"],
        counts["exhausted"],
        counts["error"],
        Rate.of(asr.n if right is None else right, len(records)),
        aua,
        asr,
        bootstrap_mean([record.queries for record in finished]),
        bootstrap_mean(shares),
        sum(record.untried for record in records),
    )


def attack_notices(records: Sequence[AttackRecord], prefix: str = "") -> tuple[str, ...]:
    """Notices about examples that were not attacked; `prefix` names the victim of several."""
    untried = [record for record in records if record.untried]
    failed = [record for record in records if record.outcome == "error"]
    of, notices = f" of {len(records)} examples", []
    if untried:
        withstood = sum(record.outcome == "held" for record in untried)
        notices.append(
            f"{prefix}{len(untried)}{of} gave the attack nothing to try, as in TextAttack: "
            f"{withstood} that the model gets right count as withstood, {len(untried) - withstood} "
            f"that it gets wrong as skipped. The first: {untried[0].reason}"
        )
    if failed:
        notices.append(
            f"{prefix}The attack failed on {len(failed)}{of}; they count against Aua and are left "
            f"out of Asr. The first: {failed[0].reason}"
        )
    return tuple(notices)


def check_attacked(records: Sequence[AttackRecord]) -> None:
    """Raises DataError where no example could be attacked, with the first reason: rates would say
    nothing.
    """
    if records and all(record.untried or record.outcome == "error" for record in records):
        raise DataError(
            f"None of the {len(records)} examples could be attacked, the first of them because: "
            f"{records[0].reason.rstrip('.')}; give other examples or another attack."
        )


@dataclass(frozen=True, slots=True)
class Paired:
    """Two victims under the same attack: the flip table of examples both get right without it."""

    both_hold: int
    only_first_breaks: int
    only_second_breaks: int
    both_break: int
    first: Rate  # paired Asr
    second: Rate
    p_value: float  # McNemar's exact test on the two discordant counts
    errors: int = 0  # examples left out only because the attack failed on a victim
    # the p-value after Holm's correction, where it is one of several comparisons
    adjusted: float | None = None


def paired_attack(first: Sequence[AttackRecord], second: Sequence[AttackRecord]) -> Paired:
    """The 2×2 flip table and McNemar's exact test, on the examples of both that neither gets wrong
    without attack.

    Raises ValueError where a victim has two records of one example.
    """
    first_outcomes, second_outcomes = _by_example(first), _by_example(second)
    pairs = [
        (outcome, second_outcomes[example])
        for example, outcome in first_outcomes.items()
        if example in second_outcomes
    ]
    attacked = [pair for pair in pairs if not {"skipped", "error"} & set(pair)]
    table = [(a == "broken", b == "broken") for a, b in attacked]
    only_first, only_second = table.count((True, False)), table.count((False, True))
    both = table.count((True, True))
    return Paired(
        table.count((False, False)),
        only_first,
        only_second,
        both,
        Rate.of(only_first + both, len(table)),
        Rate.of(only_second + both, len(table)),
        mcnemar(only_first, only_second),
        sum("error" in pair and "skipped" not in pair for pair in pairs),
    )


def _by_example(records: Sequence[AttackRecord]) -> dict[int, str]:
    outcome_counts(records)
    outcomes = {record.example: record.outcome for record in records}
    if len(outcomes) < len(records):
        raise ValueError(
            f"{len(records)} records name {len(outcomes)} examples; each example is attacked once"
        )
    return outcomes


def paired_levels(
    dense: Sequence[AttackRecord], levels: Mapping[Name, Sequence[AttackRecord]]
) -> dict[Name, Paired]:
    """The dense victim against each of several others, with p-values adjusted for their number by
    Holm's method.
    """
    pairs = {name: paired_attack(dense, records) for name, records in levels.items()}
    adjusted = holm([pair.p_value for pair in pairs.values()])
    return {
        name: replace(pair, adjusted=p)
        for (name, pair), p in zip(pairs.items(), adjusted, strict=True)
    }
