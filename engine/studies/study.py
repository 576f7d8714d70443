"""Run a study: load, prune, measure, attack, store, level by level. What is stored already is not
computed again.
"""

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from prunescope.engine.attacks.attempt import Budget, Outcome
from prunescope.engine.attacks.cached_run import Side, Terms, with_texts
from prunescope.engine.attacks.metrics import attack_notices, attack_rates
from prunescope.engine.attacks.recipes import (
    attack_identity,
    check_attack,
    check_ready,
    used_resources,
)
from prunescope.engine.attacks.resources import find_resources
from prunescope.engine.attacks.run import Attacker, Attackers, attack_examples, attack_many
from prunescope.engine.attacks.texts import may_hold_texts
from prunescope.engine.attacks.word_diff import words_of_all
from prunescope.engine.data import Dataset, Examples, check_labels, fit_dataset, load_dataset
from prunescope.engine.data.draw import drawn_rows
from prunescope.engine.data.load import EMBEDDED, looks_like_path
from prunescope.engine.errors import DataError
from prunescope.engine.evaluation.latency import machine_of
from prunescope.engine.evaluation.measure import (
    Reading,
    accuracy,
    below_chance,
    layer_errors,
    read,
    relative_error,
)
from prunescope.engine.export.pruned_models import has_pruned, load_pruned, save_pruned, victim_key
from prunescope.engine.models.victim import Victim, check_model_path, load_victim
from prunescope.engine.models.weights import check_finite
from prunescope.engine.progress import SILENT, Progress, ProgressState
from prunescope.engine.pruning.methods import canonical_name
from prunescope.engine.pruning.patterns import check_sparsity
from prunescope.engine.pruning.pipeline import Kept, check_plan, check_tokens, prune_levels
from prunescope.engine.pruning.plan import Plan, Pruned
from prunescope.engine.records import AttackRecord, LevelResult, Study, StudySpec
from prunescope.engine.store import SCHEMA, Store, key_of, level_key
from prunescope.engine.studies.events import StudyOpened

Result = TypeVar("Result")
AT_ONCE = 8  # levels solved in one pass, which is what an interruption can lose
LEVEL_SHARES = {"prune": 6, "evaluate": 1, "layer_errors": 1, "attack": 12}  # of its time
ATTACKED_TOGETHER = 4  # levels, whose weights are in memory together


@dataclass(slots=True)
class Prepared:
    """Everything a study works with, loaded once."""

    spec: StudySpec
    study: Study
    victim: Victim
    plan: Plan
    calibration: Examples
    held_out: Examples
    evaluation: Examples
    attacked: tuple[int, ...]  # rows of `evaluation`
    notices: tuple[str, ...] = ()  # what loading had to say
    dense: Reading | None = None
    solving: dict[float, dict[str, float]] = field(
        default_factory=dict
    )  # seconds of each level that was solved here
    known: Kept = field(default_factory=Kept)  # what the pruner measured once


