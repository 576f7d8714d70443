"""Write docs/RESULTS.md from the bundled studies, so that no figure in it is typed by hand.

    .venv/bin/python scripts/results.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from app import figures  # noqa: E402  the project is not installed
from engine import Rate, Store, Study, paired_levels  # noqa: E402

HEAD = """# Results

Every table is written by `scripts/results.py` from the studies in `cache/bundled`, one seed each. Rates are in per cent
with their 95 % Wilson intervals; errors are relative (docs/METHOD.md). Aua and Asr are on the attacked examples, the same at
every level. The adjusted p-value is Holm's, for all levels of a table together.
"""
TITLES = {"embedded": "the project's reviews", "sst2": "SST-2 dev"}


def share(rate: Rate | None) -> str:
    """A rate with its interval."""
    if rate is None or rate.value is None:
        return "–"
    return f"{100 * rate.value:.1f} [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


def table(study: Study) -> str:
    """One study as a table."""
    about, dense = study.about, study.level(0.0)
    lines = [
        f"\n## {about['model']} on {TITLES.get(about['data'], about['data'])}: {figures.how(study)}\n",
        f"{about['counts']['evaluation']} evaluated, {about['counts']['attacked']} attacked ({about['attack']}), "
        f"{about['counts']['calibration']} calibration sentences ({about['calibration_tokens']:,} tokens), "
        f"{about['counts']['held_out']} held out for the layer errors, seed {about['seed']}.\n",
        "| sparsity | Acc | Aua | Asr | Asr paired: dense / pruned (n), McNemar p, adjusted | [CLS] error "
        "| layer error, median |",
        "|---|---|---|---|---|---|---|",
    ]
    attacked = {level.sparsity: level.attacks for level in study.levels if level.attacks and level.sparsity > 0}
    pairs = paired_levels(dense.attacks, attacked) if dense is not None and dense.attacks else {}
    for level in study.levels:
        errors = sorted(level.layer_errors.values())
        paired = "–"
        if pair := pairs.get(level.sparsity):
            first, second = (100 * (rate.value or 0) for rate in (pair.first, pair.second))
            paired = f"{first:.1f} / {second:.1f} ({pair.first.n}), {pair.p_value:.2g}, {pair.adjusted:.2g}"
        lines.append(
            f"| {100 * level.sparsity:g} % | {share(level.acc)} | {share(level.aua)} | {share(level.asr)} | {paired} "
            f"| {level.cls_error:.4f} | {errors[len(errors) // 2]:.4f} |"
        )
    return "\n".join(lines) + "\n"


def render(store: Store) -> str:
    """The whole page."""
    studies = [store.study(study.key) for study in store.studies() if study.bundled]
    return HEAD + "".join(table(study) for study in studies if study is not None)


if __name__ == "__main__":
    (ROOT / "docs" / "RESULTS.md").write_text(render(Store(ROOT / "no-such-cache")), encoding="utf-8")
