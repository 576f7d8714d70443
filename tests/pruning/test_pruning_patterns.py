"""Patterns: names, exact counts, and which weights they take."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from prunescope.engine.errors import SettingError
from prunescope.engine.pruning.patterns import (
    NofM,
    Pattern,
    Unstructured,
    check_sparsity,
    pattern_named,
    zeros_of,
)

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 8))  # rows, groups of columns
SPARSITIES = st.one_of(
    st.floats(0, 0.999999), st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.5, 0.7, 0.875, 0.95, 0.99])
)


def scores_of(rows: int, width: int, seed: int, ties: bool) -> Tensor:
    found = torch.rand(rows, width, generator=torch.Generator().manual_seed(seed))
    return (found * 3).floor() if ties else found


def lowest(scores: list[float], count: int) -> list[int]:
    """Places of the smallest, ties to the lowest place; Python's sort is stable."""
    return sorted(range(len(scores)), key=lambda place: scores[place])[:count]


# Names


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("unstructured", Unstructured()),
        ("row", Unstructured(per_row=True)),
        ("2:4", NofM(2, 4)),
        ("1:4", NofM(1, 4)),
        ("32:64", NofM(32, 64)),
        ("1:2", NofM(1, 2)),
    ],
)
def test_a_name_and_its_pattern(name: str, pattern: Pattern):
    assert pattern_named(name) == pattern
    assert pattern.name == name


@pytest.mark.parametrize(
    "name", ["", "rows", "2-4", "2:", ":4", "2:4:8", "a:b", "-1:4", "2.5:4", "2:4 ", "20000:40000"]
)
def test_a_name_that_is_none_is_refused_with_what_there_is(name: str):
    with pytest.raises(
        SettingError, match="is unknown; choose unstructured, row, or n:m such as 2:4"
    ):
        pattern_named(name)


@pytest.mark.parametrize("name", ["0:4", "4:4", "5:3", "0:0"])
def test_groups_that_make_no_sense_are_refused(name: str):
    with pytest.raises(
        SettingError, match=rf"'{name}' keeps \d of \d; n must be at least 1 and less than m"
    ):
        pattern_named(name)


def test_the_own_sparsity_of_a_group():
    assert (NofM(2, 4).sparsity, NofM(1, 4).sparsity, NofM(3, 4).sparsity) == (0.5, 0.75, 0.25)


# Levels and widths


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, 1.5, math.nan, math.inf])
@pytest.mark.parametrize("pattern", [Unstructured(), Unstructured(True), NofM(2, 4)])
def test_sparsity_outside_its_range_is_an_error(pattern: Pattern, sparsity: float):
    for call in (
        check_sparsity,
        pattern.check_level,
        lambda s: zeros_of(8, s),
        lambda s: pattern.zeros(2, 4, s),
    ):
        with pytest.raises(SettingError, match=r"outside \[0, 1\)"):
            call(sparsity)


def test_a_level_out_of_reach_is_refused_with_the_one_there_is():
    with pytest.raises(
        SettingError,
        match=r"pattern 1:4 has a sparsity of 0.75 and cannot reach 0.5; use `levels=0,0.75`",
    ):
        NofM(1, 4).check_level(0.5)
    assert [NofM(1, 4).check_level(level) for level in (0, 0.75)] == [0.0, 0.75]
    assert NofM(1, 3).check_level(0.6666667) == 0.6666667  # as it may be typed


def test_a_width_that_the_groups_do_not_divide_is_refused():
    with pytest.raises(
        SettingError,
        match=r"pattern 2:5 does not divide the 384 inputs of layer 3.output; choose an m that",
    ):
        NofM(2, 5).check_width("3.output", 384)
    NofM(2, 4).check_width("3.output", 384)
    Unstructured().check_width("3.output", 385)


# Counts


