"""The victims of a comparison, by name: one model, two models, or a model and itself pruned."""

from dataclasses import replace

from prunescope.engine.attacks.terms import KeyedVictim
from prunescope.engine.data.matching import can_match, class_places, unmatched
from prunescope.engine.errors import DataError, SettingError
from prunescope.engine.models.classes import in_order
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.pruning.plan import level_name
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store, victim_key
from prunescope.engine.studies.prepare import prepare
from prunescope.engine.studies.pruned import pruned_at


def one_side(spec: StudySpec) -> dict[str, KeyedVictim]:
    """The model alone."""
    victim = load_victim(spec.model, spec.device)
    return {victim.name: KeyedVictim(victim, victim.fingerprint)}


def model_sides(spec: StudySpec, against: str) -> tuple[dict[str, KeyedVictim], list[str]]:
    """(the model and another one, notices). Raises DataError where they have different numbers of
    classes.
    """
    first, second = load_victim(spec.model, spec.device), load_victim(against, spec.device)
    one, two = (", ".join(victim.label_names) for victim in (first, second))
    if first.num_labels != second.num_labels:
        raise DataError(
            f"{first.name} has {first.num_labels} classes ({one}) and {second.name} has "
            f"{second.num_labels} ({two}); compare models of one task."
        )
    names = (first.name, second.name) if first.name != second.name else (spec.model, against)
    if names[0] == names[1]:
        raise SettingError(
            f"--model and --against both name {names[0]}; name two models, or prune one with "
            "--sparsity."
        )
    if not can_match(first.label_names, second.label_names):
        clash = unmatched(names[0], first.label_names, names[1], second.label_names)
        raise DataError(f"{clash}; name them alike in id2label of their config.json.")
    known = one == two or class_places(first.label_names, second.label_names) is not None
    notices = (
        []
        if known
        else [
            f"{names[0]} calls its classes {one} and {names[1]} {two}; they are matched by number."
        ]
    )
    victims = first, in_order(second, first.label_names)
    return {
        name: _named(victim, name) for name, victim in zip(names, victims, strict=True)
    }, notices


def pruned_sides(
    spec: StudySpec, sparsity: float, store: Store, report: Progress = SILENT
) -> tuple[dict[str, KeyedVictim], list[str]]:
    """(the model dense and pruned, notices)."""
    prepared = prepare(replace(spec, attack="none"), report)
    pruned = pruned_at(prepared, sparsity, store, report)
    dense, name = prepared.victim, level_name(prepared.victim.name, sparsity)
    sparse = KeyedVictim(
        replace(pruned.victim, name=name), victim_key(prepared.study.identity, sparsity)
    )
    return {dense.name: KeyedVictim(dense, dense.fingerprint), name: sparse}, [
        *store.notices,
        *pruned.notices,
    ]


def _named(victim: Victim, name: str) -> KeyedVictim:
    return KeyedVictim(replace(victim, name=name), victim.fingerprint)
