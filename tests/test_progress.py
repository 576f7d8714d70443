"""Progress: parts of work, the time left, events, and cancelling."""

import os
import signal

import pytest

from prunescope.engine.errors import InterruptedStudy
from prunescope.engine.progress import (
    SILENT,
    WHOLE,
    Progress,
    ProgressState,
    TimeLeft,
    defer_signals,
)


@pytest.fixture
def states() -> list[ProgressState]:
    return []


@pytest.fixture
def report(states: list[ProgressState]) -> Progress:
    return Progress(states.append)


def test_a_report_reaches_the_listener(report: Progress, states: list[ProgressState]) -> None:
    report("load", 1, 4)
    assert states == [ProgressState("load", 1, 4)]
    assert states[0].share == 0.25 and not states[0].of_whole


def test_parts_follow_one_another_by_their_shares(
    report: Progress, states: list[ProgressState]
) -> None:
    parts = report.parts({"prune": 6, "evaluate": 1, "attack": 13})
    parts["prune"]("layer", 1, 2)
    parts["evaluate"]("batch", 0, 8)
    parts["attack"]("example", 13, 13)
    assert [state.share for state in states] == pytest.approx([0.15, 0.3, 1.0])
    assert all(state.of_whole for state in states)


def test_parts_of_parts(report: Progress, states: list[ProgressState]) -> None:
    for level, part in report.each([0.5, 0.8], label=lambda level: f"{100 * level:g}%"):
        inner = part.parts({"prune": 1, "attack": 1})
        inner["attack"](f"attack {level}", 1, 2)
    assert [state.stage for state in states] == ["50%: attack 0.5", "80%: attack 0.8"]
    assert [state.share for state in states] == pytest.approx([0.375, 0.875])


def test_unequal_items(report: Progress, states: list[ProgressState]) -> None:
    for _item, part in report.each("ab", shares=[1, 3]):
        part("work", 1, 1)
    assert [state.share for state in states] == pytest.approx([0.25, 1.0])


def test_no_parts_and_no_total_are_no_error(report: Progress, states: list[ProgressState]) -> None:
    assert list(report.each([])) == [] and report.parts({}) == {}
    assert list(report.each(["nothing to do"], shares=[0]))
    report.part(0, 1)("empty", 0, 0)
    report("empty", 0, 0)
    assert [state.share for state in states] == [0.0, 0.0]


def test_a_part_of_no_width_does_not_advance(report: Progress, states: list[ProgressState]) -> None:
    report.part(0.25, 0.25)("waiting", 9, 10)
    assert (states[0].stage, states[0].share) == ("waiting", 0.25)


def test_finish_is_the_whole(report: Progress, states: list[ProgressState]) -> None:
    report.finish()
    assert states == [ProgressState("done", WHOLE, WHOLE)]


def test_a_listener_cancels_from_within_a_part() -> None:
    def cancel(state: ProgressState) -> None:
        raise InterruptedStudy(state.stage)

    with pytest.raises(InterruptedStudy, match="level: step"):
        Progress(cancel).part(0, 0.5, "level: ")("step", 0, 1)


def test_events_pass_through_parts() -> None:
    events: list[object] = []
    report = Progress(on_event=events.append)
    report.part(0, 1).part(0, 1).emit("a notice")
    report("no listener", 1, 2)
    SILENT.emit("nobody hears")
    assert events == ["a notice"]


def test_the_time_left_goes_by_the_speed_since_the_first_report() -> None:
    clock = iter([10.0, 12.0, 16.0])
    left = TimeLeft(lambda: next(clock))
    assert left.seconds(40, 100) is None  # 40 were done before, by a run that was stopped
    assert left.seconds(50, 100) == pytest.approx(10.0)
    assert left.seconds(70, 100) == pytest.approx(6.0)


@pytest.mark.parametrize("reports", [((5, 9),), ((0, 100),), ((1, 100), (0, 100))])
def test_the_time_left_starts_anew_with_other_work(reports: tuple[tuple[int, int], ...]) -> None:
    clock = iter(range(10))
    left = TimeLeft(lambda: next(clock))
    left.seconds(0, 100)
    assert left.seconds(50, 100) == pytest.approx(1.0)
    for done, total in reports:
        value = left.seconds(done, total)
    assert value is None


def test_waiting_at_the_first_report_counts_as_time_spent() -> None:
    clock = iter([0.0, 50.0, 60.0])
    left = TimeLeft(lambda: next(clock))
    left.seconds(0, 2)
    assert left.seconds(0, 2) is None
    assert left.seconds(1, 2) == pytest.approx(60.0)


def test_a_listener_gets_the_time_left(states: list[ProgressState]) -> None:
    clock = iter([0.0, 2.0])
    report = Progress(states.append, clock=lambda: next(clock))
    report("attack", 0, 4)
    report("attack", 1, 4)
    assert [state.seconds_left for state in states] == [None, pytest.approx(6.0)]


def test_a_signal_waits_for_the_end_of_a_deferring_block() -> None:
    steps: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        with defer_signals():
            os.kill(os.getpid(), signal.SIGINT)
            steps.append("finished")
        steps.append("not reached")
    assert steps == ["finished"]
