"""`python -m engine study`, `demo`, `export`, `prune`, `unpack` and `latency`, and the options that
name victims and data.
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from prunescope.engine.attacks.catalogue import ATTACK_HELP, RESOURCES_HELP
from prunescope.engine.cli.console import (
    TOLERANCE,
    Console,
    latency_table,
    level_table,
    reading_of,
    reading_options,
    safe_lines,
)
from prunescope.engine.errors import SettingError
from prunescope.engine.records import LEVELS, Study, StudySpec
from prunescope.engine.store import Store, level_payload

Answer = tuple[dict[str, Any], str]  # (the JSON object, the table)
DEMO = {"levels": (0.0, 0.5, 0.7, 0.9), "attack_examples": 40, "eval_examples": 505}


def add_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands with `command(name, run, about)`."""
    study = command(
        "study",
        _study,
        "Prune a classifier at several sparsities and measure accuracy, accuracy under attack, "
        "attack success and every layer's error. What is stored already is not computed again.",
    )
    victim_options(study)
    study.add_argument(
        "--levels",
        type=levels_of,
        metavar="LIST",
        help="sparsities, e.g. 0,0.5,0.875 (default: 0 to 0.95 in "
        "steps of 0.05, or 0 and the pattern's own)",
    )
    measure_options(study)
    tolerance_option(study)
    study.add_argument(
        "--background",
        action="store_true",
        help="queue it as a job that goes on by itself; see `jobs`",
    )
    demo = command(
        "demo", _demo, "A small live study of the embedded default; about 3 minutes on 2 cores."
    )
    demo.add_argument("--cache", metavar="DIR", help="where results are kept (default: cache/user)")
    demo.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")
    tolerance_option(demo)
    for name, form, about in (
        ("export", "dense", "an ordinary model folder"),
        ("prune", "packed", "a folder that is smaller"),
    ):
        export = command(name, _export, f"Prune at one sparsity and write {about}.")
        victim_options(export)
        export.add_argument(
            "--sparsity",
            type=float,
            metavar="S",
            help="share of zeros, in [0, 1); may be left out with n:m",
        )
        export.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
        export.add_argument(
            "--format",
            choices=("packed", "dense"),
            default=form,
            help="packed: bitmaps and survivors, which "
            f"this program opens; dense: as any program opens it (default: {form})",
        )
        export.add_argument(
            "--half", action="store_true", help="packed only: round the survivors to fp16"
        )
    unpack = command("unpack", _unpack, "Write the ordinary model folder of a packed one.")
    unpack.add_argument("--model", required=True, metavar="DIR", help="the packed folder")
    unpack.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    _latency_options(
        command(
            "latency",
            _latency,
            "Measure milliseconds a sentence, dense and in sparse form, in turn.",
        )
    )


def tolerance_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tolerance",
        type=_points,
        default=TOLERANCE,
        metavar="POINTS",
        help="the last safe sparsity is the "
        "highest up to which Acc and Aua stay within so many points of dense (default: 3)",
    )


def _points(text: str) -> float:
    try:
        if 0 <= (found := float(text)) <= 100:
            return found
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of points from 0 to 100")


def levels_of(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of shares such as 0,0.5,0.875"
        ) from None


