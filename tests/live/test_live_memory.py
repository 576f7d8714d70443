"""What the live worker holds: bytes counted once, and which values go when room is needed."""

import gc
import weakref
from dataclasses import dataclass
from unittest.mock import patch

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from prunescope.engine.live import memory
from prunescope.engine.live.memory import BoundedCache, bytes_in_memory


@dataclass
class Box:
    """A value of the cache."""

    content: object


def box(size: int) -> Box:
    return Box(torch.zeros(size, dtype=torch.uint8))


def test_bytes_are_those_of_tensors_and_texts_each_counted_once() -> None:
    weights, linear = torch.zeros(10), nn.Linear(3, 2)
    assert bytes_in_memory([Box(weights), Box([weights, {"a": (weights[2:5],)}])]) == 40
    assert bytes_in_memory([Box(linear), Box(linear)]) == 4 * (6 + 2)
    text = "a film " * 100
    assert 700 <= bytes_in_memory([Box((text, text))]) < 800
    assert bytes_in_memory([Box(None), Box(3), "", Box({1, 2})]) < 100


def test_what_is_worked_out_once_is_counted() -> None:
    value = Box(torch.zeros(5))
    vars(value)["axes"] = torch.zeros(5)
    assert bytes_in_memory([value]) == 40


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30), st.booleans()), max_size=40),
    st.integers(1, 60),
)
def test_the_least_recently_used_go_first_and_what_is_in_use_stays(
    steps: list[tuple[int, int, bool]], most: int
) -> None:
    """Against a list that is kept by hand: (key, size), the least recently used first."""
    with patch.object(memory, "release_memory"):  # a full collection each, hundreds of them
        _check_order(steps, most)


def _check_order(steps: list[tuple[int, int, bool]], most: int) -> None:
    held: BoundedCache[Box] = BoundedCache(most)
    rows: list[tuple[str, int]] = []
    used = set[str]()
    for number, size, begins in steps:
        key = str(number)
        if begins:
            held.begin()
            used.clear()
        used.add(key)
        there = next((row for row in rows if row[0] == key), None)
        assert (held.get(key) is None) == (there is None)
        if there is None:
            held.put(key, box(size))
            rows.append((key, size))
            while sum(size for _, size in rows) > most and (
                idle := [row for row in rows if row[0] not in used]
            ):
                rows.remove(idle[0])
        else:
            rows.append(rows.pop(rows.index(there)))
        assert [
            value.content.numel() for value in held.values() if isinstance(value.content, Tensor)
        ] == [n for _, n in rows]
        assert there is not None or held.bytes() <= most or {key for key, _ in rows} <= used


def test_room_is_made_before_it_is_needed_and_what_went_is_free() -> None:
    held: BoundedCache[Box] = BoundedCache(100)
    first = box(60)
    held.put("first", first)
    gone = weakref.ref(first)
    del first
    held.begin()
    held.make_room(40)
    assert len(held.values()) == 1
    held.make_room(41)
    gc.collect()
    assert held.values() == () and gone() is None
