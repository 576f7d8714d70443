"""One attack on several models, seen from the page. Light to import.

    runs = AttackRuns(front, back)
    run = runs.submit("attack", victims=[…], attack="deepwordbug", seed=0, text="…", label=None)
    while run.active:
        run.look()          # goes on with what has become possible; a run that nobody looks at ends
        run.sides()         # every model: what it does, how far it is, and its result once it ended
    run.result              # as of `attack --text`, with `failed`, the models without a result

Models that are ready are attacked at once, in lock-step, by the `front` worker. One that must be
pruned first is pruned by the `back` worker meanwhile, and attacked when it is there. Outcomes are
those of an attack on all of them together, since an attack depends on its own model alone.
"""

import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from prunescope.engine.live.client import AttackSnapshot, LiveJob, Workbench
from prunescope.engine.progress import ProgressState

MOST_RUNS = 50  # that are over and can still be found


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


class AttackRun:
    """One attack; `look` at it to have it go on."""

    def __init__(self, front: Workbench, back: Workbench, arguments: dict[str, Any]) -> None:
        self.arguments, self.token = arguments, secrets.token_hex(8)
        self._front, self._back = front, back
        self._lock, self._cancelled = threading.RLock(), False
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
    def active(self) -> bool:
        """Whether anything is still to come."""
        return self.state in ("queued", "running")

    @property
    def reason(self) -> str:
        """Why it failed or was stopped."""
        jobs = [self._first, *self._later.values(), *self._prunes.values()]
        return next((job.reason for job in jobs if job.reason), "")

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

    def look(self) -> None:
        """Somebody waits for the result: go on with what has become possible."""
        with self._lock:
            for job in self._jobs():
                job.look()
            if self.active:
                self._prune()
                self._attack_pruned()
                self._read_across()

    def cancel(self) -> None:
        """Stop all of it within two seconds; what has ended stays."""
        with self._lock:
            self._stop(Workbench.cancel)

    def drop(self) -> None:
        """Stop all of it, since nobody waits for it any more; the workers stay."""
        with self._lock:
            self._stop(Workbench.drop)

    def _stop(self, stop: Callable[[Workbench, LiveJob], None]) -> None:
        if self.active:
            self._cancelled = True
            for job in self._jobs():
                stop(self._back if job.do == "prune" else self._front, job)

    def _jobs(self) -> Iterator[LiveJob]:
        yield self._first
        yield from self._prunes.values()
        yield from self._later.values()
        if self._transfer is not None:
            yield self._transfer

    def _prune(self) -> None:
        """Have the models pruned that are not ready."""
        for name in self._first.unready:
            if name not in self._prunes:
                victim = self._victims[name]
                self._prunes[name] = self._back.submit(
                    "prune", study=victim["study"], sparsity=victim["sparsity"]
                )

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
        return SideState(name, state, progress, snapshot, result, reason)


class AttackRuns:
    """The attacks of an app, which submits them as to a `Workbench`. Safe to share."""

    def __init__(self, front: Workbench, back: Workbench) -> None:
        self._front, self._back = front, back
        self._runs: dict[str, AttackRun] = {}
        self._lock = threading.Lock()

    def submit(self, do: str, **arguments: Any) -> AttackRun:
        """Start an attack; `do` is "attack"."""
        run = AttackRun(self._front, self._back, arguments)
        with self._lock:
            self._runs[run.token] = run
            over = [token for token, old in self._runs.items() if not old.active]
            for token in over[:-MOST_RUNS]:
                del self._runs[token]
        return run

    def find(self, token: str) -> AttackRun | None:
        """A run by its token; None where it is long over, or was another app's."""
        with self._lock:
            return self._runs.get(token)

    def cancel(self, run: AttackRun) -> None:
        """Stop a run within two seconds."""
        run.cancel()

    def drop(self, run: AttackRun) -> None:
        """Stop a run that nobody waits for any more."""
        run.drop()