def split(data: Dataset, spec: StudySpec) -> tuple[Examples, Examples, Examples]:
    """(calibration, held-out, evaluation), pairwise disjoint by text.

    Calibration text that also occurs in the evaluation set is dropped first. Where there is less
    text than asked for, a fifth of it is held out and the rest calibrates.
    """
    if data.train is None:
        raise DataError(
            f"{data.name} has no training split, and calibration text must not come from the "
            "evaluation set; "
            "add a train file, or name one file to have it divided in two."
        )
    evaluation, _ = drawn_rows(data.evaluation, spec.eval_examples, 0, spec.seed)
    seen, keys = set(evaluation.row_keys()), data.train.row_keys()
    free = [row for row in data.train.distinct() if keys[row] not in seen]
    if len(free) < 2:
        raise DataError(
            f"{data.name} leaves {len(free)} calibration texts that are not in the evaluation set; "
            "at least 2 "
            "are needed."
        )
    random.Random(spec.seed).shuffle(free)
    held = min(spec.held_out, max(1, len(free) // 5))
    calibration = sorted(free[held : held + spec.calibration])
    return data.train.take(calibration), data.train.take(sorted(free[:held])), evaluation


def check_spec(spec: StudySpec) -> Plan:
    """What can be checked before anything is loaded; raises SettingError."""
    plan = Plan.named(
        spec.method, spec.pattern, spec.allocation, spec.layers, spec.precision, spec.force
    )
    for level in spec.levels:
        plan.pattern.check_level(level)
    check_attack(spec.attack)
    check_ready(spec.attack, spec.resources)
    return plan


def check_there(spec: StudySpec) -> None:
    """Whether a local model is there and local data can be read, without loading the model; raises
    ModelError, DataError.
    """
    check_model_path(spec.model)
    if (
        spec.data == EMBEDDED
        or os.path.exists(os.path.expanduser(spec.data))
        or looks_like_path(spec.data)
    ):
        load_dataset(spec.data, **spec.reading, seed=spec.seed)


def prepare(spec: StudySpec, report: Progress = SILENT, victim: Victim | None = None) -> Prepared:
    """Load and check everything, the model only where it is not given; raises an InputError before
    any long work begins.
    """
    spec = replace(spec, method=canonical_name(spec.method))
    plan = check_spec(spec)
    report("load data", 0, 2)
    data = load_dataset(spec.data, **spec.reading, seed=spec.seed)
    report("load model", 1, 2)
    victim = victim or load_victim(spec.model, spec.device)
    check_plan(victim, plan)
    data, notices = fit_dataset(data, victim.label_names, victim.name)
    check_labels(
        data.evaluation, victim.num_labels, f"{data.name}, evaluation"
    )  # before the draw: rows count as in the file
    calibration, held_out, evaluation = split(data, spec)
    to_attack = spec.attack_examples if spec.attack != "none" else 0
    _, attacked = drawn_rows(data.evaluation, spec.eval_examples, to_attack, spec.seed)
    notices = (*notices, *_one_class(evaluation))
    if attacked and not any(map(words_of_all, evaluation.take(attacked).row_keys())):
        raise DataError(
            f"None of the {len(attacked)} examples that were drawn to be attacked holds a word; "
            "give other data, or "
            "--attack none."
        )
    identity: dict[str, Any] = {
        "schema": SCHEMA,
        "victim": victim.fingerprint,
        "calibration": calibration.fingerprint(),
        "held_out": held_out.fingerprint(),
        "evaluation": evaluation.fingerprint(),
        "max_tokens": victim.max_tokens,
        "plan": plan.identity(),
        "attack": _attack_identity(spec, attacked),
        "seed": spec.seed,
    }
    study = Study(
        key_of(identity),
        identity,
        _about(spec, plan, data, victim, calibration, held_out, evaluation, attacked),
    )
    if any(spec.levels) and plan.method.calibrated:
        check_tokens(
            victim, plan, study.about["calibration_tokens"], len(calibration)
        )  # before the dense level, not after it
    return Prepared(
        spec,
        study,
        victim,
        plan,
        calibration,
        held_out,
        evaluation,
        attacked,
        (*victim.notices, *notices),
    )


def _one_class(evaluation: Examples) -> list[str]:
    """A small draw may hold one class of several: no fault of the data, but its accuracy is that of
    one class.
    """
    if len(set(evaluation.labels)) > 1:
        return []
    drawn = len(evaluation)
    who = (
        "The one example drawn for the evaluation has"
        if drawn == 1
        else f"All {drawn} examples drawn for the evaluation have"
    )
    return [
        f"{who} the label {evaluation.labels[0]}; the figures say nothing of the model's other "
        "classes, so evaluate more "
        "examples."
    ]


def _attack_identity(spec: StudySpec, attacked: Sequence[int]) -> dict[str, Any] | None:
    if spec.attack == "none":
        return None
    budget = {} if _budget(spec) == Budget() else {"budget": asdict(_budget(spec))}
    return {
        **attack_identity(spec.attack, find_resources(spec.resources)),
        "examples": list(attacked),
        **budget,
    }


def _budget(spec: StudySpec) -> Budget:
    return Budget(spec.max_queries, spec.max_seconds)


def _about(
    spec: StudySpec,
    plan: Plan,
    data: Dataset,
    victim: Victim,
    calibration: Examples,
    held_out: Examples,
    evaluation: Examples,
    attacked: Sequence[int],
) -> dict[str, Any]:
    lengths = [len(ids) for ids in victim.encode(evaluation.texts, evaluation.pairs)["input_ids"]]
    weights = victim.prunable()
    used = (
        used_resources(spec.attack, find_resources(spec.resources)) if spec.attack != "none" else {}
    )
    return {
        "model": victim.name,
        "data": data.name,
        "method": spec.method,
        "pattern": spec.pattern,
        "allocation": plan.allocation,
        "layers": spec.layers,
        "precision": spec.precision,
        "attack": spec.attack,
        "resources": used,
        "seed": spec.seed,
        "label_names": list(data.label_names or victim.label_names),
        "counts": {
            "calibration": len(calibration),
            "held_out": len(held_out),
            "evaluation": len(evaluation),
            "attacked": len(attacked),
        },
        "calibration_tokens": sum(
            len(ids) for ids in victim.encode(calibration.texts, calibration.pairs)["input_ids"]
        ),
        "at_limit": sum(length >= victim.max_tokens for length in lengths),
        "max_tokens": victim.max_tokens,
        "prunable": sum(weight.numel() for weight in weights.values()),
        "parameters": sum(parameter.numel() for parameter in victim.model.parameters()),
        "spec": {
            name: value for name, value in asdict(spec).items() if name not in ("levels", "device")
        },
    }


def pruned_at(
    prepared: Prepared, sparsity: float, store: Store, report: Progress = SILENT
) -> Pruned:
    """The victim at one sparsity: from the cache, or solved now and kept there."""
    if (found := _kept(prepared, sparsity, store)) is not None:
        return found
    if _quick(prepared, sparsity):
        return next(solve_levels(prepared, (sparsity,), store, report))
    with store.computing(victim_key(prepared.study.identity, sparsity), report=report):
        return _kept(prepared, sparsity, store) or next(
            solve_levels(prepared, (sparsity,), store, report)
        )


def _kept(prepared: Prepared, sparsity: float, store: Store) -> Pruned | None:
    if _quick(prepared, sparsity):
        return None
    return load_pruned(store, victim_key(prepared.study.identity, sparsity), prepared.victim)


def _quick(prepared: Prepared, sparsity: float) -> bool:
    """Whether a level is as quick to make as to read."""
    return sparsity == 0 or not prepared.plan.method.calibrated


def solve_levels(
    prepared: Prepared, levels: Sequence[float], store: Store, report: Progress
) -> Iterator[Pruned]:
    """Solve levels in one pass and keep each as soon as it is there."""
    text, start = prepared.calibration, time.perf_counter()
    for made in prune_levels(
        prepared.victim, text.texts, text.pairs, prepared.plan, levels, report, prepared.known
    ):
        check_finite(made.victim.model, made.victim.name, "prune less, or with more damping")
        made.victim.read(
            text.texts[:1], None if text.pairs is None else text.pairs[:1]
        )  # raises where it overflows
        if not _quick(prepared, made.sparsity):
            save_pruned(
                store, victim_key(prepared.study.identity, made.sparsity), made, prepared.victim
            )
        prepared.solving[made.sparsity] = {
            "prune": round((time.perf_counter() - start) / len(levels), 3),  # its share of the pass
            **{f"solve {layer}": round(spent, 4) for layer, spent in made.seconds.items()},
        }
        yield made


def measure_level(
    prepared: Prepared, sparsity: float, store: Store, report: Progress = SILENT
) -> LevelResult:
    """One level, from the store or measured now; an attack that was cut short goes on at the next
    example.
    """
    sparsity = check_sparsity(sparsity) + 0.0  # 0 and -0.0 are 0.0, in the key and in the bytes
    if (found := store.level(prepared.study, sparsity)) is not None:
        return found
    with store.computing(level_key(prepared.study.identity, sparsity), report=report):
        if (
            found := store.level(prepared.study, sparsity)
        ) is not None:  # another process made it meanwhile
            return found
        if sparsity == 0 and (found := store.twin(prepared.study, 0.0)) is not None:
            store.save_level(prepared.study, found)
            return found
        return _measure(prepared, sparsity, store, report)


def _measure(prepared: Prepared, sparsity: float, store: Store, report: Progress) -> LevelResult:
    seconds: dict[str, float] = {}
    parts = report.parts(LEVEL_SHARES)
    pruned = _timed(seconds, "prune", lambda: pruned_at(prepared, sparsity, store, parts["prune"]))
    seconds |= prepared.solving.get(
        sparsity, {}
    )  # it may have waited in the cache since a pass of many levels
    if prepared.dense is None:
        prepared.dense = read(prepared.victim, prepared.evaluation)
    dense = prepared.dense
    reading = _timed(
        seconds,
        "evaluate",
        lambda: read(pruned.victim, prepared.evaluation, parts["evaluate"]),
    )
    errors = layer_errors(
        prepared.victim,
        pruned.victim,
        prepared.held_out.texts,
        prepared.held_out.pairs,
        parts["layer_errors"],
    )
    before = seconds.pop("attack", 0.0)
    attacks = _timed(seconds, "attack", lambda: _attack(prepared, pruned, store, parts["attack"]))
    seconds["attack"] = round(seconds["attack"] + before, 3)
    aua, asr = attack_rates(attacks) if attacks else (None, None)
    acc = accuracy(reading, prepared.evaluation.labels)
    doubts = () if sparsity else below_chance(acc, prepared.victim.num_labels)
    zeros = sum(layer.zeros for layer in pruned.layers)
    level = LevelResult(
        sparsity=sparsity,
        achieved=pruned.achieved,
        achieved_model=zeros / prepared.study.about["parameters"],
        acc=acc,
        aua=aua,
        asr=asr,
        cls_error=relative_error(dense.cls, reading.cls),
        layer_errors=errors,
        correct=reading.correct(prepared.evaluation.labels),
        attacks=attacks,
        layers=tuple(asdict(layer) for layer in pruned.layers),
        packed_bytes=sum(
            4 * (layer.weights - layer.zeros) + -(-layer.weights // 8) for layer in pruned.layers
        ),
        dense_bytes=4 * sum(layer.weights for layer in pruned.layers),
        notices=(*prepared.notices, *doubts, *pruned.notices, *attack_notices(attacks)),
        seconds=seconds,
        machine=machine_of(prepared.victim.device),
    )
    store.save_level(prepared.study, level)
    return level


def _attack(
    prepared: Prepared, pruned: Pruned, store: Store, report: Progress
) -> tuple[AttackRecord, ...]:
    if not prepared.attacked:
        return ()
    spec, study, sparsity = prepared.spec, prepared.study, pruned.sparsity
    attacker = Attacker(pruned.victim, spec.attack, spec.seed, spec.resources, _budget(spec))
    return attack_examples(
        attacker,
        prepared.evaluation,
        prepared.attacked,
        _counted(report),
        store.unfinished_attacks(study, sparsity),
        _keeper(prepared, pruned.victim, sparsity, store),
    )


def _keeper(
    prepared: Prepared, victim: Victim, sparsity: float, store: Store
) -> Callable[[Outcome], None]:
    """Keeps an attacked example of a level: its record with the study, its texts where a batch
    finds them.

    The bundled store keeps no texts.
    """
    spec, identity = prepared.spec, prepared.study.identity
    key = victim_key(identity, sparsity) if sparsity else prepared.victim.fingerprint
    terms = Terms(spec.attack, prepared.evaluation, spec.seed, spec.resources, _budget(spec))
    texts = terms.texts(store, Side(victim, key)) if may_hold_texts(store) else None

    def keep(outcome: Outcome) -> None:
        store.append_attack(prepared.study, sparsity, outcome.record)
        if texts is not None:
            texts.keep(with_texts(outcome, prepared.evaluation))

    return keep


def _counted(report: Progress) -> Progress:
    """Adds the count to every stage."""

    def show(state: ProgressState) -> None:
        report(f"{state.stage} {state.done} of {state.total}", state.done, state.total)

    return Progress(show, report.emit)


def _timed(seconds: dict[str, float], name: str, work: Callable[[], Result]) -> Result:
    start = time.perf_counter()
    result = work()
    seconds[name] = round(time.perf_counter() - start, 3)
    return result


def run_study(
    spec: StudySpec,
    store: Store | None = None,
    report: Progress = SILENT,
) -> Study:
    """Run every level of a study, dense first, and return it with the levels that were asked for.

    Emits `StudyOpened` as soon as model and data are read. Raises InputError before any work on bad
    input; InterruptedStudy from `report` leaves all finished work in the store.
    """
    prepared = prepare(spec, report)
    report.emit(StudyOpened(prepared.study, prepared.notices))
    return run_prepared(prepared, store or Store(), report)


def run_prepared(prepared: Prepared, store: Store, report: Progress = SILENT) -> Study:
    """Run every level of a study that is loaded."""
    levels = prepared.spec.levels
    store.save_study(prepared.study)
    with store.using(prepared.study.key):
        return _run(prepared, sorted(set(levels)), store, report)


def _run(prepared: Prepared, levels: Sequence[float], store: Store, report: Progress) -> Study:
    sparse = [level for level in levels if level]
    batches = [
        levels[: len(levels) - len(sparse)],
        *(sparse[i : i + AT_ONCE] for i in range(0, len(sparse), AT_ONCE)),
    ]
    results = list[LevelResult]()
    for batch, of_batch in report.each(batches, [len(batch) for batch in batches]):
        ahead = 0 if len(batch) < 2 else 8
        parts = of_batch.parts({"ahead": ahead, "each": 10 - ahead})
        _work_ahead(prepared, batch, store, parts["ahead"])
        for level, part in parts["each"].each(batch, label=lambda level: f"{100 * level:g} %"):
            results.append(measure_level(prepared, level, store, part))
            store.notices += [
                notice for notice in results[-1].notices if notice not in store.notices
            ]
    for result in results:
        if (
            store.level(prepared.study, result.sparsity) is None
        ):  # its file was taken away while the others were measured
            store.save_level(prepared.study, result)
    report.finish()
    return replace(prepared.study, levels=tuple(results))


def _work_ahead(
    prepared: Prepared, levels: Sequence[float], store: Store, report: Progress
) -> None:
    """What levels share, done for all of them at once; `measure_level` finds it kept."""
    parts = report.parts({"prune": 3, "attack": 5})
    _solve_ahead(prepared, levels, store, parts["prune"])
    due = [level for level in levels if store.level(prepared.study, level) is None]
    starts = range(0, len(due), ATTACKED_TOGETHER)
    groups = [due[start : start + ATTACKED_TOGETHER] for start in starts]
    for group, part in parts["attack"].each(groups, [len(group) for group in groups]):
        _attack_ahead(prepared, group, store, part)


def _attack_ahead(
    prepared: Prepared, levels: Sequence[float], store: Store, report: Progress
) -> None:
    """Attack several levels in lock-step, so that candidates that do not depend on the victim are
    made once.
    """
    if (
        not prepared.attacked or prepared.spec.max_seconds is not None
    ):  # seconds count from an attack's own start
        return
    study = prepared.study
    with store.computing(*(level_key(study.identity, level) for level in levels), report=report):
        due = {f"{100 * level:g} %": level for level in levels if store.level(study, level) is None}
        if len(due) > 1:
            _attack_together(prepared, due, store, report)


def _attack_together(
    prepared: Prepared, due: dict[str, float], store: Store, report: Progress
) -> None:
    spec, study, began = prepared.spec, prepared.study, time.perf_counter()
    waiting = report.part(0, 0)
    victims = {
        side: pruned_at(prepared, level, store, waiting).victim for side, level in due.items()
    }
    attackers = Attackers(victims, spec.attack, spec.seed, spec.resources, _budget(spec))
    done = {side: store.unfinished_attacks(study, level) for side, level in due.items()}
    keepers = {side: _keeper(prepared, victims[side], level, store) for side, level in due.items()}
    attack_many(
        attackers,
        prepared.evaluation,
        prepared.attacked,
        _counted(report),
        done,
        lambda side, outcome: keepers[side](outcome),
    )
    for level in due.values():
        prepared.solving.setdefault(level, {})["attack"] = round(
            (time.perf_counter() - began) / len(due), 3
        )


def _solve_ahead(
    prepared: Prepared, levels: Sequence[float], store: Store, report: Progress
) -> None:
    """Solve those of the levels that are neither measured nor kept, in one pass; they wait in the
    cache of victims.
    """
    if len(due := _due(prepared, levels, store)) < 2:
        return
    with store.computing(
        *(victim_key(prepared.study.identity, level) for level in due), report=report
    ):
        if due := _due(prepared, due, store):  # what another process has not made meanwhile
            for _ in solve_levels(prepared, due, store, report):
                pass


def _due(prepared: Prepared, levels: Sequence[float], store: Store) -> list[float]:
    return [
        level
        for level in levels
        if not _quick(prepared, level)
        and store.level(prepared.study, level) is None
        and not has_pruned(store, victim_key(prepared.study.identity, level))
    ]
