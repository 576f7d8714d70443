"""What the attack page asks for on one sentence: victims that are ready are attacked at once, in
lock-step; those that must be pruned first are named, so that somebody else prunes them meanwhile,
with the next sparser model that is ready, which is attacked in place of each.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from prunescope.engine.attacks.run import Attackers
from prunescope.engine.attacks.similarity import cosines
from prunescope.engine.errors import DataError
from prunescope.engine.live.cross_reading import transferred, word_importance
from prunescope.engine.live.models import LiveModels
from prunescope.engine.live.side_by_side import AttackRequest
from prunescope.engine.live.side_result import TextTarget
from prunescope.engine.live.text_attack import (
    AttackSettings,
    attack_sides,
    checked_text,
    limit_passed,
    true_label,
)
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import Study

Level = tuple[Study, float]  # a study and the sparsity of one of its models


@dataclass(frozen=True, slots=True)
class Unready:
    """Event: the victims that must be pruned before they can be attacked."""

    sides: tuple[str, ...]
    stand_ins: Mapping[
        str, str
    ]  # by some of these, the name of the victim that is attacked instead


@dataclass(frozen=True, slots=True)
class Targets:
    """The victims of a request that are loaded, and those that stand in for others."""

    targets: Mapping[str, TextTarget]
    unready: tuple[str, ...]
    notices: tuple[str, ...]
    first: Study
    stand_ins: frozenset[str] = frozenset()  # names of the targets that were not asked for

    @property
    def victims(self) -> dict[str, Victim]:
        """The loaded victims by name."""
        return {name: target.victim for name, target in self.targets.items()}

    def settings(self, request: AttackRequest) -> AttackSettings:
        """How the request attacks, with the resources of the first victim's study."""
        return replace(request.settings, resources=self.first.about["spec"].get("resources"))


def open_targets(
    models: LiveModels, request: AttackRequest, report: Progress = SILENT, prune: bool = False
) -> Targets:
    """Load the victims that are ready, or with `prune` all of them.

    Emits `Unready` before anything is loaded. Raises DataError where a study is not in the store,
    or where classes differ.
    """
    levels = _levels(models, request)
    unready = tuple(
        name
        for name, (study, sparsity) in levels.items()
        if not prune and not models.ready.has(study, sparsity)
    )
    instead = _stand_ins(models, {name: levels[name] for name in unready}, levels)
    if unready:
        report.emit(Unready(unready, {name: own for name, (own, _) in instead.items()}))
    opened = {name: level for name, level in levels.items() if name not in unready}
    opened |= dict(instead.values())
    targets, notices = dict[str, TextTarget](), list[str]()
    for name, (study, sparsity) in opened.items():
        model = models.sparse(study, sparsity, report)
        targets[name] = TextTarget(model.victim, study.key, sparsity, model.achieved)
        notices += [] if model.notice is None else [model.notice]
    first, _ = next(iter(levels.values()))
    asked_for = frozenset(levels)
    return Targets(
        targets, unready, tuple(dict.fromkeys(notices)), first, frozenset(targets) - asked_for
    )


def _stand_ins(
    models: LiveModels, unready: Mapping[str, Level], levels: Mapping[str, Level]
) -> dict[str, tuple[str, Level]]:
    """The next sparser model that is ready, by the name of each victim that is not, with a name of
    its own; none where that one is attacked anyway.
    """
    instead: dict[str, tuple[str, Level]] = {}
    asked_for = {(study.key, sparsity) for study, sparsity in levels.values()}
    for name, (study, sparsity) in unready.items():
        sparser = models.ready.next_sparser(study, sparsity)
        if sparser is not None and (study.key, sparser) not in asked_for:
            start = name.removesuffix(f"{100 * sparsity:g}%")
            own = f"{start if start != name else f'{name} at '}{100 * sparser:g}%"
            instead[name] = (own, (study, sparser))
    return instead


def _levels(models: LiveModels, request: AttackRequest) -> dict[str, Level]:
    """The study and the sparsity of every victim, whose classes are checked to agree."""
    levels: dict[str, Level] = {}
    for name, (key, sparsity) in request.victims.items():
        study = models.store.study_head(key)
        if study is None:
            raise DataError(f"The study {key[:12]} is not in the store; choose another one.")
        levels[name] = (study, sparsity)
        other, (first, _) = next(iter(levels.items()))
        classes, expected = (tuple(each.about["label_names"]) for each in (study, first))
        if classes != expected:
            raise DataError(
                f"{name} tells apart {', '.join(classes)} and {other} {', '.join(expected)}; "
                "attack victims of the same classes."
            )
    return levels


def make_ready(models: LiveModels, request: AttackRequest, report: Progress = SILENT) -> Targets:
    """Load what an attack would wait for: ready victims, TextAttack, the sentence encoder."""
    targets = open_targets(models, request, report)
    report("load the attack", 0, 1)
    settings = targets.settings(request)
    if victims := targets.victims:
        Attackers(victims, settings.attack, settings.seed, settings.resources)
        cosines([("one", "two")], str(next(iter(victims.values())).device))
    return targets


def attack_ready(
    models: LiveModels,
    request: AttackRequest,
    text: str,
    label: int | None,
    report: Progress = SILENT,
    prune: bool = False,
) -> dict[str, Any]:
    """Attack one text on the victims of a request that are ready, or with `prune` on all of them.

    `label` None takes the first one's answer. Returns what `TextAttack` holds but transfer and
    importance, which need all victims, and `unready`, the names of those that were left out. What
    comes of those that stand in for them is told by events alone.
    """
    text, start = checked_text(text), time.perf_counter()  # before anything is loaded
    opened = open_targets(models, request, report, prune)
    settings = opened.settings(request)
    first = next(iter(opened.victims.values()), None)
    truth = label if first is None else true_label(first, text, label)
    sides: list[dict[str, Any]] = []
    if truth is not None and first is not None:
        ended = attack_sides(opened.targets, text, truth, settings, report)
        sides = [side for side in ended if side["name"] not in opened.stand_ins]
    return {
        "text": text,
        "truth": truth,
        "truth_given": label is not None,
        "attack": settings.attack,
        "seed": settings.seed,
        "budget": asdict(settings.budget),
        "label_names": list(opened.first.about["label_names"]),
        "notices": list(opened.notices),
        "cut_at": None if first is None else limit_passed(first, text),
        "sides": sides,
        "unready": list(opened.unready),
        "seconds": round(time.perf_counter() - start, 2),
    }


def transfer_ready(
    models: LiveModels,
    request: AttackRequest,
    text: str,
    truth: int,
    found: Mapping[str, str],
    report: Progress = SILENT,
) -> dict[str, Any]:
    """What every victim says of the adversarial texts, and of the text without one of its words."""
    victims = open_targets(models, request, report, prune=True).victims
    return {
        "transfer": transferred(victims, found, truth),
        "importance": word_importance(victims, text, truth, report),
    }
