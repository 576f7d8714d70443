"""The scheduler with small services in the place of models; no TextAttack here."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.engine.attacks.candidates import SharedCandidates
from prunescope.engine.attacks.lockstep import AttackTask, LockStep, OutOfTime, RandomState
from prunescope.engine.attacks.services import ask, check_cancel, current_turn, yield_turn
from prunescope.engine.errors import InterruptedStudy


class Squares:
    """A service that answers i with i² and remembers its batches."""

    def __init__(self, cached: bool = False, bad: Sequence[int] = ()) -> None:
        self.name, self.cached, self._bad = "squares", cached, set(bad)
        self.batches: list[list[int]] = []

    def answer(self, items: Sequence[int]) -> list[int]:
        if self._bad & set(items):
            raise ValueError(f"one of {len(items)}")
        self.batches.append(list(items))
        return [item * item for item in items]


def nothing() -> None:
    """A tick that never cancels."""


def run(
    tasks: Sequence[AttackTask[Any]], in_flight: int = 8, tick: Callable[[], None] = nothing
) -> list[Any]:
    """The results in the order of the tasks, found by their identity."""
    found = {
        id(job): result for ended in LockStep(tasks, in_flight, tick).run() for job, result in ended
    }
    return [found[id(job)] for job in tasks]


def wanderer(services: Sequence[Squares], length: int) -> Callable[[], list[float]]:
    """Asks for what it draws from all three generators, and tells all that it drew and heard."""

    def work() -> list[float]:
        seen: list[float] = []
        for _ in range(length):
            items = [random.randrange(50), int(np.random.randint(50)), int(torch.randint(50, ()))]
            seen += ask(services[random.randrange(len(services))], items)
        return seen

    return work


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6)), min_size=1, max_size=12),
    st.integers(1, 12),
    st.randoms(),
)
def test_a_result_depends_on_its_own_seed_alone(
    kinds: list[tuple[int, int]], in_flight: int, shuffler: random.Random
):
    services = (Squares(), Squares(cached=True))
    tasks = [AttackTask(seed % 3, wanderer(services, length), seed) for seed, length in kinds]
    alone = [run([job])[0] for job in tasks]
    order = list(range(len(tasks)))
    shuffler.shuffle(order)
    assert run([tasks[i] for i in order], in_flight) == [alone[i] for i in order]


def test_questions_of_all_are_answered_together_and_once():
    service = Squares()
    tasks = [AttackTask(i, lambda i=i: ask(service, [i, 7, 7]), 0) for i in range(3)]
    assert run(tasks) == [[i * i, 49, 49] for i in range(3)]
    assert [sorted(batch) for batch in service.batches] == [[0, 1, 2, 7]]


@pytest.mark.parametrize(
    ("cached", "other", "times"), [(False, "a", 2), (True, "a", 1), (True, "b", 2)]
)
def test_kept_answers_serve_the_rest_of_their_group(cached: bool, other: str, times: int):
    service = Squares(cached)

    def later() -> list[int]:
        yield_turn()
        return ask(service, [4])

    first = AttackTask("a", lambda: ask(service, [4]) + ask(service, [5]), 0)
    assert run([first, AttackTask(other, later, 0)]) == [[16, 25], [16]]
    assert sum(4 in batch for batch in service.batches) == times


def test_an_item_that_cannot_be_answered_fails_those_who_asked_for_it():
    service = Squares(bad=[3])

    def careful(item: int) -> str:
        try:
            return str(ask(service, [item])[0])
        except ValueError as error:
            return str(error)

    assert run([AttackTask(i, lambda i=i: careful(i), 0) for i in range(6)]) == [
        "0",
        "1",
        "4",
        "one of 1",
        "16",
        "25",
    ]


def test_jobs_are_taken_only_when_there_is_room():
    taken, flying = [0], [0]

    def tasks() -> Iterator[AttackTask[int]]:
        for i in range(40):
            taken[0] += 1
            yield AttackTask(i, lambda: len(ask(Squares(), [1])), 0)

    ended = 0
    for turn in LockStep(tasks(), 4, nothing).run():
        ended += len(turn)
        flying[0] = max(flying[0], taken[0] - ended)
    assert (ended, flying[0] <= 4) == (40, True)


@pytest.mark.parametrize("calls", [0, 1, 5, 9])
def test_a_cancel_ends_every_attack_and_puts_the_generators_back(calls: int):
    begun, cleaned = [], []
    left = [calls]

    def work(i: int) -> None:
        begun.append(i)
        try:
            while True:
                ask(Squares(), [random.randrange(9)])
        finally:
            random.random()
            cleaned.append(i)

    def tick() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise InterruptedStudy("stopped")

    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    before = RandomState()
    with pytest.raises(InterruptedStudy):
        run([AttackTask(i, lambda i=i: work(i), 0) for i in range(3)], tick=tick)
    assert sorted(cleaned) == sorted(begun)
    drawn = random.random(), np.random.rand(), torch.rand(()).item()
    before.restore()
    assert drawn == (random.random(), np.random.rand(), torch.rand(()).item())


def test_closing_the_run_ends_every_attack():
    cleaned = []

    def work() -> None:
        try:
            while True:
                yield_turn()
        finally:
            cleaned.append(True)

    turns = LockStep([AttackTask(0, work, 0)] * 2, 2, nothing).run()
    next(turns)
    turns.close()
    assert len(cleaned) == 2


def test_an_error_of_one_attack_that_nobody_catches_ends_all():
    def fail() -> None:
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        run([AttackTask(0, fail, 0), AttackTask(1, lambda: ask(Squares(), [1]), 0)])


def test_an_attack_out_of_time_is_told_so():
    def slow() -> str:
        try:
            while True:
                ask(Squares(), [1])
        except OutOfTime:
            return "late"

    quick = AttackTask(1, lambda: ask(Squares(), [2]), 0, 60.0)
    assert run([AttackTask(0, slow, 0, 0.01), quick]) == ["late", [4]]


def test_outside_a_run_services_answer_at_once_and_nothing_cancels():
    check_cancel()
    yield_turn()
    assert ask(Squares(), [3, 3, 2]) == [9, 9, 4]
    assert ask(Squares(), []) == []


def test_long_work_breathes(monkeypatch: pytest.MonkeyPatch):
    clock = [0.0]
    monkeypatch.setattr("prunescope.engine.attacks.services.time.monotonic", lambda: clock[0])
    ticks = []

    def work() -> int:
        for _ in range(100):
            clock[0] += 0.02
            check_cancel()
        return len(ticks)

    (counted,) = run([AttackTask(0, work, 0)], tick=lambda: ticks.append(clock[0]))
    assert 30 <= counted <= 41  # every 0.05 s of the two


def test_all_who_use_shared_candidates_are_charged_what_finding_them_took(
    monkeypatch: pytest.MonkeyPatch,
):
    """By a clock that only the search moves: the first to ask has no less time left than the
    others.
    """
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    shared, service, found = SharedCandidates(), Squares(), list[float]()
    state = {"modified_indices": set(), "original_index_map": np.arange(3)}
    text = SimpleNamespace(text="a b c", attack_attrs=state)

    def find(_text: Any) -> list[Any]:
        clock[0] += 5
        ask(service, [3])  # it may wait for a model in the middle
        clock[0] += 2
        return [SimpleNamespace(text="a b", attack_attrs={})]

    def work() -> None:
        assert [one.text for one in shared.get(find, text)] == ["a b"]
        turn = current_turn()
        assert turn is not None
        found.append(turn.used())

    run([AttackTask(0, work, 0) for _ in range(3)])
    assert found == [7.0, 7.0, 7.0] and service.batches == [[3]]
