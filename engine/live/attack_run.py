"""One attack on several models, seen from the page. Light to import.

    runs = AttackRuns(front, back)
    run = runs.submit("attack", victims=[…], attack="deepwordbug", seed=0, text="…", label=None)
    while run.active:
        run.look()          # goes on with what has become possible; a run that nobody looks at ends
        run.sides()         # every model: what it does, how far it is, and its result once it ended
    run.result              # as of `attack --text`, with `failed`, the models without a result

Models that are ready are attacked at once, in lock-step, by the `front` worker. One that must be
pruned first is pruned by the `back` worker meanwhile, and attacked when it is there; until then
the next sparser model of its study that is ready is attacked in its place, and named as itself.
Outcomes are those of an attack on all of them together, since an attack depends on its own model
alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from prunescope.engine.live.client import AttackSnapshot, LiveJob, Workbench
from prunescope.engine.live.runs import Run, Runs
from prunescope.engine.progress import ProgressState


@dataclass(frozen=True, slots=True)
class StandIn:
    """A sparser model that is attacked while another one is being pruned."""

    name: str  # its own
    snapshot: AttackSnapshot | None
    result: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class SideState:
    """One model of a run."""

    name: str
    # waiting for the attack on it, queued to be pruned, pruning, attacking, done, failed, cancelled
    state: str
    progress: ProgressState  # of pruning it
    snapshot: AttackSnapshot | None  # of the attack on it
    result: dict[str, Any] | None
    reason: str  # why it has no result
    stand_in: StandIn | None = None  # until its own result is there


class AttackRun(Run):
    """One attack; `look` at it to have it go on."""

    def __init__(self, front: Workbench, back: Workbench, arguments: dict[str, Any]) -> None:
        super().__init__(front, back, arguments)
        self._victims = {victim["name"]: victim for victim in arguments["victims"]}
        self._first = front.submit("attack", **arguments)
        self._prunes: dict[str, LiveJob] = {}  # by model
        self._later: dict[str, LiveJob] = {}  # attacks on models that were pruned first
        self._transfer: LiveJob | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The models, in order."""
        return tuple(self._victims)

    @property
    def state(self) -> str:
        """What a job says: queued, running, done, failed, cancelled."""
        if self._cancelled:
            return "cancelled"
        if self._first.state in ("queued", "failed"):
            return self._first.state
        if any(job.state == "cancelled" for job in self._jobs()):
            return "cancelled"
        if self._transfer is not None and not self._transfer.active:
            return "done"
        sides = self.sides()
        if all(side.state == "failed" for side in sides):
            return "failed"
        return "running"

    @property
    def result(self) -> dict[str, Any] | None:
        """What is known: all of it when the run is done, the finished models before."""
        base = self._first.result
        if base is None:
            return None
        done = [job.result for job in self._later.values() if job.result is not None]
        sides, transfer = self.sides(), self._transfer.result if self._transfer else None
        return {
            **base,
            "notices": list(
                dict.fromkeys(notice for each in (base, *done) for notice in each["notices"])
            ),
            "sides": [side.result for side in sides if side.result is not None],
            "failed": {side.name: side.reason for side in sides if side.state == "failed"},
            "seconds": round(sum(each["seconds"] for each in (base, *done)), 2),
            **(transfer or {"transfer": {}, "importance": None}),
        }

    def sides(self) -> list[SideState]:
        """Every model as it stands, in order."""
        return [self._side(name) for name in self._victims]

    def _jobs(self) -> Iterator[LiveJob]:
        yield self._first
        yield from self._later.values()
        yield from self._prunes.values()
        if self._transfer is not None:
            yield self._transfer

    def _go_on(self) -> None:
        for name in self._first.unready:
            if name not in self._prunes:
                victim = self._victims[name]
                self._prunes[name] = self._prune(victim["study"], victim["sparsity"])
        self._attack_pruned()
        self._read_across()

    def _attack_pruned(self) -> None:
        """Attack what was pruned meanwhile, with the label that the first attack went by."""
        base = self._first.result
        if base is None or base["truth"] is None:
            return
        for name, job in self._prunes.items():
            if job.state == "done" and name not in self._later:
                asked = {"victims": [self._victims[name]], "label": base["truth"], "prune": True}
                self._later[name] = self._front.submit("attack", **{**self.arguments, **asked})

    def _read_across(self) -> None:
        """Transfer and importance, when every model has ended."""
        sides, base = self.sides(), self._first.result
        if base is None or self._transfer is not None:
            return
        results = [side.result for side in sides if side.result is not None]
        if not results or any(side.state not in ("done", "failed") for side in sides):
            return
        self._transfer = self._front.submit(
            "transfer",
            **{name: value for name, value in self.arguments.items() if name != "label"}
            | {
                "victims": [self._victims[result["name"]] for result in results],
                "text": base["text"],
                "truth": base["truth"],
                "found": {
                    result["name"]: result["perturbed"]
                    for result in results
                    if result["outcome"] == "broken"
                },
            },
        )

    def _side(self, name: str) -> SideState:
        attack = self._later.get(name, self._first)
        prune = self._prunes.get(name)
        snapshot, result = attack.snapshots.get(name), attack.sides.get(name)
        progress = prune.progress if prune else ProgressState()
        reason = ""
        if result is not None:
            state = "done"
        elif prune is not None and prune.state != "done":
            state = {"running": "pruning"}.get(prune.state, prune.state)
            reason = prune.reason
        elif attack.state in ("failed", "cancelled"):
            state, reason = attack.state, attack.reason
        else:
            state = "waiting" if snapshot is None else "attacking"
        waiting = result is None and state not in ("failed", "cancelled")
        stand_in = self._stand_in(name) if waiting else None
        return SideState(name, state, progress, snapshot, result, reason, stand_in)

    def _stand_in(self, name: str) -> StandIn | None:
        own = self._first.stand_ins.get(name)
        if own is None:
            return None
        return StandIn(own, self._first.snapshots.get(own), self._first.sides.get(own))


class AttackRuns(Runs[AttackRun]):
    """The attacks of an app; `do` is "attack"."""

    def __init__(self, front: Workbench, back: Workbench) -> None:
        super().__init__(AttackRun, front, back)
