"""The order of rows: each once a pass, like lengths together, and a place that can be written down
and found again.
"""

import json
import math
import random
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.engine.training.batches import Passes, batches


@pytest.mark.parametrize("count", [1, 7, 64 * 4, 64 * 4 + 1, 1000])
def test_batches_cover_every_row_once(count: int):
    lengths = [random.Random(0).randint(3, 50) for _ in range(count)]
    result = list(batches(lengths, 4, random.Random(1)))
    assert sorted(row for batch in result for row in batch) == list(range(count))
    assert len(result) == math.ceil(count / 4)


def test_batches_hold_rows_of_like_length():
    lengths = [row % 64 for row in range(256)]
    random.Random(0).shuffle(lengths)
    assert all(
        len({lengths[row] for row in batch}) == 1 for batch in batches(lengths, 4, random.Random(1))
    )


def test_first_batches_draw_rows_from_everywhere():
    first = islice(batches([5] * 1000, 4, random.Random(1)), 10)
    # only 64 batches are sorted at a time
    assert max(row for batch in first for row in batch) > 256


def test_batches_come_in_another_order_every_pass():
    generator = random.Random(1)
    lengths = [5] * 40
    assert list(batches(lengths, 4, generator)) != list(batches(lengths, 4, generator))


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=40),
    st.integers(1, 6),
    st.integers(0, 3),
    st.integers(1, 3),
)
def test_every_pass_has_every_row_once(lengths: list[int], size: int, seed: int, number: int):
    passes = Passes(lengths, size, seed)
    a_pass = -(-len(lengths) // size)
    for _ in range(number):
        assert sorted(row for _ in range(a_pass) for row in passes.take()) == list(
            range(len(lengths))
        )


def test_passes_differ_by_pass_and_by_seed():
    item, two = Passes([5] * 40, 40, 1), Passes([5] * 40, 40, 2)
    first = item.take()
    assert first != item.take() and first != two.take()
    assert Passes([5] * 40, 40, 1).take() == first


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=40),
    st.integers(1, 6),
    st.integers(0, 3),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_a_place_that_was_written_down_is_gone_on_from(
    lengths: list[int], size: int, seed: int, before: int, wrong: int
):
    unbroken = Passes(lengths, size, seed)
    for _ in range(before):
        unbroken.take()
    index = json.loads(json.dumps(unbroken.place()))
    expected = [unbroken.take() for _ in range(30)]
    again = Passes(lengths, size, seed + 1)
    for _ in range(wrong):  # wherever it stood
        again.take()
    again.go_to(index)
    assert again.place() == index
    assert [again.take() for _ in range(30)] == expected
