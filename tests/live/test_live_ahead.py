"""Pruning ahead, as pages and workers see it: only while nothing is asked for, nearest first, and
over as soon as anything is. The workers are made up, and so is the clock.
"""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up_live import MadeUpBench
from made_up_studies import level

from prunescope.engine import Study
from prunescope.engine.live.ahead import (
    LONGEST,
    MOST,
    SETTLED,
    Ahead,
    is_worth_pruning_ahead,
    next_to,
)
from prunescope.engine.live.client import ABANDONED, ABANDONED_AFTER, LiveJob

STUDY, OTHER = "a" * 64, "b" * 64
NEAR = (0.63, 0.64, 0.62)


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ahead(front: MadeUpBench, back: MadeUpBench, clock: Clock) -> Ahead:
    return Ahead(front, back, clock)


def stand(ahead: Ahead, clock: Clock, page: str = "one", near: tuple[float, ...] = NEAR) -> None:
    """A page looks until its cursor has settled."""
    ahead.look(page, STUDY, near)
    clock.now += SETTLED
    ahead.look(page, STUDY, near)


def begun(ahead: Ahead, back: MadeUpBench, clock: Clock) -> LiveJob:
    """A job that prunes ahead, at 64%."""
    stand(ahead, clock)
    (job,) = back.jobs
    job.state, job.level = "running", 0.64
    return job


def test_a_cursor_that_stands_still_has_its_neighbours_pruned_one_after_the_other(
    ahead: Ahead, back: MadeUpBench, clock: Clock
) -> None:
    ahead.look("one", STUDY, NEAR)
    assert back.jobs == [], "it may be moving"
    clock.now += SETTLED
    ahead.look("one", STUDY, NEAR)
    (first,) = back.jobs
    assert (first.do, first.arguments) == ("ahead", {"study": STUDY, "sparsities": list(NEAR)})
    first.state, first.result = "done", {"sparsity": 0.63}
    ahead.look("one", STUDY, NEAR)
    assert len(back.jobs) == 2
    back.jobs[1].state, back.jobs[1].result = "done", {"sparsity": None}
    for _ in range(3):
        ahead.look("one", STUDY, NEAR)
    assert len(back.jobs) == 2, "all are ready"


def test_a_failure_is_not_repeated(ahead: Ahead, back: MadeUpBench, clock: Clock) -> None:
    begun(ahead, back, clock).state = "failed"
    ahead.look("one", STUDY, NEAR)
    ahead.look("one", STUDY, NEAR)
    assert len(back.jobs) == 1


@pytest.mark.parametrize("bench", ["front", "back"])
def test_nothing_begins_while_something_is_asked_for(
    ahead: Ahead, front: MadeUpBench, back: MadeUpBench, clock: Clock, bench: str
) -> None:
    asked = {"front": front, "back": back}[bench].submit("look", study=OTHER, sparsity=0.5)
    stand(ahead, clock)
    assert [job.do for job in front.jobs + back.jobs] == ["look"]
    asked.state = "done"
    ahead.look("one", STUDY, NEAR)
    assert back.jobs[-1].do == "ahead"


@pytest.mark.parametrize("bench", ["front", "back"])
def test_any_request_stops_it(
    ahead: Ahead, front: MadeUpBench, back: MadeUpBench, clock: Clock, bench: str
) -> None:
    own = begun(ahead, back, clock)
    asked = {"front": front, "back": back}[bench].submit("look", study=STUDY, sparsity=0.7)
    assert own.state == "cancelled" and asked.active
    asked.state = "done"
    ahead.look("one", STUDY, NEAR)
    assert back.jobs[-1].do == "ahead" and back.jobs[-1] is not own, "it begins again"


def test_the_very_model_that_is_asked_for_is_pruned_to_its_end_for_whoever_asks(
    ahead: Ahead, front: MadeUpBench, back: MadeUpBench, clock: Clock
) -> None:
    own = begun(ahead, back, clock)
    victims = [{"name": "64%", "study": STUDY, "sparsity": 0.64}]
    front.submit("attack", victims=victims)
    front.submit("look", study=STUDY, sparsity=0.64)
    assert own.state == "running"
    assert back.submit("prune", study=STUDY, sparsity=0.64) is own
    assert own.do == "prune" and back.busy
    front.submit("look", study=OTHER, sparsity=0.1)
    ahead.look("one", STUDY, (0.1, 0.2))
    assert own.state == "running", "it is no longer pruned ahead"
    assert back.submit("prune", study=STUDY, sparsity=0.64) is not own


