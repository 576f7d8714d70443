"""Rates of an attack and the paired comparison, against SciPy, published totals and counting by hand."""

import csv
import os
from pathlib import Path

import pytest
from scipy.stats import binom

from engine.attacks.metrics import attack_rates, paired_attack
from engine.records import AttackRecord, Rate

LETTERS = {"b": "broken", "h": "held", "s": "skipped"}


def records(outcomes: str, start: int = 0) -> list[AttackRecord]:
    """One record a letter: b(roken), h(eld), s(kipped)."""
    return [AttackRecord(start + i, LETTERS[letter], 5, 1, 8, 0.9, 0.4) for i, letter in enumerate(outcomes)]


def test_aua_counts_all_and_asr_only_those_once_right():
    aua, asr = attack_rates(records("bbbhsshhhs"))
    assert (aua, asr) == (Rate.of(4, 10), Rate.of(3, 7))


def test_asr_of_a_victim_that_was_never_right_is_unknown():
    aua, asr = attack_rates(records("sss"))
    assert (aua.value, asr.value, asr.n) == (0.0, None, 0)


def test_no_attacks_give_no_rates():
    assert attack_rates([]) == (Rate.of(0, 0), Rate.of(0, 0))


def test_flip_table_counts_what_both_had_right():
    paired = paired_attack(records("hhbbsbh"), records("hbhbbsh"))
    table = (paired.both_hold, paired.only_first_breaks, paired.only_second_breaks, paired.both_break)
    assert table == (2, 1, 1, 1)
    assert (paired.first, paired.second) == (Rate.of(2, 5), Rate.of(2, 5))


def test_pairs_are_matched_by_example_not_by_place():
    paired = paired_attack(records("bhh"), records("hhb")[::-1])
    assert (paired.only_first_breaks, paired.only_second_breaks) == (1, 1)


def test_examples_of_one_victim_alone_are_left_out():
    paired = paired_attack(records("bb"), records("bb", start=1))
    assert (paired.both_break, paired.first.n) == (1, 1)


@pytest.mark.parametrize(("one", "two"), [(0, 1), (1, 1), (0, 6), (2, 9), (9, 2), (13, 12), (40, 20)])
def test_p_value_is_mcnemars_exact_test(one: int, two: int):
    paired = paired_attack(records("b" * one + "h" * two + "hb"), records("h" * one + "b" * two + "hb"))
    wanted = min(1.0, 2 * binom.cdf(min(one, two), one + two, 0.5))
    assert (paired.only_first_breaks, paired.only_second_breaks) == (one, two)
    assert paired.p_value == pytest.approx(wanted, rel=1e-9)


def test_without_discordant_pairs_nothing_speaks_for_a_difference():
    assert paired_attack(records("hb"), records("hb")).p_value == 1.0
    assert paired_attack([], []).p_value == 1.0


def test_published_totals_are_reproduced():
    """Accuracy, Aua and Asr that TextAttack printed for 303 runs."""
    folder = os.environ.get("PRUNESCOPE_DATA")
    file = Path(folder or ".") / "published_attacks" / "textattack_search_benchmark_summary.tsv"
    if not folder or not file.is_file():
        pytest.skip("PRUNESCOPE_DATA names no folder with published_attacks/")
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    assert len(rows) == 303
    for row in rows:
        broken, held, skipped = (int(row[name]) for name in ("successful", "failed", "skipped"))
        aua, asr = attack_rates(records("b" * broken + "h" * held + "s" * skipped))
        accuracy = Rate.of(broken + held, broken + held + skipped)
        for rate, name in (
            (accuracy, "original_accuracy_pct"), (aua, "accuracy_under_attack_pct"), (asr, "attack_success_rate_pct")
        ):  # fmt: skip
            assert 100 * (rate.value or 0.0) == pytest.approx(float(row[name]), abs=0.00501), row["run"]
