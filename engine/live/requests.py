"""The worker's requests and their answers, as JSON values.

Requests with `victims` are those of `prunescope.engine.live.side_by_side`. The others name one
`study` and one `sparsity`:

    prune    the victim, into the cache on disk, so that any worker can attack it
    ahead    the first of `sparsities` that is not ready, as `prune` does, while nothing waits
    look     inside both victims while they read `text`, and `adversarial` if it is not None; with
             `at_once` inside the next sparser victim that is ready where this one is not, and
             `sparsity` None where there is none either
    measure  the level into the store
    time     the level as CSR against dense, into the user's cache
    export   the pruned model as one file
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prunescope.engine.errors import PruneScopeError, SettingError
from prunescope.engine.live.batch import attack_batch
from prunescope.engine.live.models import LiveModels
from prunescope.engine.live.ready_models import attack_ready, make_ready, transfer_ready
from prunescope.engine.live.side_by_side import AttackRequest
from prunescope.engine.progress import Progress
from prunescope.engine.records import Study

SIDE_BY_SIDE = ("ready", "attack", "transfer", "batch")


def answer(models: LiveModels, request: Mapping[str, Any], report: Progress) -> dict[str, Any]:
    """Do one request. Raises PruneScopeError for what cannot be done."""
    models.begin()
    if "victims" in request:
        return _side_by_side(models, request, report)
    study = models.store.study(request["study"])
    if study is None:
        raise PruneScopeError(
            f"The study {request['study'][:12]} is not in the store; choose another one."
        )
    if request["do"] == "ahead":
        return _prune_ahead(models, study, request["sparsities"], report)
    sparsity = request["sparsity"]
    match request["do"]:
        case "prune":
            return {"notice": models.sparse(study, sparsity, report).notice}
        case "look":
            text, adversarial = request["text"], request["adversarial"]
            if request.get("at_once") and not models.ready.has(study, sparsity):
                sparsity = models.ready.next_sparser(study, sparsity)
                if sparsity is None:
                    return {"sparsity": None}
            return models.look(study, text, adversarial, sparsity, report)
        case "export":
            form = request.get("form", "packed")
            return models.export(study, sparsity, report, form)
    prepared, notice = models.open(study, report)
    match request["do"]:
        case "measure":
            models.measure(prepared, study, sparsity, report)
            return {}
        case "time":
            models.time(prepared, study, sparsity, report)
            return {"notice": notice}
    raise PruneScopeError(f"The worker does not know the request {request['do']!r}.")


@dataclass(frozen=True, slots=True)
class LevelBegun:
    """Event: which sparsity is pruned ahead now."""

    sparsity: float


def _prune_ahead(
    models: LiveModels, study: Study, sparsities: Sequence[float], report: Progress
) -> dict[str, Any]:
    """Prune the first sparsity that is not ready; `sparsity` None where all are."""
    due = next((level for level in sparsities if not models.ready.has(study, level)), None)
    if due is not None:
        report.emit(LevelBegun(due))
        models.sparse(study, due, report)
    return {"sparsity": due}


def _side_by_side(
    models: LiveModels, request: Mapping[str, Any], report: Progress
) -> dict[str, Any]:
    if request["do"] not in SIDE_BY_SIDE:
        raise SettingError(
            f"Victims side by side do not know the request {request['do']!r}; use one of "
            f"{', '.join(SIDE_BY_SIDE)}."
        )
    attack = AttackRequest.of(request)
    match request["do"]:
        case "ready":
            targets = make_ready(models, attack, report)
            return {"notices": list(targets.notices), "unready": list(targets.unready)}
        case "batch":
            return attack_batch(models, attack, int(request["count"]), report)
        case "transfer":
            text, truth, found = (request[name] for name in ("text", "truth", "found"))
            return transfer_ready(models, attack, text, truth, found, report)
    prune = bool(request.get("prune"))
    return attack_ready(models, attack, request["text"], request["label"], report, prune)
