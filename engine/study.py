"""Run a study: load, prune, measure, attack, store, level by level. What is stored already is not computed again."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from engine.attacks.metrics import attack_rates
from engine.attacks.recipes import attack_identity, check_attack, used_resources
from engine.attacks.resources import find_resources
from engine.attacks.run import Attacker, attack_examples
from engine.data import Dataset, Examples, check_labels, load_dataset, sample
from engine.errors import DataError
from engine.evaluation.measure import Reading, accuracy, layer_errors, read, relative_error
from engine.models.victim import Victim, load_victim
from engine.progress import Reporter, silent
from engine.pruning.patterns import check_sparsity
from engine.pruning.pipeline import check_plan, prune_levels
from engine.pruning.plan import Plan, Pruned
from engine.records import LevelResult, Study, StudySpec
from engine.store import SCHEMA, Store, key_of, level_key
from engine.victims import is_kept, load_pruned, save_pruned, victim_key

Result = TypeVar("Result")
AT_ONCE = 8  # levels solved in one pass, which is what an interruption can lose


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
    dense: Reading | None = None
    solving: dict[float, dict[str, float]] = field(default_factory=dict)  # seconds of each level that was solved here


def split(data: Dataset, spec: StudySpec) -> tuple[Examples, Examples, Examples]:
    """(calibration, held-out, evaluation), pairwise disjoint by text.

    Calibration text that also occurs in the evaluation set is dropped first. Where there is less text than asked for,
    a fifth of it is held out and the rest calibrates.
    """
    if data.train is None:
        raise DataError(f"{data.name} has no training split, and calibration text must not come from the evaluation set; "
                        "add a train file, or name one file to have it divided in two.")  # fmt: skip
    evaluation = data.evaluation.take(sample(data.evaluation, spec.eval_examples, spec.seed))
    seen = set(_texts(evaluation))
    fresh, free = set[Any](), []
    for row, text in enumerate(_texts(data.train)):
        if text not in seen and text not in fresh:
            fresh.add(text)
            free.append(row)
    if len(free) < 2:
        raise DataError(f"{data.name} leaves {len(free)} calibration texts that are not in the evaluation set; at least 2 "
                        "are needed.")  # fmt: skip
    random.Random(spec.seed).shuffle(free)
    held = min(spec.held_out, max(1, len(free) // 5))
    calibration = sorted(free[held : held + spec.calibration])
    return data.train.take(calibration), data.train.take(sorted(free[:held])), evaluation


def _texts(examples: Examples) -> list[Any]:
    return list(zip(examples.texts, examples.pairs, strict=True)) if examples.pairs else list(examples.texts)


def check_spec(spec: StudySpec) -> Plan:
    """What can be checked before anything is loaded; raises SettingError."""
    plan = Plan.named(spec.method, spec.pattern, spec.allocation, spec.layers, spec.precision, spec.force)
    for level in spec.levels:
        plan.pattern.check_level(level)
    check_attack(spec.attack)
    return plan


def prepare(spec: StudySpec, report: Reporter = silent) -> Prepared:
    """Load and check everything; raises an InputError before any long work begins."""
    plan = check_spec(spec)
    report("load data", 0, 2)
    data = load_dataset(spec.data, text_column=spec.text_column, pair_column=spec.pair_column,
                        label_column=spec.label_column, seed=spec.seed)  # fmt: skip
    calibration, held_out, evaluation = split(data, spec)
    report("load model", 1, 2)
    victim = load_victim(spec.model, spec.device)
    check_plan(victim, plan)
    check_labels(evaluation, victim.num_labels, f"{data.name}, evaluation")
    rows = list(range(len(evaluation)))
    random.Random(spec.seed).shuffle(rows)
    attacked = tuple(sorted(rows[: spec.attack_examples])) if spec.attack != "none" else ()
    identity: dict[str, Any] = {
        "schema": SCHEMA, "victim": victim.fingerprint, "calibration": calibration.fingerprint(),
        "held_out": held_out.fingerprint(), "evaluation": evaluation.fingerprint(), "max_tokens": victim.max_tokens,
        "plan": plan.identity(), "attack": _attack_identity(spec, attacked), "seed": spec.seed,
    }  # fmt: skip
    study = Study(key_of(identity), identity, _about(spec, data, victim, calibration, held_out, evaluation, attacked))
    return Prepared(spec, study, victim, plan, calibration, held_out, evaluation, attacked)


def _attack_identity(spec: StudySpec, attacked: Sequence[int]) -> dict[str, Any] | None:
    if spec.attack == "none":
        return None
    return {**attack_identity(spec.attack, find_resources(spec.resources)), "examples": list(attacked)}


def _about(
    spec: StudySpec, data: Dataset, victim: Victim, calibration: Examples, held_out: Examples, evaluation: Examples,
    attacked: Sequence[int],
) -> dict[str, Any]:  # fmt: skip
    lengths = [len(ids) for ids in victim.encode(evaluation.texts, evaluation.pairs)["input_ids"]]
    weights = victim.prunable()
    used = used_resources(spec.attack, find_resources(spec.resources)) if spec.attack != "none" else {}
    return {
        "model": victim.name, "data": data.name, "method": spec.method, "pattern": spec.pattern,
        "allocation": spec.allocation, "layers": spec.layers, "precision": spec.precision, "attack": spec.attack,
        "resources": used,
        "seed": spec.seed, "label_names": list(data.label_names or victim.label_names),
        "counts": {"calibration": len(calibration), "held_out": len(held_out), "evaluation": len(evaluation),
                   "attacked": len(attacked)},
        "calibration_tokens": sum(len(ids) for ids in victim.encode(calibration.texts, calibration.pairs)["input_ids"]),
        "at_limit": sum(length >= victim.max_tokens for length in lengths), "max_tokens": victim.max_tokens,
        "prunable": sum(weight.numel() for weight in weights.values()),
        "parameters": sum(parameter.numel() for parameter in victim.model.parameters()),
        "spec": {name: value for name, value in asdict(spec).items() if name not in ("levels", "device")},
    }  # fmt: skip


def pruned_at(prepared: Prepared, sparsity: float, store: Store, report: Reporter = silent) -> Pruned:
    """The victim at one sparsity: from the cache, or solved now and kept there."""
    if (found := _kept(prepared, sparsity, store)) is not None:
        return found
    if _quick(prepared, sparsity):
        return next(_solve(prepared, (sparsity,), store, report))
    with store.computing(victim_key(prepared.study.identity, sparsity), report=report):
        return _kept(prepared, sparsity, store) or next(_solve(prepared, (sparsity,), store, report))


def _kept(prepared: Prepared, sparsity: float, store: Store) -> Pruned | None:
    if _quick(prepared, sparsity):
        return None
    return load_pruned(store, victim_key(prepared.study.identity, sparsity), prepared.victim)


def _quick(prepared: Prepared, sparsity: float) -> bool:
    """Whether a level is as quick to make as to read."""
    return sparsity == 0 or not prepared.plan.method.calibrated


def _solve(prepared: Prepared, levels: Sequence[float], store: Store, report: Reporter) -> Iterator[Pruned]:
    """Solve levels in one pass and keep each as soon as it is there."""
    text, start = prepared.calibration, time.perf_counter()
    for made in prune_levels(prepared.victim, text.texts, text.pairs, prepared.plan, levels, report):
        if not _quick(prepared, made.sparsity):
            save_pruned(store, victim_key(prepared.study.identity, made.sparsity), made, prepared.victim)
        prepared.solving[made.sparsity] = {
            "prune": round((time.perf_counter() - start) / len(levels), 3),  # its share of the pass
            **{f"solve {layer}": round(spent, 4) for layer, spent in made.seconds.items()},
        }
        yield made


def measure_level(prepared: Prepared, sparsity: float, store: Store, report: Reporter = silent) -> LevelResult:
    """One level, from the store or measured now; an attack that was cut short goes on at the next example."""
    sparsity = check_sparsity(sparsity) + 0.0  # 0 and -0.0 are 0.0, in the key and in the bytes
    if (found := store.level(prepared.study, sparsity)) is not None:
        return found
    with store.computing(level_key(prepared.study.identity, sparsity), report=report):
        if (found := store.level(prepared.study, sparsity)) is not None:  # another process made it meanwhile
            return found
        if sparsity == 0 and (found := store.twin(prepared.study, 0.0)) is not None:
            store.save_level(prepared.study, found)
            return found
        return _measure(prepared, sparsity, store, report)


def _measure(prepared: Prepared, sparsity: float, store: Store, report: Reporter) -> LevelResult:
    seconds: dict[str, float] = {}
    pruned = _timed(seconds, "prune", lambda: pruned_at(prepared, sparsity, store, _part(report, 0, 300)))
    seconds |= prepared.solving.get(sparsity, {})  # it may have waited in the cache since a pass of many levels
    if prepared.dense is None:
        prepared.dense = read(prepared.victim, prepared.evaluation)
    dense = prepared.dense
    reading = _timed(seconds, "evaluate", lambda: read(pruned.victim, prepared.evaluation, _part(report, 300, 350)))
    errors = layer_errors(prepared.victim, pruned.victim, prepared.held_out.texts, prepared.held_out.pairs,
                          _part(report, 350, 400))  # fmt: skip
    attacks = _timed(seconds, "attack", lambda: _attack(prepared, pruned, store, _part(report, 400, 1000)))
    aua, asr = attack_rates(attacks) if attacks else (None, None)
    zeros = sum(layer.zeros for layer in pruned.layers)
    level = LevelResult(
        sparsity=sparsity, achieved=pruned.achieved, achieved_model=zeros / prepared.study.about["parameters"],
        acc=accuracy(reading, prepared.evaluation.labels), aua=aua, asr=asr,
        cls_error=relative_error(dense.cls, reading.cls), layer_errors=errors,
        correct=reading.correct(prepared.evaluation.labels), attacks=attacks,
        layers=tuple(asdict(layer) for layer in pruned.layers),
        packed_bytes=sum(4 * (layer.weights - layer.zeros) + -(-layer.weights // 8) for layer in pruned.layers),
        dense_bytes=4 * sum(layer.weights for layer in pruned.layers), notices=pruned.notices, seconds=seconds,
    )  # fmt: skip
    store.save_level(prepared.study, level)
    return level


def _attack(prepared: Prepared, pruned: Pruned, store: Store, report: Reporter) -> tuple[Any, ...]:
    if not prepared.attacked:
        return ()
    spec, study, sparsity = prepared.spec, prepared.study, pruned.sparsity
    attacker = Attacker(pruned.victim, spec.attack, spec.seed, spec.resources)
    return attack_examples(attacker, prepared.evaluation, prepared.attacked, report,
                           store.kept_attacks(study, sparsity),
                           lambda record: store.keep_attack(study, sparsity, record))  # fmt: skip


def _timed(seconds: dict[str, float], name: str, work: Callable[[], Result]) -> Result:
    start = time.perf_counter()
    result = work()
    seconds[name] = round(time.perf_counter() - start, 3)
    return result


def _part(report: Reporter, low: int, high: int) -> Reporter:
    """A reporter for one part of a level, which counts 1,000."""

    def part(stage: str, done: int, total: int) -> None:
        of = f" {done} of {total}" if stage == "attack" and total else ""
        report(stage + of, low + (high - low) * done // max(total, 1), 1000)

    return part


def run_study(
    spec: StudySpec, store: Store | None = None, report: Reporter = silent, known: Callable[[Study], None] = lambda study: None
) -> Study:
    """Run every level of a study, dense first, and return it with the levels that were asked for.

    `known` hears which study it is as soon as its model and data are read. Raises InputError before any work on bad input;
    InterruptedStudy from `report` leaves all finished work in the store.
    """
    store = store or Store()
    prepared = prepare(spec, report)
    store.save_study(prepared.study)
    known(prepared.study)
    levels = sorted(set(spec.levels))
    sparse = [level for level in levels if level]
    batches = [levels[: len(levels) - len(sparse)], *(sparse[i : i + AT_ONCE] for i in range(0, len(sparse), AT_ONCE))]
    results: list[LevelResult] = []
    for batch in batches:
        low, middle = 1000 * len(results), 300 * len(batch)
        _solve_ahead(prepared, batch, store, _span(report, low, low + middle, 1000 * len(levels)))
        for place, level in enumerate(batch):
            part = _span(report, low + middle + 700 * place, low + middle + 700 * (place + 1), 1000 * len(levels), level)
            results.append(measure_level(prepared, level, store, part))
            store.notices += [notice for notice in results[-1].notices if notice not in store.notices]
    report("done", 1000 * len(levels), 1000 * len(levels))
    return replace(prepared.study, levels=tuple(results))


def _solve_ahead(prepared: Prepared, levels: Sequence[float], store: Store, report: Reporter) -> None:
    """Solve those of the levels that are neither measured nor kept, in one pass; they wait in the cache of victims."""
    if len(due := _due(prepared, levels, store)) < 2:
        return
    with store.computing(*(victim_key(prepared.study.identity, level) for level in due), report=report):
        if due := _due(prepared, due, store):  # what another process has not made meanwhile
            for _ in _solve(prepared, due, store, report):
                pass


def _due(prepared: Prepared, levels: Sequence[float], store: Store) -> list[float]:
    return [level for level in levels
            if not _quick(prepared, level) and store.level(prepared.study, level) is None
            and not is_kept(store, victim_key(prepared.study.identity, level))]  # fmt: skip


def _span(report: Reporter, low: int, high: int, whole: int, level: float | None = None) -> Reporter:
    """A reporter for one part of a study, which counts a thousand for every level."""

    def part(stage: str, done: int, total: int) -> None:
        named = stage if level is None else f"{100 * level:g} %: {stage}"
        report(named, low + (high - low) * done // max(total, 1), whole)

    return part