@settings(deadline=None, derandomize=True)
@given(shape=SHAPES, sparsity=SPARSITIES, seed=st.integers(0, 99), ties=st.booleans())
def test_unstructured_is_exact_to_the_weight(
    shape: tuple[int, int], sparsity: float, seed: int, ties: bool
):
    scores = scores_of(shape[0], 4 * shape[1], seed, ties)
    count = math.floor(scores.numel() * sparsity + 0.5)
    removed = Unstructured().removed(scores, sparsity)
    assert Unstructured().zeros(*scores.shape, sparsity) == int(removed.sum()) == count
    assert removed.flatten().nonzero().flatten().tolist() == sorted(
        lowest(scores.flatten().tolist(), count)
    )


@settings(deadline=None, derandomize=True)
@given(shape=SHAPES, sparsity=SPARSITIES, seed=st.integers(0, 99), ties=st.booleans())
def test_rows_are_exact_to_the_weight(
    shape: tuple[int, int], sparsity: float, seed: int, ties: bool
):
    scores, pattern = scores_of(shape[0], 4 * shape[1], seed, ties), Unstructured(per_row=True)
    count = math.floor(scores.shape[1] * sparsity + 1e-9)
    removed = pattern.removed(scores, sparsity)
    assert pattern.zeros(*scores.shape, sparsity) == shape[0] * count
    for row, gone in zip(scores.tolist(), removed, strict=True):
        assert gone.nonzero().flatten().tolist() == sorted(lowest(row, count))


@settings(deadline=None, derandomize=True)
@given(
    shape=SHAPES,
    group=st.sampled_from([(1, 2), (2, 4), (1, 4), (3, 4), (5, 8)]),
    seed=st.integers(0, 99),
    ties=st.booleans(),
)
def test_groups_are_exact_to_the_weight(
    shape: tuple[int, int], group: tuple[int, int], seed: int, ties: bool
):
    pattern = NofM(*group)
    scores = scores_of(shape[0], pattern.m * shape[1], seed, ties)
    removed = pattern.removed(scores, pattern.sparsity)
    assert pattern.zeros(*scores.shape, pattern.sparsity) == int(removed.sum())
    for piece, gone in zip(
        scores.view(-1, pattern.m).tolist(), removed.view(-1, pattern.m), strict=True
    ):
        assert gone.nonzero().flatten().tolist() == sorted(lowest(piece, pattern.m - pattern.n))


@pytest.mark.parametrize("pattern", [Unstructured(), Unstructured(True), NofM(2, 4)])
def test_nothing_is_removed_at_zero(pattern: Pattern):
    assert not pattern.removed(torch.ones(3, 8), 0.0).any() and pattern.zeros(3, 8, 0.0) == 0


@pytest.mark.parametrize(
    ("sparsity", "count"), [(0.29, 29), (0.57, 57), (0.58, 58), (0.07, 7), (0.999, 99)]
)
def test_a_share_of_a_row_that_rounds_below_its_number_is_met(sparsity: float, count: int):
    assert Unstructured(True).row_zeros(100, sparsity) == count  # 0.29 · 100 is 28.999999999999996


def test_a_half_weight_is_a_whole_zero():
    assert (zeros_of(5, 0.5), zeros_of(4, 0.125), zeros_of(4, 0.12)) == (3, 1, 0)


@pytest.mark.parametrize("turned", [False, True])
def test_ties_are_taken_by_position(turned: bool):
    alike = torch.ones(6, 2).T if turned else torch.ones(2, 6)  # in memory either way
    first, each = torch.zeros(2, 6, dtype=torch.bool), torch.zeros(2, 6, dtype=torch.bool)
    first[0] = True
    each[:, :3] = True
    assert torch.equal(Unstructured().removed(alike, 0.5), first)
    assert torch.equal(Unstructured(True).removed(alike, 0.5), each)
    assert NofM(1, 3).removed(alike, 2 / 3).tolist() == [[True, True, False] * 2] * 2
