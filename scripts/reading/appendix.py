"""Every bundled study as one table."""

from prunescope.engine import Study, paired_levels
from prunescope.engine.reading.titles import data_title, method_title
from scripts.reading.words import level_name, share


def table(study: Study) -> str:
    """One study as a table."""
    about, dense = study.about, study.level(0.0)
    lines = [
        f"\n### {about['model']} on {data_title(about['data'])}: {method_title(study.about)}\n",
        f"{about['counts']['evaluation']} evaluated, {about['counts']['attacked']} attacked "
        f"({about['attack']}), "
        f"{about['counts']['calibration']} calibration sentences ({about['calibration_tokens']:,} "
        "tokens), "
        f"{about['counts']['held_out']} held out for the layer errors, seed {about['seed']}.\n",
        "| sparsity | Acc | Aua | Asr | Asr paired: dense / pruned (n), McNemar p, adjusted | "
        "[CLS] error "
        "| layer error, median |",
        "|---|---|---|---|---|---|---|",
    ]
    attacked = {
        level.sparsity: level.attacks
        for level in study.levels
        if level.attacks and level.sparsity > 0
    }
    pairs = paired_levels(dense.attacks, attacked) if dense is not None and dense.attacks else {}
    for level in study.levels:
        errors = sorted(level.layer_errors.values())
        paired = "–"
        if pair := pairs.get(level.sparsity):
            first, second = (100 * (rate.value or 0) for rate in (pair.first, pair.second))
            paired = (
                f"{first:.1f} / {second:.1f} ({pair.first.n}), {pair.p_value:.2g}, "
                f"{pair.adjusted:.2g}"
            )
        lines.append(
            f"| {level_name(level.sparsity)} | {share(level.acc)} | {share(level.aua)} | "
            f"{share(level.asr)} | {paired} "
            f"| {level.cls_error:.4f} | {errors[len(errors) // 2]:.4f} |"
        )
    return "\n".join(lines) + "\n"
