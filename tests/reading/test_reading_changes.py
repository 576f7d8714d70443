"""What changed against dense: only what a paired test supports may be coloured."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_studies import level, made_up_study

from prunescope.engine import AttackRecord, LevelResult, Rate, Study
from prunescope.engine.evaluation.statistics import holm, mcnemar
from prunescope.engine.reading.changes import Change, change, changes, changes_between


def record(example: int, outcome: str) -> AttackRecord:
    return AttackRecord(example, outcome, 3, 1, 5, 0.9, 0.4)


def measured(sparsity: float, right: set[int], broken: set[int], n: int = 100) -> LevelResult:
    """A level of which the first 40 examples were attacked."""
    records = tuple(
        record(row, "skipped" if row not in right else "broken" if row in broken else "held")
        for row in range(40)
    )
    skipped = sum(one.outcome == "skipped" for one in records)
    hits = sum(one.outcome == "broken" for one in records)
    return replace(
        level(sparsity),
        acc=Rate.of(len(right), n),
        aua=Rate.of(40 - skipped - hits, 40),
        asr=Rate.of(hits, 40 - skipped),
        correct=tuple(sorted(right)),
        attacks=records,
    )


def study(*levels: LevelResult) -> Study:
    return replace(made_up_study(), levels=levels)


DENSE = measured(0.0, set(range(90)), set(range(10)))


def test_noise_is_not_significant_and_says_so() -> None:
    """Five examples lost and four gained: −1 point, p = 1."""
    noisy = measured(0.5, set(range(5, 94)), set(range(10)))
    found = change(study(DENSE, noisy), 0.5, "acc")
    assert (found.p, found.significant, found.better) == (1.0, False, None)
    assert found.text() == "−1.0 vs dense (n.s.)"
    assert found.note == "McNemar's exact test, n = 100"


def test_a_fall_that_the_test_supports_is_worse_and_has_its_p() -> None:
    worse = measured(0.5, set(range(80)), set(range(20)))
    whole = study(DENSE, worse)
    acc, aua, asr = (change(whole, 0.5, name) for name in ("acc", "aua", "asr"))
    assert acc.significant and acc.better is False and acc.text() == "−10.0 vs dense (p = .002)"
    assert aua.points == pytest.approx(-25.0) and aua.better is False
    assert asr.points == pytest.approx(25.0) and asr.better is False, "less is better"
    assert asr.text() == "+25.0 vs dense (p = .002)"
    assert change(whole, 0.5, "aua").p == mcnemar(10, 0)


def test_the_levels_of_a_study_are_one_family() -> None:
    lost_at = {0.3: 6, 0.5: 7, 0.7: 9}
    falls = [measured(s, set(range(90 - lost)), set(range(10))) for s, lost in lost_at.items()]
    whole = study(DENSE, *falls)
    raw = [mcnemar(lost, 0) for lost in (6, 7, 9)]
    found = [change(whole, s, "acc") for s in (0.3, 0.5, 0.7)]
    assert tuple(one.p for one in found) == holm(raw)
    assert raw[0] < 0.05 and "Holm over 3 comparisons" in found[0].note


@given(st.sets(st.integers(0, 99), min_size=60), st.sets(st.integers(0, 39)))
def test_a_level_that_answers_as_dense_is_never_coloured(right: set[int], broken: set[int]) -> None:
    same = study(measured(0.0, right, broken), *(measured(s, right, broken) for s in (0.3, 0.6)))
    for found in changes(same).values():
        assert found.points == 0 and found.p == 1 and found.better is None
        assert found.text() == "as dense"


def test_a_collapsed_level_says_nothing_of_attacks() -> None:
    collapsed = measured(0.9, set(range(52)), set())
    whole = study(DENSE, measured(0.5, set(range(88)), set(range(10))), collapsed)
    assert change(whole, 0.9, "acc").better is False
    for name in ("aua", "asr"):
        assert change(whole, 0.9, name) == Change(None, note="collapsed: its attacks mean nothing")
        assert "Holm" not in change(whole, 0.5, name).note, "it does not count in the family"


def test_what_was_not_measured_claims_nothing() -> None:
    whole = study(DENSE, measured(0.5, set(range(80)), set()))
    assert change(whole, 0.4, "acc").p is None and change(whole, 0.4, "acc").text() == ""
    for sparsity, name in ((0.0, "acc"), (0.5, "size"), (0.5, "cls_error")):
        assert change(whole, sparsity, name) == Change(None)
    unattacked = study(replace(DENSE, aua=None, asr=None), whole.levels[1])
    assert change(unattacked, 0.5, "aua") == Change(None)
    assert not changes(study(whole.levels[1]))


def test_rates_that_move_against_the_shared_examples_are_not_coloured() -> None:
    """Asr falls from 25 to 20%, yet on the examples that both get right more are broken."""
    first = [record(row, "broken") for row in range(80)]
    first += [record(row, "held") for row in range(80, 320)]
    second = [record(row, "skipped") for row in range(80)]
    second += [record(row, "broken" if row < 128 else "held") for row in range(80, 320)]
    dense = replace(DENSE, attacks=tuple(first), asr=Rate.of(80, 320))
    pruned = replace(DENSE, sparsity=0.5, attacks=tuple(second), asr=Rate.of(48, 240))
    [found] = changes_between([(pruned, dense)], "asr")
    assert found.points == pytest.approx(-5.0) and found.p is not None and found.p < 0.001
    assert found.better is None and not found.significant


def test_a_tiny_p_is_a_bound() -> None:
    assert Change(-30.0, 1e-9, True, False).text("A") == "−30.0 vs A (p < .001)"


def test_only_examples_that_both_attacked_are_paired() -> None:
    more, fewer = level(0.5, attacked=60), level(0.5, attacked=20)
    (change,) = changes_between([(more, fewer)], "aua")
    first, second = (
        {row.example for row in one.attacks if row.outcome == "held" and row.example < 20}
        for one in (more, fewer)
    )
    assert change.p == mcnemar(len(first - second), len(second - first))
    assert change.note.endswith("n = 20")
