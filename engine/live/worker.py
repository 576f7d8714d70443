"""The worker process: does the long work of a page, so that the page's process imports neither
torch nor TextAttack.

Reads one JSON request a line from stdin and answers with JSON events on stdout, see
`prunescope.engine.live.client`. Requests are done one after the other; `{"cancel": id}` stops a
request at its next progress point, `{"warm": true}` loads the libraries early.
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

from prunescope.engine.errors import DataError, InterruptedStudy, PruneScopeError
from prunescope.engine.progress import Progress, ProgressState
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store


class Worker:
    """The loop of one worker process."""

    def __init__(self, store: Store, answers: TextIO) -> None:
        self._store, self._answers = store, answers
        self._requests: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._bench: Any = None
        self._last = 0.0

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
        while (request := self._requests.get()) is not None:
            if "warm" in request:
                try:
                    self._warm()
                except Exception:
                    # only a head start: logged here, and a request that needs it will say what is
                    # wrong
                    traceback.print_exc(file=sys.stderr)
                continue
            self._answer(request)

    def _warm(self) -> None:
        from prunescope.engine.attacks.resources import find_resources
        from prunescope.engine.attacks.textattack_import import textattack

        self._work_bench()
        textattack(find_resources(None))

    def _work_bench(self) -> Any:
        if self._bench is None:
            from prunescope.engine.live.bench import Bench

            self._bench = Bench(self._store)
        return self._bench

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
        except (
            Exception
        ):  # a defect of ours: the page says so, the log has the trace, the worker lives on
            traceback.print_exc(file=sys.stderr)
            self._send(
                number,
                "failed",
                reason="Something went wrong inside PruneScope; the log of the app has the details.",
            )

    def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        number = request["id"]

        def show(state: ProgressState) -> None:
            if number in self._cancelled:
                raise InterruptedStudy("cancelled from the page")
            if time.monotonic() - self._last > 0.1:
                self._last = time.monotonic()
                self._send(number, "progress", **asdict(state))

        report = Progress(show)

        def step(side: str, seen: Any) -> None:
            text, truth = min(seen.tried, key=lambda tried: tried[1], default=(None, None))
            self._send(
                number,
                "step",
                side=side,
                kind=seen.kind,
                queries=seen.queries,
                lowest=seen.lowest,
                text=text,
                truth=truth,
            )

        report("load", 0, 1)
        if request["do"] == "check":
            return self._check(request["spec"], report)
        bench = self._work_bench()
        bench.begin()
        if "victims" in request:
            from prunescope.engine.live import side_by_side

            return side_by_side.answer(bench, request, report, step)
        sparsity = request["sparsity"]
        study = self._store.study(request["study"])
        if study is None:
            raise PruneScopeError(
                f"The study {request['study'][:12]} is not in the store; choose another one."
            )
        prepared, notice = bench.open(study, report)
        if request["do"] == "attack":
            return {
                "notice": notice,
                **bench.attack(prepared, request["text"], request["label"], sparsity, report, step),
            }
        if request["do"] == "measure":
            bench.measure(prepared, study, sparsity, report)
            return {}
        if request["do"] == "look":
            return {
                "notice": notice,
                **bench.look(prepared, request["text"], request["adversarial"], sparsity, report),
            }
        if request["do"] == "export":
            if notice is not None:
                raise DataError(f"{notice} It is not given out as the model of this study.")
            return {**bench.export(prepared, study, sparsity, report)}
        if request["do"] == "time":
            bench.time(prepared, study, sparsity, report)
            return {"notice": notice}
        raise PruneScopeError(f"The worker does not know the request {request['do']!r}.")

    def _check(self, spec: dict[str, Any], report: Progress) -> dict[str, Any]:
        """Load what a study names and say what it would be; raises InputError for what cannot be
        used.
        """
        from prunescope.engine.studies.study import prepare

        study = prepare(StudySpec(**{**spec, "levels": tuple(spec["levels"])}), report).study
        kept = self._store.study(study.key)
        return {
            "key": study.key,
            "about": study.about,
            "stored": [level.sparsity for level in kept.levels] if kept else [],
        }


def main() -> None:
    """Serve requests on stdin until it closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache")
    options = parser.parse_args()
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a library that prints must not write into the answers
    worker = Worker(Store(options.cache), answers)
    threading.Thread(target=worker.listen, args=(sys.stdin,), daemon=True).start()
    worker.serve()


if __name__ == "__main__":
    main()
