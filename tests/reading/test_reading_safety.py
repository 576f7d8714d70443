"""The last safe sparsity against a loop over levels and draws, and the cases that people meet."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.engine.errors import SettingError
from prunescope.engine.evaluation.collapse import has_collapsed
from prunescope.engine.reading.safety import Loss, doubts, last_safe, losses, safe_spread
from prunescope.engine.records import AttackRecord, LevelResult, Rate, Study

SPARSITIES = (0.0, 0.3, 0.5, 0.7, 0.9)


def level(sparsity: float, right: set[int], held: set[int], n: int, attacked: range) -> LevelResult:
    records = tuple(
        AttackRecord(
            i, "held" if i in held else "broken" if i in right else "skipped", 3, 1, 5, 0.9, 0.4
        )
        for i in attacked
    )
    return LevelResult(
        sparsity,
        sparsity,
        sparsity,
        Rate.of(len(right), n),
        None,
        None,
        0.1,
        {},
        tuple(sorted(right)),
        records,
        (),
        1,
        1,
        above_chance=0.5,
    )


def study(rights: list[set[int]], helds: list[set[int]], n: int, attacked: range) -> Study:
    levels = tuple(
        level(s, r, h, n, attacked) for s, r, h in zip(SPARSITIES, rights, helds, strict=False)
    )
    return Study("k", {}, {}, levels)


def test_a_model_that_gives_one_answer_is_not_safe_where_that_answer_is_common() -> None:
    n = 400  # 90 in a hundred are of one class; the last model says it always
    right = [set(range(372)), set(range(370)), set(range(360))]
    kept = study(right, right, n, range(0))
    fallen = replace(kept.levels[2], above_chance=0.0)
    answer = replace(kept, about={"label_names": ["a", "b"]}, levels=(*kept.levels[:2], fallen))
    plain, safe = last_safe(kept, 3.0), last_safe(answer, 3.0)
    assert plain is not None and plain.sparsity == SPARSITIES[2]
    assert safe is not None and has_collapsed(answer, fallen)
    assert max(safe.sure, safe.sparsity, safe.possible) == SPARSITIES[1]


def plainly(drops: list[float], points: float) -> int:
    for place, drop in enumerate(drops):
        if drop > points + 1e-9:
            return place - 1
    return len(drops) - 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 3.0, 10.0, 40.0]))
def test_it_is_the_level_before_the_first_that_falls_too_far(seed: int, points: float) -> None:
    draw = random.Random(seed)
    n, attacked = 30, range(0, 30, 3)
    rights = [{i for i in range(n) if draw.random() < 0.9 - 0.1 * place} for place in range(5)]
    helds = [{i for i in right if i in attacked and draw.random() < 0.6} for right in rights]
    drops = [
        max(
            100 * (len(rights[0]) - len(right)) / n,
            100 * (len(helds[0]) - len(held)) / len(attacked),
        )
        for right, held in zip(rights, helds, strict=True)
    ]
    made = study(rights, helds, n, attacked)
    found, spread = last_safe(made, points), safe_spread(made, points, 50)
    assert found is not None and spread is not None
    assert found.sparsity == SPARSITIES[plainly(drops, points)]
    assert (
        {spread.low, spread.high} <= set(SPARSITIES)
        and spread.low <= spread.high
        and 0 <= spread.support <= 1
    )
    assert found.sure <= found.sparsity <= found.possible
    assert {found.sure, found.possible} <= set(SPARSITIES)


def test_levels_that_answer_alike_are_safe_in_every_draw() -> None:
    right = set(range(20))
    made = study([right] * 5, [{1, 2}] * 5, 25, range(10))
    found, spread = last_safe(made, 0.0), safe_spread(made, 0.0)
    assert found is not None and found.sparsity == 0.9
    assert spread is not None and (spread.low, spread.high, spread.support) == (0.9, 0.9, 1.0)
    assert found.checked == ("acc", "aua")


def test_more_examples_make_it_surer() -> None:
    def spread(n: int) -> float:
        rights = [set(range(round(n * share))) for share in (0.9, 0.9, 0.88, 0.85, 0.6)]
        made = study(rights, [set()] * 5, n, range(0))
        found, resampled = last_safe(made, 3.0), safe_spread(made, 3.0)
        assert found is not None and found.sparsity == 0.5 and found.checked == ("acc",)
        assert resampled is not None
        return resampled.high - resampled.low

    assert spread(4000) < spread(100)


def test_few_examples_confirm_nothing_and_rule_nothing_out() -> None:
    """Twenty examples that agree on everything are no proof of three points, nor is one that
    differs a proof against them.
    """
    right = set(range(20))
    found = last_safe(study([right] * 3, [right] * 3, 20, range(20)), 3.0)
    assert found is not None and (found.sure, found.sparsity, found.possible) == (0.0, 0.5, 0.5)
    worse = right - {3}
    found = last_safe(study([right, worse, right], [right, worse, right], 20, range(20)), 3.0)
    assert found is not None and (found.sure, found.sparsity, found.possible) == (0.0, 0.0, 0.5)


def test_many_examples_confirm_what_they_show() -> None:
    rights = [set(range(count)) for count in (900, 895, 875, 860, 600)]
    found = last_safe(study(rights, [set()] * 5, 1000, range(0)), 3.0)
    assert found is not None
    assert (found.sure, found.sparsity, found.possible) == (0.3, 0.5, 0.7)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4), st.sampled_from([3.0, 10.0, 40.0]))
def test_more_examples_of_the_same_kind_narrow_the_limits(
    seed: int, times: int, points: float
) -> None:
    draw = random.Random(seed)
    rights = [{i for i in range(40) if draw.random() < 0.9 - 0.08 * place} for place in range(5)]
    often = [{40 * turn + i for i in right for turn in range(times)} for right in rights]
    once = last_safe(study(rights, [set()] * 5, 40, range(0)), points)
    more = last_safe(study(often, [set()] * 5, 40 * times, range(0)), points)
    assert once is not None and more is not None and once.sparsity == more.sparsity
    assert once.sure <= more.sure <= more.possible <= once.possible


def test_the_losses_of_a_level_are_those_of_the_same_examples() -> None:
    rights, helds = [{0, 1, 2, 3}, {1, 2, 3, 4, 5}], [{0, 2}, {2, 4}]
    _, half = losses(study(rights, helds, 8, range(0, 8, 2)))
    assert half == (Loss("acc", 8, 1, 2), Loss("aua", 4, 1, 1))
    assert half[0].share == -1 / 8


def test_the_draws_are_paired_over_levels() -> None:
    """A level that is wrong on one further example of 1,000 never falls by a point, though the
    interval of its Acc is wide.
    """
    rights = [set(range(500)), set(range(1, 500))]
    spread = safe_spread(study(rights, [set()] * 2, 1000, range(0)), 1.0)
    assert spread is not None and spread.low == spread.high == 0.3 and spread.support == 1.0


def test_attacked_and_other_examples_are_drawn_apart() -> None:
    """All attacked examples fall together: every resample loses all Aua, whatever the others do."""
    rights = [set(range(100)), set(range(100))]
    made = study(rights, [set(range(5)), set()], 100, range(5))
    found, spread = last_safe(made, 50.0), safe_spread(made, 50.0)
    assert found is not None and found.sparsity == 0.0
    assert spread is not None and spread.high == 0.0


def test_without_dense_there_is_none_and_a_tolerance_has_bounds() -> None:
    whole = study([set(range(5))] * 2, [set()] * 2, 5, range(0))
    assert last_safe(Study("k", {}, {}, whole.levels[1:]), 3.0) is None
    assert last_safe(Study("k", {}, {}), 3.0) is None
    with pytest.raises(SettingError, match="-1"):
        last_safe(whole, -1)


def doubted(right: int, aua: Rate | None, points: float) -> str:
    dense = replace(study([set(range(right))], [set()], 100, range(0)).levels[0], aua=aua)
    dense = replace(dense, above_chance=None)  # by plain accuracy
    return " ".join(doubts(Study("k", {}, {"label_names": ["a", "b"]}, (dense,)), points))


def test_what_makes_the_last_safe_sparsity_say_little() -> None:
    assert doubted(90, Rate.of(150, 200), 3.0) == "" == doubted(90, None, 0.0)
    assert "hardly does better than one answer to everything" in doubted(54, None, 3.0)
    assert "withstands 2% of the attacks, no more than the tolerance" in doubted(
        90, Rate.of(2, 100), 3.0
    )
    assert "One of the 30 attacked examples is 3.3 points" in doubted(90, Rate.of(20, 30), 3.0)
    assert "100 attacked examples are too few to confirm a tolerance of 3 points; it takes 147" in (
        doubted(90, Rate.of(60, 100), 3.0)
    )
    assert doubts(Study("k", {}, {"label_names": ["a", "b"]}, ()), 3.0) == ()
