"""Rates of an attack and the paired comparison, against SciPy, published totals and counting by
hand.
"""

import csv
import os
from pathlib import Path

import pytest
from scipy.stats import binom

from prunescope.engine.attacks.metrics import (
    attack_rates,
    attack_summary,
    paired_attack,
    paired_levels,
)
from prunescope.engine.records import AttackRecord, Rate

LETTERS = {"b": "broken", "h": "held", "s": "skipped", "x": "exhausted", "e": "error"}


def records(outcomes: str, start: int = 0) -> list[AttackRecord]:
    """One record a letter: b(roken), h(eld), s(kipped), (e)x(hausted), e(rror)."""
    return [
        AttackRecord(start + i, LETTERS[letter], 5, 1, 8, 0.9, 0.4)
        for i, letter in enumerate(outcomes)
    ]


def test_aua_counts_all_and_asr_only_those_once_right():
    aua, asr = attack_rates(records("bbbhsshhhs"))
    assert (aua, asr) == (Rate.of(4, 10), Rate.of(3, 7))


def test_asr_of_a_victim_that_was_never_right_is_unknown():
    aua, asr = attack_rates(records("sss"))
    assert (aua.value, asr.value, asr.n) == (0.0, None, 0)


def test_no_attacks_give_no_rates():
    assert attack_rates([]) == (Rate.of(0, 0), Rate.of(0, 0))


def test_what_ran_out_holds_and_what_failed_is_in_no_numerator():
    aua, asr = attack_rates(records("bbhxxese"))
    assert (aua, asr) == (Rate.of(3, 8), Rate.of(2, 5))
    found = attack_summary(records("bbhxxese"))
    assert (found.n, found.skipped, found.broken, found.held, found.exhausted, found.errors) == (
        8,
        1,
        2,
        1,
        2,
        2,
    )
    assert (found.acc, found.aua, found.asr) == (Rate.of(5, 8), aua, asr)


def test_an_unknown_outcome_is_refused():
    odd = AttackRecord(0, "won", 5, 1, 8, 0.9, 0.4)
    for count in (lambda: attack_rates([odd]), lambda: paired_attack([odd], [odd])):
        with pytest.raises(ValueError, match="'won' is no outcome"):
            count()


def test_means_are_over_what_they_say():
    """Queries over broken, held and exhausted; words over broken alone."""
    given = [
        AttackRecord(i, outcome, queries, changed, words, 0.9, 0.4)
        for i, (outcome, queries, changed, words) in enumerate(
            (
                ("broken", 10, 1, 4),
                ("broken", 20, 3, 4),
                ("held", 60, 4, 4),
                ("exhausted", 30, 4, 4),
                ("skipped", 1, 0, 4),
                ("error", 7, 0, 4),
                ("broken", 30, 0, 0),
            )
        )
    ]
    found = attack_summary(given)
    assert (found.queries.value, found.queries.n) == (30, 5)
    assert (found.words_changed.value, found.words_changed.n) == (0.5, 2)


def test_flip_table_counts_what_both_had_right():
    paired = paired_attack(records("hhbbsbh"), records("hbhbbsh"))
    table = (
        paired.both_hold,
        paired.only_first_breaks,
        paired.only_second_breaks,
        paired.both_break,
    )
    assert table == (2, 1, 1, 1)
    assert (paired.first, paired.second) == (Rate.of(2, 5), Rate.of(2, 5))


def test_pairs_are_matched_by_example_not_by_place():
    paired = paired_attack(records("bhh"), records("hhb")[::-1])
    assert (paired.only_first_breaks, paired.only_second_breaks) == (1, 1)


def test_examples_of_one_victim_alone_are_left_out():
    paired = paired_attack(records("bb"), records("bb", start=1))
    assert (paired.both_break, paired.first.n) == (1, 1)


def test_errors_are_left_out_of_pairs_and_counted():
    paired = paired_attack(records("hbxesehe"), records("hxbbehse"))
    table = (
        paired.both_hold,
        paired.only_first_breaks,
        paired.only_second_breaks,
        paired.both_break,
    )
    assert (table, paired.errors, paired.first.n) == ((1, 1, 1, 0), 3, 3)


def test_an_example_is_attacked_once():
    with pytest.raises(ValueError, match="2 records name 1 examples"):
        paired_attack(records("b") * 2, records("b"))


def test_levels_are_compared_with_dense_and_adjusted_together():
    dense, far, near = records("h" * 12), records("b" * 8 + "h" * 4), records("b" + "h" * 11)
    found = paired_levels(dense, {0.5: near, 0.9: far})
    assert list(found) == [0.5, 0.9]
    assert found[0.9].p_value == pytest.approx(2 / 2**8) and found[0.9].adjusted == pytest.approx(
        4 / 2**8
    )
    assert found[0.5].p_value == found[0.5].adjusted == 1.0
    assert paired_levels(dense, {}) == {}


@pytest.mark.parametrize(
    ("one", "two"), [(0, 1), (1, 1), (0, 6), (2, 9), (9, 2), (13, 12), (40, 20)]
)
def test_p_value_is_mcnemars_exact_test(one: int, two: int):
    paired = paired_attack(
        records("b" * one + "h" * two + "hb"), records("h" * one + "b" * two + "hb")
    )
    wanted = min(1.0, 2 * binom.cdf(min(one, two), one + two, 0.5))
    assert (paired.only_first_breaks, paired.only_second_breaks) == (one, two)
    assert paired.p_value == pytest.approx(wanted, rel=1e-9)


def test_without_discordant_pairs_nothing_speaks_for_a_difference():
    assert paired_attack(records("hb"), records("hb")).p_value == 1.0
    assert paired_attack([], []).p_value == 1.0


def test_published_totals_are_reproduced(monkeypatch: pytest.MonkeyPatch):
    """Accuracy, Aua and Asr that TextAttack printed for 303 runs."""
    monkeypatch.setattr(
        "prunescope.engine.evaluation.statistics.RESAMPLES", 2
    )  # no interval of a mean is looked at
    folder = os.environ.get("PRUNESCOPE_DATA")
    file = Path(folder or ".") / "published_attacks" / "textattack_search_benchmark_summary.tsv"
    if not folder or not file.is_file():
        pytest.skip("PRUNESCOPE_DATA names no folder with published_attacks/")
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    assert len(rows) == 303
    for row in rows:
        broken, held, skipped = (int(row[name]) for name in ("successful", "failed", "skipped"))
        found = attack_summary(records("b" * broken + "h" * held + "s" * skipped))
        for rate, name in (
            (found.acc, "original_accuracy_pct"),
            (found.aua, "accuracy_under_attack_pct"),
            (found.asr, "attack_success_rate_pct"),
        ):
            assert 100 * (rate.value or 0.0) == pytest.approx(float(row[name]), abs=0.00501), row[
                "run"
            ]
