"""The worker process of the pages, so that the app's process imports neither torch nor TextAttack.

Reads one JSON request a line from stdin and answers with JSON events on stdout, see
`prunescope.engine.live.client`. Requests are done one after the other; `{"cancel": id}` stops a
request at its next progress point, `{"warm": true}` loads the libraries early and is answered by
the event `warmed` of request 0.
"""

import argparse
import json
import os
import queue
import sys
import threading
import time
import traceback
from dataclasses import asdict
from typing import Any, TextIO

from prunescope.engine.config.environment import quiet_libraries
from prunescope.engine.data.curated import curated_sentences
from prunescope.engine.errors import InterruptedStudy, PruneScopeError
from prunescope.engine.progress import Progress, ProgressState
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store
from prunescope.engine.store.shipped import ShippedModel, shipped_models

EVERY = 0.1  # seconds between two progress events
MOST_WARMED = 2  # models that ship and are loaded early
DEFECT = "Something went wrong inside PruneScope; the log of the app has the details."


def first_models(store: Store) -> list[ShippedModel]:
    """The models that a newcomer's first attack is on: those that the curated sentences break."""
    shipped = {(model.study[:12], model.sparsity): model for model in shipped_models(store)}
    curated = curated_sentences().sentences
    keys = [(sentence.study[:12], sentence.sparsity) for sentence in curated] or list(shipped)
    return [shipped[key] for key in dict.fromkeys(keys) if key in shipped][:MOST_WARMED]


class Worker:
    """The loop of one worker process."""

    def __init__(self, store: Store, answers: TextIO) -> None:
        self._store, self._answers = store, answers
        self._requests: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._models: Any = None
        self._last = 0.0  # when progress was last sent

    def listen(self, lines: TextIO) -> None:
        """Take requests until stdin closes; then this process has no owner and ends."""
        for line in lines:
            request = json.loads(line)
            if "cancel" in request:
                self._cancelled.add(request["cancel"])
            else:
                self._requests.put(request)
        os._exit(0)

    def serve(self) -> None:
        """Answer one request after the other."""
        while (request := self._requests.get()) is not None:
            if "warm" not in request:
                self._answer(request)
                continue
            try:
                self._warm()
            except Exception:
                # A request that needs the libraries will report the error.
                traceback.print_exc(file=sys.stderr)
            self._send(0, "warmed")

    def _warm(self) -> None:
        """Load what a first attack would wait for, the models that ship before TextAttack."""
        from prunescope.engine.attacks.resources import find_resources
        from prunescope.engine.attacks.similarity import cosines
        from prunescope.engine.attacks.textattack_import import textattack

        models = self._live_models()
        models.begin()
        for model in first_models(self._store):
            if (study := self._store.study_head(model.study)) is not None:
                models.sparse(study, model.sparsity)
        textattack(find_resources(None))
        cosines([("one", "two")], "cpu")

    def _live_models(self) -> Any:
        if self._models is None:
            from prunescope.engine.live.models import LiveModels

            self._models = LiveModels(self._store)
        return self._models

    def _send(self, request: int, event: str, **content: Any) -> None:
        self._answers.write(json.dumps({"id": request, "event": event, **content}) + "\n")
        self._answers.flush()

    def _answer(self, request: dict[str, Any]) -> None:
        number = request["id"]
        try:
            self._send(number, "started")
            self._send(number, "done", result=self._do(request))
        except InterruptedStudy:
            self._send(number, "cancelled")
        except PruneScopeError as error:
            self._send(number, "failed", reason=str(error))
        except Exception:
            # An internal error: the page reports it, the log has the trace, the worker goes on.
            traceback.print_exc(file=sys.stderr)
            self._send(number, "failed", reason=DEFECT)

    def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        number = request["id"]
        report = Progress(
            lambda state: self._send_progress(number, state),
            lambda event: self._send_event(number, event),
        )
        report("load", 0, 1)
        if request["do"] == "check":
            return self._check(request["spec"], report)
        if request["do"] == "preview":
            return self._preview(request["spec"])
        models = self._live_models()
        from prunescope.engine.live.requests import answer

        return answer(models, request, report)

    def _send_progress(self, number: int, state: ProgressState) -> None:
        if number in self._cancelled:
            raise InterruptedStudy("cancelled from the page")
        if time.monotonic() - self._last > EVERY:
            self._last = time.monotonic()
            self._send(number, "progress", **asdict(state))

    def _send_event(self, number: int, event: object) -> None:
        from prunescope.engine.live.ready_models import Unready
        from prunescope.engine.live.requests import LevelBegun
        from prunescope.engine.live.side_result import AttackStep, SideEnded

        match event:
            case AttackStep(side, step):
                text, truth = min(step.tried, key=lambda tried: tried[1], default=(None, None))
                self._send(
                    number,
                    "step",
                    side=side,
                    kind=step.kind,
                    queries=step.queries,
                    lowest=step.lowest,
                    text=text,
                    truth=truth,
                )
            case SideEnded(side, result):
                self._send(number, "side", side=side, result=result)
            case Unready(sides, stand_ins):
                self._send(number, "unready", sides=sides, stand_ins=dict(stand_ins))
            case LevelBegun(sparsity):
                self._send(number, "level", sparsity=sparsity)

    def _preview(self, spec: dict[str, Any]) -> dict[str, Any]:
        """What a study would read, its parts that are on the hub fetched."""
        from prunescope.engine.studies.preview import preview_study

        settings = StudySpec(**{**spec, "levels": tuple(spec["levels"])})
        return preview_study(settings, fetch=True).payload()

    def _check(self, spec: dict[str, Any], report: Progress) -> dict[str, Any]:
        """Load what a study names and say what it would be.

        Raises InputError for what cannot be used.
        """
        from prunescope.engine.studies.prepare import prepare

        study = prepare(StudySpec(**{**spec, "levels": tuple(spec["levels"])}), report).study
        stored = self._store.study(study.key)
        levels = [level.sparsity for level in stored.levels] if stored else []
        return {"key": study.key, "about": study.about, "stored": levels}


def main() -> None:
    """Serve requests on stdin until it closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache")
    parser.add_argument("--nice", type=int, default=0)
    options = parser.parse_args()
    if sys.platform != "win32" and options.nice:
        os.nice(options.nice)
    quiet_libraries()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a library that prints must not write into the answers
    worker = Worker(Store(options.cache), answers)
    threading.Thread(target=worker.listen, args=(sys.stdin,), daemon=True).start()
    worker.serve()


if __name__ == "__main__":
    main()
