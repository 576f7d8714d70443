"""How good the default is against SparseGPT and the seed paper's formula, on real text and several
draws of calibration text.

    PRUNESCOPE_DATA=… python -m benchmarks.quality --out FILE.jsonl [--data sst2,ag_news,imdb]
      [--draws 5]   measures; resumes
    python -m benchmarks.quality --out FILE.jsonl --table
      prints the table

The victim is the embedded one. A draw is a random choice of `--sentences` training sentences; the
figure is the error of the last [CLS] embedding on unseen text, ‖sparse − dense‖² / ‖dense − mean‖².
Every figure of the table is a ratio within one draw: the default's error over the better of the two
others, the mean over draws with the worst draw behind it.
"""

import argparse
import itertools
import json
import os
import random
import resource
import statistics
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from prunescope.engine.data import load_dataset
from prunescope.engine.evaluation.measure import relative_error
from prunescope.engine.models.victim import load_victim
from prunescope.engine.pruning.methods import canonical_name
from prunescope.engine.pruning.pipeline import prune_levels
from prunescope.engine.pruning.plan import Plan

UNSTRUCTURED = (0.3, 0.5, 0.7, 0.875)
# the default, and the same with the joint solver as it was first written
FIRST, PEERS = ("adaptive", "adaptive:solver=joint-grouped"), ("sparsegpt", "p1")
PATTERNS = ("unstructured", "2:4", "4:8", "32:64")
TRAIN = {"sst2": "train_sentences.tsv", "ag_news": "train.parquet", "imdb": "train.parquet"}
EVALUATION = {"sst2": "validation.tsv", "ag_news": "test.tsv", "imdb": "test.parquet"}
EXAMPLES = 872  # of the evaluation file, drawn with seed 0


def _rows(path: Path) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """All texts and labels of a file: both halves that loading divides it into."""
    data = load_dataset(str(path))
    if data.train is None:
        raise SystemExit(f"{path} is not one file of examples")
    return data.train.texts + data.evaluation.texts, data.train.labels + data.evaluation.labels


Job = tuple[str, int, str, str, tuple[float, ...]]


def jobs(data: list[str], methods: list[str], patterns: list[str], draws: int) -> Iterator[Job]:
    """(text, draw, method, pattern, levels) of everything to measure."""
    for pattern, name, method, draw in itertools.product(patterns, data, methods, range(draws)):
        yield name, draw, method, pattern, UNSTRUCTURED if pattern == "unstructured" else (0.5,)


def measure(out: Path, pending: Iterable[Job], sentences: int) -> None:
    folder = Path(os.environ["PRUNESCOPE_DATA"])
    done = {
        tuple(record[name] for name in ("data", "draw", "method", "pattern"))
        for record in records(out)
    }
    victim = load_victim("embedded")
    for name, draw, method, pattern, levels in pending:
        if (name, draw, method, pattern) in done:
            continue
        texts, _ = _rows(folder / name / TRAIN[name])
        unseen, labels = _rows(folder / name / EVALUATION[name])
        chosen = random.Random(0).sample(range(len(unseen)), min(EXAMPLES, len(unseen)))
        judged, truth = (
            [unseen[row] for row in chosen],
            torch.tensor([labels[row] for row in chosen]),
        )
        calibration = [
            texts[row] for row in random.Random(draw).sample(range(len(texts)), sentences)
        ]
        if overlap := set(calibration) & set(judged):
            raise SystemExit(
                f"{name}: {len(overlap)} calibration sentences are in the evaluation set"
            )
        dense, dense_cls = victim.read(judged)
        start, results = time.perf_counter(), []
        for pruned in prune_levels(victim, calibration, None, Plan.named(method, pattern), levels):
            logits, cls = pruned.victim.read(judged)
            same = name == "sst2"  # the victim knows other labels than AG News has
            acc = (
                float((logits.argmax(1) == truth).float().mean())
                if same or name == "imdb"
                else None
            )
            agree = float((logits.argmax(1) == dense.argmax(1)).float().mean())
            results.append(
                {
                    "level": pruned.sparsity,
                    "error": relative_error(dense_cls, cls),
                    "acc": acc,
                    "agree": agree,
                }
            )
        seconds = time.perf_counter() - start
        card = torch.cuda.get_device_name() if victim.device.type == "cuda" else "CPU"
        record = {
            "data": name,
            "draw": draw,
            "method": method,
            "pattern": pattern,
            "levels": results,
            "n": len(judged),
            "seconds": round(seconds, 1),
            "tokens": sum(map(len, victim.encode(calibration)["input_ids"])),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "device": card,
        }
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        print(json.dumps(record), flush=True)


def records(out: Path) -> list[dict[str, Any]]:
    """What was measured before, under today's names of methods."""
    if not out.is_file():
        return []
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    return [line | {"method": canonical_name(line["method"])} for line in lines]


def table(out: Path) -> Iterator[str]:
    """Lines of a Markdown table: errors of the three, and the ratio with its worst draw."""
    errors: dict[tuple[str, str, float], dict[str, dict[int, dict[str, Any]]]] = {}
    for record in records(out):
        for level in record["levels"]:
            by_method = errors.setdefault((record["data"], record["pattern"], level["level"]), {})
            by_method.setdefault(record["method"], {})[record["draw"]] = level
    yield (
        "| text | pattern | sparsity | joint solver | default | SparseGPT | P1, exact, per row | "
        "ratio | worst draw | draws |"
    )
    yield "|---|---|--:|---|--:|--:|--:|--:|--:|--:|"
    ordered = sorted(
        errors.items(), key=lambda item: (item[0][0], PATTERNS.index(item[0][1]), item[0][2])
    )
    for (data, pattern, level), methods in ordered:
        for first in FIRST:
            if first not in methods:
                continue
            common = set.intersection(*(set(methods.get(name, ())) for name in (first, *PEERS)))
            cells = [_cell(methods.get(name, {})) for name in (first, *PEERS)]
            ratios = [
                methods[first][draw]["error"] / min(methods[name][draw]["error"] for name in PEERS)
                for draw in sorted(common)
            ]
            ratio = [f"{statistics.mean(ratios):.2f}", f"{max(ratios):.2f}"] if ratios else ["", ""]
            solver = first.partition("=")[2] or "joint"
            head = [data, pattern, f"{100 * level:g}%", solver]
            yield "| " + " | ".join([*head, *cells, *ratio, str(len(common))]) + " |"


def _cell(draws: dict[int, dict[str, Any]]) -> str:
    if not draws:
        return ""
    error = statistics.mean(level["error"] for level in draws.values())
    accs = [level["acc"] for level in draws.values() if level["acc"] is not None]
    return f"{error:.4f}" + (f" / {100 * statistics.mean(accs):.1f}" if accs else "")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", default="sst2,ag_news,imdb")
    parser.add_argument("--methods", default=",".join((FIRST[0], *PEERS)))
    parser.add_argument("--patterns", default=",".join(PATTERNS))
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--sentences", type=int, default=512)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if not options.table:
        methods = [canonical_name(name) for name in options.methods.split(",")]
        data, patterns = options.data.split(","), options.patterns.split(",")
        measure(options.out, jobs(data, methods, patterns, options.draws), options.sentences)
    print("\n".join(table(options.out)))


if __name__ == "__main__":
    main()