def victim_options(parser: argparse.ArgumentParser) -> None:
    default = StudySpec()
    parser.add_argument(
        "--model",
        default=default.model,
        metavar="M",
        help="embedded, a hub name, or a local folder (default: embedded)",
    )
    parser.add_argument(
        "--data",
        default=default.data,
        metavar="D",
        help="embedded, a hub name, a local folder, or a TSV, CSV, JSONL or Parquet file "
        "(default: embedded)",
    )
    parser.add_argument(
        "--method",
        default=default.method,
        metavar="NAME[:SETTING=VALUE,…]",
        help="adaptive, p1, sparsegpt, sparsegpt-static, wanda or magnitude; settings change single "
        "steps, as in adaptive:refit=none,importance=off (default: adaptive)",
    )
    parser.add_argument(
        "--pattern",
        default=default.pattern,
        help="unstructured, row, or n:m such as 2:4 or 32:64 (default: unstructured)",
    )
    parser.add_argument(
        "--allocation",
        default=default.allocation,
        help="sparsity over the layers: uniform, loss-equalised, or auto, which is loss-equalised "
        "for adaptive "
        "unless the pattern is n:m (default: auto)",
    )
    parser.add_argument(
        "--layers",
        default=default.layers,
        metavar="LIST",
        help="sparsity of chosen layers by hand, as in 0=0,output=0.4,5.output=0.3, or a JSON "
        "file; 0 leaves "
        "a layer out",
    )
    parser.add_argument(
        "--precision",
        default=default.precision,
        help="of the pruner's forward passes: fp32, tf32 or bf16 (default: fp32)",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="prune with fewer calibration tokens than a layer has inputs",
    )
    parser.add_argument(
        "--calibration",
        type=int,
        default=default.calibration,
        metavar="N",
        help="sentences the solver sees (default: 512)",
    )
    parser.add_argument(
        "--held-out",
        type=int,
        default=default.held_out,
        metavar="N",
        help="further calibration sentences, for the layer errors; they are drawn first, so a "
        "model of a study "
        "needs the same (default: 128)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=default.seed,
        help="of every choice of rows, and of the attack (default: 0)",
    )
    parser.add_argument("--device", default=default.device, help="auto, cpu, cuda (default: auto)")
    parser.add_argument(
        "--cache", metavar="DIR", help="where results are kept (default: cache/user)"
    )
    reading_options(parser)


def measure_options(parser: argparse.ArgumentParser) -> None:
    default = StudySpec()
    parser.add_argument(
        "--eval-examples",
        type=int,
        default=default.eval_examples,
        metavar="N",
        help="examples for accuracy (default: 872)",
    )
    parser.add_argument(
        "--attack",
        default=default.attack,
        metavar="NAME",
        help=ATTACK_HELP + "; or none (default: deepwordbug)",
    )
    parser.add_argument(
        "--attack-examples",
        type=int,
        default=default.attack_examples,
        metavar="N",
        help="examples attacked, the same at every level (default: 200)",
    )
    budget_options(parser)
    parser.add_argument("--resources", metavar="DIR", help=RESOURCES_HELP)


def budget_options(parser: argparse.ArgumentParser) -> None:
    """What one attack may use."""
    parser.add_argument(
        "--max-queries", type=int, metavar="N", help="budget of queries an example (default: none)"
    )
    parser.add_argument(
        "--max-seconds",
        type=float,
        metavar="S",
        help="budget of seconds an example (default: none)",
    )


def _latency_options(parser: argparse.ArgumentParser) -> None:
    for name, kept, about in (
        ("--model", "embedded", " (default: embedded)"),
        ("--against", None, ", measured in turn with it"),
    ):
        parser.add_argument(
            name, default=kept, metavar="M", help=f"embedded, a hub name, or a local folder{about}"
        )
    parser.add_argument(
        "--data",
        default="embedded",
        metavar="D",
        help="whose evaluation texts are read (default: embedded)",
    )
    parser.add_argument(
        "--forms",
        metavar="LIST",
        help="of dense, csr, 2:4 (default: dense,csr on the CPU, else dense)",
    )
    for name, count, about in (
        ("sentences", 64, "texts a round"),
        ("batch", 8, "texts a pass"),
        ("repeats", 20, "rounds"),
    ):
        parser.add_argument(
            f"--{name}", type=int, default=count, metavar="N", help=f"{about} (default: {count})"
        )
    parser.add_argument(
        "--dtype",
        choices=("float32", "float16", "bfloat16"),
        default="float32",
        help="of all sides",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the choice of texts")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")
    reading_options(parser)


def spec_from(options: argparse.Namespace, **fixed: Any) -> StudySpec:
    known = {
        name: value
        for name, value in vars(options).items()
        if name in StudySpec.__dataclass_fields__
    }
    if known.get("levels", ()) is None:
        own = _own_sparsity(options.pattern)
        known["levels"] = LEVELS if own is None else (0.0, own)
    return StudySpec(**{**known, **fixed}).rooted()


def _own_sparsity(pattern: str) -> float | None:
    """The one sparsity that an n:m pattern has; None for a pattern that takes any."""
    from prunescope.engine.pruning.patterns import NofM, pattern_named

    found = pattern_named(pattern)
    return found.sparsity if isinstance(found, NofM) else None


