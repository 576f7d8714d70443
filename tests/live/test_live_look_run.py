"""A look inside, as the page sees it: at once where the model is ready, else inside a sparser one
under its own sparsity until the model is there. The workers are made up.
"""

from typing import Any

import pytest
from made_up_live import MadeUpBench

from prunescope.engine.live.look_run import LookRun, LookRuns
from prunescope.engine.progress import ProgressState

ASKED = {"study": "f" * 64, "sparsity": 0.63, "text": "a fine film", "adversarial": None}


@pytest.fixture
def run(front: MadeUpBench, back: MadeUpBench) -> LookRun:
    return LookRuns(front, back).submit("look", **ASKED)


def looked(sparsity: float | None) -> dict[str, Any]:
    return {"sparsity": sparsity, "distances": []}


def test_a_model_that_is_ready_is_looked_into_at_once(
    run: LookRun, front: MadeUpBench, back: MadeUpBench
) -> None:
    (first,) = front.jobs
    assert first.arguments == {**ASKED, "at_once": True} and run.state == "queued"
    first.state, first.result = "done", looked(0.63)
    run.look()
    assert (run.state, run.result, run.stands_in) == ("done", looked(0.63), False)
    assert len(front.jobs) == 1 and back.jobs == []


def test_a_sparser_model_stands_in_until_the_one_that_was_asked_for_is_there(
    run: LookRun, front: MadeUpBench, back: MadeUpBench
) -> None:
    front.jobs[0].state, front.jobs[0].result = "done", looked(0.75)
    run.look()
    assert (run.state, run.result, run.stands_in) == ("running", looked(0.75), True)
    (prune,) = back.jobs
    assert (prune.do, prune.arguments) == ("prune", {"study": "f" * 64, "sparsity": 0.63})
    prune.state, prune.progress = "running", ProgressState("block 2", 1, 4)
    assert run.progress == prune.progress
    prune.state = "done"
    run.look()
    exact = front.jobs[1]
    assert exact.arguments == ASKED and run.result == looked(0.75)
    exact.state, exact.result = "done", looked(0.63)
    assert (run.state, run.result, run.stands_in) == ("done", looked(0.63), False)


def test_where_nothing_is_ready_there_is_nothing_to_see_until_it_is_pruned(
    run: LookRun, front: MadeUpBench, back: MadeUpBench
) -> None:
    front.jobs[0].state, front.jobs[0].result = "done", looked(None)
    run.look()
    assert (run.state, run.result, run.stands_in) == ("running", None, False)
    assert back.jobs[0].do == "prune"


def test_a_model_that_cannot_be_pruned_says_why_and_is_no_other(
    run: LookRun, front: MadeUpBench, back: MadeUpBench
) -> None:
    front.jobs[0].state, front.jobs[0].result = "done", looked(0.75)
    run.look()
    back.jobs[0].state, back.jobs[0].reason = "failed", "No memory is left."
    run.look()
    assert (run.state, run.reason, run.stands_in) == ("failed", "No memory is left.", True)
    assert len(front.jobs) == 1


def test_cancelling_stops_the_pruning_too(
    run: LookRun, front: MadeUpBench, back: MadeUpBench
) -> None:
    front.jobs[0].state, front.jobs[0].result = "done", looked(0.75)
    run.look()
    run.cancel()
    assert back.jobs[0].state == "cancelled" and run.state == "cancelled" and not run.active
    run.look()
    assert len(front.jobs) + len(back.jobs) == 2, "nothing is started any more"
