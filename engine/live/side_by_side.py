"""Requests that name several victims: what the worker does for the attack page.

A request names its victims as `victims=[{"name": …, "study": key, "sparsity": …}, …]`, the first of
them the one that the others are compared with, further `attack`, `seed`, and the budget as
`queries` and `seconds` (None is no limit).

    ready     load the victims that need not be pruned first, so that an attack can begin at once
    attack    `text`, and its true `label` or None: all victims that are ready, in lock-step and
              with the same candidates; those that must be pruned first are named in the answer,
              unless `prune` asks for them to be pruned here
    transfer  every victim's answers to the adversarial texts `found`, by source, and to `text`
              without each of its words; `truth` is the true label
    batch     `count` examples of the first victim's evaluation set, those that its study attacked
              first; what is measured already, here or in the study, is not attacked again
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from prunescope.engine.attacks.attempt import Budget
from prunescope.engine.attacks.terms import KeyedVictim
from prunescope.engine.errors import DataError, SettingError
from prunescope.engine.live.models import LiveModels
from prunescope.engine.live.side_result import TextTarget
from prunescope.engine.live.text_attack import AttackSettings
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.store import victim_key
from prunescope.engine.studies.prepare import PreparedStudy

MOST_VICTIMS = 4


@dataclass(frozen=True, slots=True)
class AttackRequest:
    """Who is attacked, and how."""

    victims: Mapping[str, tuple[str, float]]  # name → (study key, sparsity)
    settings: AttackSettings

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> "AttackRequest":
        """Raises SettingError for too many victims, two of one name, or a budget below 1."""
        entries = request["victims"]
        victims = {entry["name"]: (entry["study"], float(entry["sparsity"])) for entry in entries}
        if not 1 <= len(entries) <= MOST_VICTIMS or len(victims) < len(entries):
            raise SettingError(
                f"{len(entries)} victims were requested; name 1 to {MOST_VICTIMS}, each with a "
                "name of its own."
            )
        queries, seconds = request.get("queries"), request.get("seconds")
        for name, value in (("queries", queries), ("seconds", seconds)):
            if value is not None and not value > 0:
                raise SettingError(f"The budget is {value} {name}; it must be above 0.")
        attack, seed = request.get("attack", "deepwordbug"), int(request.get("seed", 0))
        return cls(victims, AttackSettings(attack, seed, Budget(queries, seconds)))


@dataclass(frozen=True, slots=True)
class ReadyVictims:
    """The victims of a request, loaded."""

    sides: Mapping[str, KeyedVictim]
    targets: Mapping[str, TextTarget]
    notices: tuple[str, ...]
    first: PreparedStudy
    has_texts: bool  # whether the first one's data is on this machine

    @property
    def victims(self) -> dict[str, Victim]:
        """The victims by name."""
        return {name: side.victim for name, side in self.sides.items()}

    def settings(self, request: AttackRequest) -> AttackSettings:
        """How the request attacks, with the resources of the first victim's study."""
        return replace(request.settings, resources=self.first.spec.resources)

    @property
    def label_names(self) -> list[str]:
        """The classes of all victims."""
        return list(self.first.study.about["label_names"])


def open_victims(
    models: LiveModels, request: AttackRequest, report: Progress = SILENT
) -> ReadyVictims:
    """Load or prune every victim.

    Raises DataError where a study is not in the store, or where classes differ.
    """
    sides: dict[str, KeyedVictim] = {}
    targets: dict[str, TextTarget] = {}
    notices: list[str] = []
    opened: list[tuple[PreparedStudy, bool]] = []
    for name, (key, sparsity) in request.victims.items():
        study = models.store.study(key)
        if study is None:
            raise DataError(f"The study {key[:12]} is not in the store; choose another one.")
        prepared, notice = models.open(study, report)
        opened.append((prepared, notice is None))
        _check_classes(name, prepared, next(iter(sides), name), opened[0][0])
        if sparsity == 0:
            victim, victim_id, achieved = prepared.victim, prepared.victim.fingerprint, 0.0
        else:
            pruned = models.pruned(prepared, sparsity, report)
            victim_id = victim_key(prepared.study.identity, sparsity)
            victim, achieved = pruned.victim, pruned.achieved
            notices += [] if notice is None else [notice]
        sides[name] = KeyedVictim(victim, victim_id)
        targets[name] = TextTarget(victim, key, sparsity, achieved)
    return ReadyVictims(sides, targets, tuple(dict.fromkeys(notices)), *opened[0])


def _check_classes(name: str, prepared: PreparedStudy, other: str, first: PreparedStudy) -> None:
    classes, expected = (tuple(study.study.about["label_names"]) for study in (prepared, first))
    if classes != expected:
        raise DataError(
            f"{name} tells apart {', '.join(classes)} and {other} {', '.join(expected)}; "
            "attack victims of the same classes."
        )