def _answer(study: Study, spec: StudySpec, points: float) -> dict[str, Any]:
    from prunescope.engine.reading.safety import doubts, last_safe

    levels = [
        {**level_payload(level), "seconds": level.seconds, "machine": level.machine}
        for level in study.levels
    ]
    shown = ("sparsity", "achieved", "acc", "aua", "asr", "cls_error", "layer_errors", "seconds")
    safe = last_safe(study, points)
    return {
        "spec": asdict(spec),
        "key": study.key,
        "about": study.about,
        "notices": list(
            dict.fromkeys(notice for level in study.levels for notice in level.notices)
        ),
        "last_safe": safe and asdict(safe),
        "doubts": list(doubts(study, points)),
        "levels": [{name: level[name] for name in shown} for level in levels],
    }


def _study(options: argparse.Namespace, console: Console) -> Answer:
    if options.background:
        return _queue(spec_from(options), options.cache, console)
    return _run(spec_from(options), options, console)


def _queue(spec: StudySpec, cache: str | None, console: Console) -> Answer:
    from prunescope.engine.cli.jobs import line, shown
    from prunescope.engine.jobs.queue import JobQueue
    from prunescope.engine.store.listing import study_rows
    from prunescope.engine.studies.estimate import estimate
    from prunescope.engine.studies.study import check_spec, check_there

    check_spec(spec)
    check_there(spec)
    queue, store = JobQueue(cache), Store(cache)
    row = queue.submit(spec, estimate(spec, study_rows(store)).seconds)
    console.notices(store.notices, answered=False)
    rows = queue.rows()
    return {"job": shown(row, rows)}, line(row, rows)


def _demo(options: argparse.Namespace, console: Console) -> Answer:
    return _run(spec_from(options, **DEMO), options, console)


def _run(spec: StudySpec, options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.studies.study import run_study

    store = Store(options.cache)
    study = run_study(spec, store, console.report)
    console.notices(store.notices, answered=False)
    return _answer(study, spec, options.tolerance), level_table(study) + safe_lines(
        study, options.tolerance
    )


def _export(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.export.folder import check_form, study_provenance, write_model
    from prunescope.engine.pruning.patterns import check_sparsity
    from prunescope.engine.store.atomic import new_folder
    from prunescope.engine.studies.study import prepare, pruned_at

    sparsity = (
        _own_sparsity(options.pattern)
        if options.sparsity is None
        else check_sparsity(options.sparsity)
    )
    if sparsity is None:
        raise SettingError(
            "There is no --sparsity; give a share of zeros such as 0.5, or a pattern such as "
            "--pattern 2:4."
        )
    check_form(options.format, options.half)
    folder = new_folder(options.out)  # before the long work, not after it
    spec = spec_from(options, attack="none", levels=(sparsity,))
    store = Store(options.cache)
    prepared = prepare(spec, console.report)
    console.notices(prepared.notices)
    pruned = pruned_at(prepared, sparsity, store, console.report)
    console.notices(store.notices, answered=False)
    provenance = study_provenance(prepared.study, pruned)
    console.notices(list(pruned.notices))
    sizes, sentence = write_model(pruned.victim, folder, provenance, options.format, options.half)
    lines = (
        f"{folder}: sparsity {pruned.achieved:.4f} of the prunable weights\n"
        f"{sizes['bytes']:,} bytes of weights, {sizes['dense_bytes']:,} dense: {sentence}\n"
    )
    return {**provenance, "out": str(folder), "format": options.format, **sizes}, lines


def _unpack(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.export.folder import unpack_folder

    folder = unpack_folder(options.model, options.out)
    size = (folder / "model.safetensors").stat().st_size
    return {
        "out": str(folder),
        "bytes": size,
    }, f"{folder}: {size:,} bytes of weights, zeros included\n"


def _latency(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.evaluation.latency import latency_of

    found = latency_of(
        [name for name in (options.model, options.against) if name],
        options.data,
        options.forms,
        options.sentences,
        options.batch,
        options.repeats,
        options.dtype,
        options.seed,
        options.device,
        console.report,
        **reading_of(options),
    )
    return asdict(found), latency_table(found)
