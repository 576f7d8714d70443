"""One attack on several models, as the page sees it: nothing that is ready waits for a solve, every
model has its own progress, and all of it ends with the page. The workers are made up.
"""

from typing import Any

import pytest
from made_up_live import MadeUpBench

from prunescope.engine.live.attack_run import AttackRun, AttackRuns
from prunescope.engine.live.client import AttackSnapshot, LiveJob
from prunescope.engine.progress import ProgressState

ASKED = {
    "victims": [
        {"name": name, "study": "f" * 64, "sparsity": sparsity}
        for name, sparsity in (("Dense", 0.0), ("50%", 0.5), ("75%", 0.75))
    ],
    "attack": "deepwordbug",
    "seed": 0,
    "queries": None,
    "seconds": None,
    "text": "a fine film",
    "label": None,
}


def side(name: str, outcome: str = "held") -> dict[str, Any]:
    return {"name": name, "outcome": outcome, "perturbed": "a f1ne film"}


def end(job: LiveJob, *sides: dict[str, Any], unready: tuple[str, ...] = ()) -> None:
    """The attack of a job ends with these results."""
    job.sides |= {result["name"]: result for result in sides}
    job.unready, job.state = list(unready), "done"
    job.result = {
        "text": "a fine film",
        "truth": 1,
        "truth_given": False,
        "notices": ["One notice."],
        "sides": list(sides),
        "seconds": 0.5,
    }


@pytest.fixture
def run(front: MadeUpBench, back: MadeUpBench) -> AttackRun:
    return AttackRuns(front, back).submit("attack", **ASKED)


def states(run: AttackRun) -> list[str]:
    return [side.state for side in run.sides()]


def test_models_that_are_ready_are_attacked_while_another_is_pruned(
    run: AttackRun, front: MadeUpBench, back: MadeUpBench
) -> None:
    (first,) = front.jobs
    assert run.state == "queued" and states(run) == ["waiting"] * 3
    first.state, first.unready = "running", ["75%"]
    first.snapshots["Dense"] = AttackSnapshot("try", 3)
    run.look()
    (prune,) = back.jobs
    assert prune.do == "prune" and prune.arguments == {"study": "f" * 64, "sparsity": 0.75}
    prune.state, prune.progress = "running", ProgressState("block 2", 1, 4, 40.0)
    assert states(run) == ["attacking", "waiting", "pruning"]
    assert run.sides()[2].progress.seconds_left == 40
    first.sides["Dense"] = side("Dense")
    assert states(run)[0] == "done" and run.result is None, "a result as soon as it is there"
    end(first, side("Dense"), side("50%", "broken"), unready=("75%",))
    run.look()
    assert run.active and run.result is not None and len(run.result["sides"]) == 2
    assert len(front.jobs) == 1, "transfer comes when every model is there"


def finish(run: AttackRun, front: MadeUpBench, back: MadeUpBench) -> LiveJob:
    """Run to the request for transfer, with the third model pruned first."""
    end(front.jobs[0], side("Dense"), side("50%", "broken"), unready=("75%",))
    run.look()
    back.jobs[0].state, back.jobs[0].result = "done", {"notice": None}
    run.look()
    end(front.jobs[1], side("75%", "broken"))
    run.look()
    return front.jobs[2]


def test_a_model_that_was_pruned_is_attacked_by_the_same_label_and_then_all_are_compared(
    run: AttackRun, front: MadeUpBench, back: MadeUpBench
) -> None:
    transfer = finish(run, front, back)
    later = front.jobs[1].arguments
    assert later["victims"] == ASKED["victims"][2:] and (later["label"], later["prune"]) == (
        1,
        True,
    )
    assert transfer.do == "transfer" and "label" not in transfer.arguments
    assert transfer.arguments["victims"] == ASKED["victims"]
    assert transfer.arguments["found"] == {"50%": "a f1ne film", "75%": "a f1ne film"}
    transfer.state, transfer.result = "done", {"transfer": {"50%": {}}, "importance": None}
    run.look()
    assert run.state == "done" and not run.active and len(front.jobs) == 3
    result = run.result
    assert result is not None and [each["name"] for each in result["sides"]] == list(run.names)
    assert result["transfer"] == {"50%": {}} and result["failed"] == {}
    assert result["notices"] == ["One notice."] and result["seconds"] == 1.0


