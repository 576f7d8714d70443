"""Make every baseline, and measure each on the examples of the study, unless it is stored.

<cache>/alternatives/parts/<key>.json    one baseline, by everything that decides it
<cache>/alternatives/models/<key>        a smaller model that was fine-tuned
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prunescope.engine.attacks.cached_run import attack_cached
from prunescope.engine.attacks.metrics import attack_notices, attack_rates
from prunescope.engine.attacks.terms import KeyedVictim
from prunescope.engine.baselines.blocks import first_blocks, head_resolved, shallow_base
from prunescope.engine.baselines.int8 import in_int8, int8_linears, write_int8
from prunescope.engine.baselines.records import (
    FOLDER,
    Baseline,
    BaselineTable,
    LatencyRatio,
    baseline_from,
    payload,
    row_payload,
    with_tests,
)
from prunescope.engine.baselines.spec import BaselineSpec, Way
from prunescope.engine.data import fit_dataset, load_dataset, sample
from prunescope.engine.evaluation.collapse import is_collapsed, majority_share
from prunescope.engine.evaluation.latency import compare_latency
from prunescope.engine.evaluation.measure import accuracy, read
from prunescope.engine.export.folder import export_model
from prunescope.engine.export.packed import save_packed
from prunescope.engine.export.pruned_models import has_pruned
from prunescope.engine.models.base import open_base
from prunescope.engine.models.packed import FILE as PACKED
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import AttackRecord, Rate
from prunescope.engine.store import Store, canonical, key_of, victim_key, write_atomic
from prunescope.engine.studies.identity import budget_of
from prunescope.engine.studies.level import measure_level
from prunescope.engine.studies.prepare import PreparedStudy, prepare
from prunescope.engine.studies.pruned import prune_and_save, pruned_at
from prunescope.engine.training.class_names import names_of
from prunescope.engine.training.finetune import TrainingSetup, finetune
from prunescope.engine.training.selection import training_split
from prunescope.engine.training.spec import TrainSpec

ROW_SHARES = {"make": 4, "judge": 5, "latency": 1}  # of the time that a row of the table takes
JUDGE_SHARES = {"evaluate": 1, "attack": 4}


@dataclass(slots=True)
class BaselineContext:
    """Everything a comparison works with, loaded once."""

    spec: BaselineSpec
    prepared: PreparedStudy
    store: Store
    say: Callable[[str], None]

    @property
    def folder(self) -> Path:
        """Where tables, parts and trained models are stored."""
        return self.store.root / FOLDER


def run_baselines(
    spec: BaselineSpec,
    store: Store | None = None,
    out: Path | None = None,
    report: Progress = SILENT,
    say: Callable[[str], None] = lambda sentence: None,
) -> BaselineTable:
    """Measure dense, the pruned levels and every baseline, and write the table to `out`
    (default: in the cache).

    Raises InputError before any long work on what cannot be used; InterruptedStudy from `report`
    leaves what is finished.
    """
    store = store or Store()
    context = BaselineContext(spec, prepare(spec.study, report), store, say)
    study, victim = context.prepared.study, context.prepared.victim
    ways = spec.ways(len(victim.architecture.modules(victim.model)))
    if spec.int8:
        in_int8(victim)  # raises where it cannot be measured
    store.save_study(study)
    parts = report.parts({"prune": 2, "ways": len(ways)})
    _solve_ahead(context, ways, parts["prune"])
    each_way = parts["ways"].each(ways, label=lambda way: way.name)
    rows = [_row_of(context, way, part) for way, part in each_way]
    report.finish()
    path = out or context.folder / f"{study.key[:12]}.json"
    labels = context.prepared.evaluation.labels
    described = ("model", "data", "method", "pattern", "attack", "seed", "counts", "label_names")
    about = {name: study.about[name] for name in described} | {
        "study": study.key,
        "blocks": len(victim.architecture.modules(victim.model)),
        "commonest": majority_share(labels),
        "training": spec.training() if spec.small else None,
    }
    table = BaselineTable(path.stem, path, False, about, _conditions(context), with_tests(rows))
    write_atomic(path, json.dumps(payload(table)).encode() + b"\n")
    return table


def _conditions(context: BaselineContext) -> dict[str, Any]:
    import torch

    from prunescope.engine.evaluation.latency import device_name

    spec = context.spec
    return {
        "device": device_name(context.prepared.victim.device),
        "threads": torch.get_num_threads(),
        "batch": spec.batch,
        "sentences": spec.sentences,
        "rounds": spec.rounds,
    }


def _solve_ahead(context: BaselineContext, ways: Sequence[Way], report: Progress) -> None:
    """Solve all levels that are due in one pass over the text; each then waits in the cache of
    victims.
    """
    prepared, store = context.prepared, context.store
    if not prepared.plan.method.calibrated:
        return
    levels = sorted(
        {way.sparsity for way in ways if way.sparsity and not _part(context, way).is_file()}
    )
    keys = {level: victim_key(prepared.study.identity, level) for level in levels}
    if due := [level for level in levels if not has_pruned(store, keys[level])]:
        with store.computing(*(keys[level] for level in due), report=report):
            if due := [level for level in due if not has_pruned(store, keys[level])]:
                # what no other process has made meanwhile
                for _ in prune_and_save(prepared, due, store, report):
                    pass


def _part(context: BaselineContext, way: Way) -> Path:
    """Where a baseline is kept, by everything that decides it."""
    spec = context.spec
    key = key_of(
        {
            "study": context.prepared.study.identity,
            "way": [way.kind, way.sparsity, way.blocks, way.head],
            "training": spec.training() if way.kind == "small" else None,
            "latency": [spec.sentences, spec.batch, spec.rounds],
        }
    )
    return context.folder / "parts" / f"{key}.json"


def _row_of(context: BaselineContext, way: Way, report: Progress) -> Baseline:
    """One baseline: kept, or measured now and kept."""
    path = _part(context, way)
    if path.is_file():
        return baseline_from(json.loads(path.read_text(encoding="utf-8")))
    with context.store.computing(path.stem, report=report):
        row = _measured(context, way, report)
        write_atomic(path, canonical(row_payload(row)) + b"\n")
    return row


def _measured(context: BaselineContext, way: Way, report: Progress) -> Baseline:
    parts = report.parts(ROW_SHARES)
    victim, trained = _model_of(context, way, parts["make"])
    acc, aua, asr, correct, attacks = measure_baseline(context, way, victim, parts["judge"])
    file_bytes = _bytes_on_disk(victim, way)
    tables = victim.architecture.embeddings(victim.model)
    embedding_bytes = sum(table.numel() * table.element_size() for table in tables)
    prunable = victim.prunable().values()
    zeros = sum(int((weight == 0).sum()) for weight in prunable) / sum(
        weight.numel() for weight in prunable
    )
    pace = _pace(context, way, victim, parts["latency"])
    right = set(correct)
    return Baseline(
        way.name,
        way.kind,
        zeros,
        len(victim.architecture.modules(victim.model)),
        trained,
        file_bytes,
        embedding_bytes,
        acc,
        aua,
        asr,
        tuple(row in right for row in range(len(context.prepared.evaluation))),
        attacks,
        pace,
    )


def _model_of(context: BaselineContext, way: Way, report: Progress) -> tuple[Victim, int]:
    """(the model of a baseline, rows it was trained on)."""
    prepared, dense = context.prepared, context.prepared.victim
    if way.kind == "small":
        return _trained(context, way, report)
    if way.kind == "dense":
        return dense, 0
    if way.kind == "blocks":
        assert way.blocks is not None
        shallow, text = first_blocks(dense, way.blocks), prepared.calibration
        return (head_resolved(dense, shallow, text.texts, text.pairs) if way.head else shallow), 0
    sparse = pruned_at(prepared, way.sparsity, context.store, report).victim
    return (in_int8(sparse) if "int8" in way.kind else sparse), 0


def _trained(context: BaselineContext, way: Way, report: Progress) -> tuple[Victim, int]:
    """A smaller model, fine-tuned from the base's first blocks on the training examples, or found
    where it was before.
    """
    spec, study = context.spec, context.spec.study
    assert way.blocks is not None
    data = load_dataset(study.data, **study.reading, seed=study.seed)
    data, _ = fit_dataset(data, context.prepared.victim.label_names, context.prepared.victim.name)
    rows, base = training_split(data), open_base(spec.base)
    names = names_of(data.name, None, rows, context.prepared.victim.label_names)
    key = key_of(
        {"base": base.sha256, "rows": rows.fingerprint(), "blocks": way.blocks, **spec.training()}
    )
    folder = context.folder / "models" / key[:16]
    if not (folder / "member.json").is_file():
        with tempfile.TemporaryDirectory() as work:
            start = open_base(str(shallow_base(base, way.blocks, Path(work) / "base")))
            shared = TrainingSetup(
                start,
                rows,
                names,
                0,
                context.prepared.victim.max_tokens,
                str(context.prepared.victim.device),
            )
            train = TrainSpec(
                f"blocks-{way.blocks}", study.seed, spec.learning_rate, spec.epochs, rank=0
            )
            finetune(train, shared, folder, report=report, say=context.say)
    victim = load_victim(str(folder.resolve()), str(context.prepared.victim.device))
    return replace(victim, max_tokens=context.prepared.victim.max_tokens), len(rows)


Measured = tuple[Rate, Rate | None, Rate | None, tuple[int, ...], tuple[AttackRecord, ...]]


def measure_baseline(
    context: BaselineContext, way: Way, victim: Victim, report: Progress
) -> Measured:
    """(Acc, Aua, Asr, examples that are right, attacked examples); dense and pruned ones are levels
    of the study.

    What hardly beats always naming the commonest label is not attacked: that such a model holds
    shows no robustness.
    """
    prepared = context.prepared
    if way.kind in ("dense", "pruned"):
        level = measure_level(prepared, way.sparsity, context.store, report)
        for notice in attack_notices(level.attacks, f"{way.name}: "):
            context.say(notice)
        return level.acc, level.aua, level.asr, level.correct, level.attacks
    parts = report.parts(JUDGE_SHARES)
    reading = read(victim, prepared.evaluation, parts["evaluate"])
    acc, correct = (
        accuracy(reading, prepared.evaluation.labels),
        reading.correct(prepared.evaluation.labels),
    )
    majority = majority_share(prepared.evaluation.labels)
    if not prepared.attacked or is_collapsed(acc, majority=majority):
        return acc, None, None, correct, ()
    spec = prepared.spec
    outcomes = attack_cached(
        {"it": KeyedVictim(victim, victim.fingerprint)},
        spec.attack,
        prepared.evaluation,
        prepared.attacked,
        spec.seed,
        context.store,
        parts["attack"],
        spec.resources,
        budget_of(spec),
        context.say,
    )
    attacks = tuple(text.record for text in outcomes["it"])
    for notice in attack_notices(attacks, f"{way.name}: "):
        context.say(notice)
    aua, asr = attack_rates(attacks)
    return acc, aua, asr, correct, attacks


def _bytes_on_disk(victim: Victim, way: Way) -> int:
    """Bytes of the file that holds the weights, written as its kind is stored and counted."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if int8_linears(victim.model):
            return write_int8(victim, work / "model.safetensors")
        if way.kind == "pruned":
            save_packed(victim, work / "packed", {})
            return (work / "packed" / PACKED).stat().st_size
        return (export_model(victim, work / "dense", {}) / "model.safetensors").stat().st_size


def _pace(context: BaselineContext, way: Way, victim: Victim, report: Progress) -> LatencyRatio:
    """Seconds a sentence, in turn with the dense model: pruned weights as CSR where that can be,
    else as they are.
    """
    spec, rows = context.spec, context.prepared.evaluation
    chosen = rows.take(sample(rows, spec.sentences, spec.study.seed))
    csr = way.kind == "pruned" and victim.device.type == "cpu"
    comparison = compare_latency(
        [(context.prepared.victim, "dense"), (victim, "csr" if csr else "dense")],
        chosen.texts,
        chosen.pairs,
        batch=spec.batch,
        repeats=spec.rounds,
        report=report,
    )
    form = "csr" if csr else "int8" if int8_linears(victim.model) else "dense"
    ratio = comparison.ratios[1]
    return LatencyRatio(
        form, comparison.sides[1].seconds.median, ratio.median, ratio.low, ratio.high
    )