@pytest.mark.parametrize("why", ["another request", "no page looks"])
def test_a_job_that_is_about_to_stop_is_taken_over_by_nobody(
    ahead: Ahead,
    back: MadeUpBench,
    clock: Clock,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = begun(ahead, back, clock)
    monkeypatch.setattr(MadeUpBench, "_stop", lambda self, job, patience: None)  # not yet
    if why == "another request":
        back.submit("look", study=OTHER, sparsity=0.5)
    else:
        own.reason = ABANDONED
    assert own.active and back.submit("prune", study=STUDY, sparsity=0.64) is not own


def test_a_page_that_moves_on_stops_what_is_of_no_use_to_it(
    ahead: Ahead, back: MadeUpBench, clock: Clock
) -> None:
    own = begun(ahead, back, clock)
    ahead.look("one", STUDY, (0.65, 0.64))
    assert own.state == "running", "64% is next to it still"
    ahead.look("one", STUDY, (0.3, 0.31))
    assert own.state == "cancelled"


def test_pages_do_not_take_it_from_each_other(
    ahead: Ahead, back: MadeUpBench, clock: Clock
) -> None:
    own = begun(ahead, back, clock)
    ahead.look("two", OTHER, (0.3, 0.31))
    assert own.state == "running"
    clock.now += ABANDONED_AFTER + 1  # the first page was closed
    ahead.look("two", OTHER, (0.3, 0.31))
    assert own.state == "cancelled"


def test_only_its_own_page_keeps_it_going(ahead: Ahead, back: MadeUpBench, clock: Clock) -> None:
    """What no page looks at, the workbench ends by itself."""
    own = begun(ahead, back, clock)
    own.seen = 0.0
    ahead.look("two", STUDY, NEAR)
    assert own.seen == 0.0
    ahead.look("one", STUDY, NEAR)
    assert own.seen > 0


def test_a_study_that_takes_long_here_is_left_alone(
    ahead: Ahead, back: MadeUpBench, clock: Clock
) -> None:
    own = begun(ahead, back, clock)
    clock.now += LONGEST + 1
    ahead.look("one", STUDY, NEAR)
    assert own.state == "cancelled"
    stand(ahead, clock)
    stand(ahead, clock, near=(0.1, 0.2))
    assert len(back.jobs) == 1


def test_many_pages_and_requests_at_once_leave_no_two_waiting_for_each_other(
    ahead: Ahead, front: MadeUpBench, back: MadeUpBench, clock: Clock
) -> None:
    def look(name: str) -> None:
        for turn in range(200):
            clock.now += SETTLED
            ahead.look(name, STUDY, NEAR if turn % 2 else (0.1,))

    def ask(bench: MadeUpBench) -> None:
        for _ in range(200):
            bench.submit("look", study=OTHER, sparsity=0.5).state = "done"

    threads = [
        *(threading.Thread(target=look, args=(name,), daemon=True) for name in ("one", "two")),
        *(threading.Thread(target=ask, args=(bench,), daemon=True) for bench in (front, back)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_the_nearest_come_first_and_of_two_the_sparser() -> None:
    stops = [float(stop) for stop in range(96)] + [87.5]
    assert next_to(stops, 63.0) == (0.63, 0.64, 0.62, 0.65, 0.61, 0.66)
    assert next_to(stops, 87.5)[:3] == (0.875, 0.88, 0.87)
    assert next_to(stops, 0.0) == (0.01, 0.02, 0.03, 0.04, 0.05, 0.06), "dense is always ready"
    assert next_to([50.0], 70.0) == (0.5,) and len(next_to(stops, 50.0)) == MOST


def test_it_is_worth_it_where_a_level_took_no_longer_than_that_and_nothing_is_fetched(
    tmp_path: Path,
) -> None:
    def study(seconds: float | None, **spec: Any) -> Study:
        about = {"spec": {"model": "embedded", "data": None, **spec}}
        times = {} if seconds is None else {"prune": seconds}
        return Study("a", {}, about, (level(0.0), replace(level(0.5), seconds=times)))

    assert is_worth_pruning_ahead(study(20.0))
    assert not is_worth_pruning_ahead(study(LONGEST + 1)) and not is_worth_pruning_ahead(
        study(None)
    )
    assert is_worth_pruning_ahead(study(20.0, data=str(tmp_path), model=str(tmp_path)))
    assert not is_worth_pruning_ahead(study(20.0, data="stanfordnlp/sst2"))
    assert not is_worth_pruning_ahead(study(20.0, model="google-bert/bert-base-uncased"))
