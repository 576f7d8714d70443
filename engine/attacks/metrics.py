"""Rates of an attack, and the paired comparison of two victims on the same examples."""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

from engine.records import AttackRecord, Rate


def attack_rates(records: Sequence[AttackRecord]) -> tuple[Rate, Rate]:
    """(Aua, Asr): held / attacked, and broken / originally correct."""
    held = sum(record.outcome == "held" for record in records)
    broken = sum(record.outcome == "broken" for record in records)
    return Rate.of(held, len(records)), Rate.of(broken, held + broken)


@dataclass(frozen=True, slots=True)
class Paired:
    """Two victims under the same attack, on the examples that both get right without it."""

    both_hold: int
    only_first_breaks: int
    only_second_breaks: int
    both_break: int
    first: Rate  # paired Asr
    second: Rate
    p_value: float  # McNemar's exact test on the two discordant counts


def paired_attack(first: Sequence[AttackRecord], second: Sequence[AttackRecord]) -> Paired:
    """The 2×2 flip table and McNemar's exact test: two-sided binomial of the discordant pairs at ½."""
    other = {record.example: record.outcome for record in second}
    pairs = [
        (record.outcome, other[record.example])
        for record in first
        if record.example in other and "skipped" not in (record.outcome, other[record.example])
    ]
    counts = {key: pairs.count(key) for key in {("held", "held"), ("broken", "held"), ("held", "broken"),
                                                ("broken", "broken")}}  # fmt: skip
    one, two, both = counts["broken", "held"], counts["held", "broken"], counts["broken", "broken"]
    p_value = float(binomtest(one, one + two, 0.5).pvalue) if one + two else 1.0
    return Paired(counts["held", "held"], one, two, both, Rate.of(one + both, len(pairs)),
                  Rate.of(two + both, len(pairs)), p_value)  # fmt: skip