def test_a_sparser_model_is_attacked_meanwhile_under_its_own_name(
    run: AttackRun, front: MadeUpBench, back: MadeUpBench
) -> None:
    (first,) = front.jobs
    first.state, first.unready, first.stand_ins = "running", ["75%"], {"75%": "87.5%"}
    run.look()
    waiting = run.sides()[2]
    assert waiting.stand_in is not None and waiting.stand_in.name == "87.5%"
    assert (waiting.stand_in.snapshot, waiting.stand_in.result) == (None, None)
    first.snapshots["87.5%"] = AttackSnapshot("try", 3)
    first.sides["87.5%"] = side("87.5%", "broken")
    meanwhile = run.sides()[2]
    assert meanwhile.result is None and meanwhile.stand_in is not None
    assert meanwhile.stand_in.result == side("87.5%", "broken")
    assert [each.stand_in for each in run.sides()[:2]] == [None, None]
    end(first, side("Dense"), side("50%"), unready=("75%",))
    back.jobs[0].state, back.jobs[0].result = "done", {"notice": None}
    run.look()
    assert run.result is not None and [each["name"] for each in run.result["sides"]] == [
        "Dense",
        "50%",
    ], "no result of another model among those that were asked for"
    assert run.sides()[2].stand_in is not None, "until its own is there"
    end(front.jobs[1], side("75%", "broken"))
    own = run.sides()[2]
    assert (own.result, own.stand_in) == (side("75%", "broken"), None)


def test_a_model_that_could_not_be_pruned_has_nothing_in_its_place(
    run: AttackRun, front: MadeUpBench, back: MadeUpBench
) -> None:
    front.jobs[0].stand_ins = {"75%": "87.5%"}
    end(front.jobs[0], side("Dense"), side("50%"), side("87.5%"), unready=("75%",))
    run.look()
    back.jobs[0].state = "failed"
    assert (run.sides()[2].state, run.sides()[2].stand_in) == ("failed", None)


def test_a_model_that_cannot_be_pruned_leaves_the_others_their_results(
    run: AttackRun, front: MadeUpBench, back: MadeUpBench
) -> None:
    end(front.jobs[0], side("Dense"), side("50%"), unready=("75%",))
    run.look()
    back.jobs[0].state, back.jobs[0].reason = "failed", "No memory is left."
    run.look()
    transfer = front.jobs[1]
    assert transfer.do == "transfer" and transfer.arguments["victims"] == ASKED["victims"][:2]
    transfer.state, transfer.result = "done", {"transfer": {}, "importance": None}
    assert run.state == "done" and states(run) == ["done", "done", "failed"]
    assert run.result is not None and run.result["failed"] == {"75%": "No memory is left."}


def test_a_text_that_cannot_be_attacked_fails_with_its_reason(
    run: AttackRun, front: MadeUpBench
) -> None:
    front.jobs[0].state, front.jobs[0].reason = "failed", "There are no words to attack."
    run.look()
    assert (run.state, run.reason) == ("failed", "There are no words to attack.")
    assert len(front.jobs) == 1


def test_cancelling_stops_every_job_and_keeps_what_has_ended(
    run: AttackRun, front: MadeUpBench, back: MadeUpBench
) -> None:
    front.jobs[0].state, front.jobs[0].unready = "running", ["75%"]
    run.look()
    back.jobs[0].state = "running"
    front.jobs[0].sides["Dense"] = side("Dense")
    run.cancel()
    assert {job.state for job in front.jobs + back.jobs} == {"cancelled"}
    assert run.state == "cancelled" and not run.active
    assert states(run) == ["done", "cancelled", "cancelled"]
    before = len(front.jobs) + len(back.jobs)
    run.look()
    assert len(front.jobs) + len(back.jobs) == before, "nothing is started any more"


def test_a_run_whose_job_was_abandoned_is_over(
    run: AttackRun, front: MadeUpBench, back: MadeUpBench
) -> None:
    end(front.jobs[0], side("Dense"), side("50%"), unready=("75%",))
    run.look()
    back.jobs[0].state, back.jobs[0].reason = "cancelled", "It was stopped."
    run.look()
    assert (run.state, run.reason) == ("cancelled", "It was stopped.") and len(front.jobs) == 1


def test_looking_at_a_run_is_looking_at_its_jobs(
    run: AttackRun, front: MadeUpBench, back: MadeUpBench
) -> None:
    front.jobs[0].state, front.jobs[0].unready = "running", ["75%"]
    run.look()
    for job in front.jobs + back.jobs:
        job.seen = 0.0
    run.look()
    assert all(job.seen > 0 for job in front.jobs + back.jobs)


def test_runs_are_found_by_their_token_and_old_ones_are_forgotten(
    front: MadeUpBench, back: MadeUpBench
) -> None:
    runs = AttackRuns(front, back)
    made = [runs.submit("attack", **ASKED) for _ in range(60)]
    for job in front.jobs:
        job.state = "cancelled"
    last = runs.submit("attack", **ASKED)
    assert runs.find(last.token) is last and runs.find(made[-1].token) is made[-1]
    assert runs.find(made[0].token) is None and runs.find("") is None
