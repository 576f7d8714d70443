"""P1's Table 4 on many sentences: how far [CLS] moves from the dense model's, block by block, on clean and adversarial text.

    PRUNESCOPE_DATA=… python scripts/evidence/distances.py --cache DIR

The adversarial texts are those with which DeepWordBug breaks the dense victim; the same texts are read by every pruned one.
What is kept are figures, no text: cache/bundled/evidence/distances.json.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from engine import Mean, Store, StudySpec  # noqa: E402
from engine.attacks.run import Attackers, Example  # noqa: E402
from engine.evaluation.inside import cls_distances, read_inside  # noqa: E402
from engine.study import prepare, pruned_at  # noqa: E402

OUT = ROOT / "cache" / "bundled" / "evidence" / "distances.json"
METHODS = ("adaptive", "sequential", "wanda", "magnitude")
LEVELS = (0.5, 0.875)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", help="where pruned victims are kept (default: cache/user)")
    parser.add_argument("--examples", type=int, default=100, help="of the attacked ones")
    options = parser.parse_args()
    store = Store(options.cache)
    spec = StudySpec(data=str(Path(os.environ["PRUNESCOPE_DATA"]) / "sst2"), calibration=1024, held_out=256, levels=LEVELS)
    first = prepare(spec)
    rows = first.attacked[: options.examples]
    texts = _adversarial(first, rows)
    print(f"{len(texts)} of {len(rows)} examples are broken on the dense victim", flush=True)
    read = {kind: [read_inside(first.victim, pair[kind]).cls for pair in texts] for kind in ("clean", "adversarial")}
    series = []
    for method in METHODS:
        prepared = prepare(replace(spec, method=method))
        for level in LEVELS:
            victim = pruned_at(prepared, level, store).victim
            for kind, dense in read.items():
                found = [cls_distances(one, read_inside(victim, pair[kind]).cls) for one, pair in zip(dense, texts, strict=True)]
                of_block = [[one[1][block] for one in found] for block in range(1, len(found[0][1]))]
                series.append({"method": method, "sparsity": level, "text": kind,
                               "cosine": [asdict(Mean.of(values)) for values in of_block]})  # fmt: skip
            print(method, level, flush=True)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"model": first.victim.name, "data": "sst2", "attack": "deepwordbug", "examples": len(rows),
                               "broken": len(texts), "calibration": 1024, "series": series}, indent=1) + "\n")  # fmt: skip


def _adversarial(prepared, rows) -> list[dict[str, str]]:  # type: ignore[no-untyped-def]
    """Clean and adversarial text of each example that the attack breaks on the dense victim."""
    evaluation = prepared.evaluation
    attackers = Attackers({"dense": prepared.victim}, "deepwordbug", prepared.spec.seed, None)
    examples = [Example(evaluation.texts[row], None, evaluation.labels[row], row) for row in rows]
    texts = []
    for ended in attackers.run(((example, attackers.sides) for example in examples), lambda: None):
        for _, outcome in ended:
            if outcome.record.outcome == "broken":
                row = outcome.record.example
                texts.append({"row": row, "clean": evaluation.texts[row], "adversarial": outcome.perturbed})
    return sorted(texts, key=lambda text: text["row"])


if __name__ == "__main__":
    main()
