"""Write docs/RESULTS.md from the bundled studies, so that no figure in it is typed by hand.

    .venv/bin/python scripts/results.py
"""

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from app import figures, subnetwork_charts  # noqa: E402  the project is not installed
from engine import (  # noqa: E402
    MemberSet,
    Rate,
    Store,
    Study,
    SubnetworkTable,
    member_sets,
    paired_levels,
    subnetwork_tables,
)

HEAD = """# Results

Every table is written by `scripts/results.py` from the studies in `cache/bundled`, one seed each unless it says so. Rates are in
per cent with their 95 % Wilson intervals; errors are relative (docs/METHOD.md). Aua and Asr are on the attacked examples, the
same at every level. The adjusted p-value is Holm's, for all levels of a table together.
"""
TITLES = {"embedded": "the project's reviews", "sst2": "SST-2 dev", "ag_news": "AG News", "imdb": "IMDB"}


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


def members_section(found: MemberSet) -> str:
    """One set of members: alone, averaged, and on the evaluation rows."""
    judged = found.selection
    lines = [
        f"\n## Members and averages: {TITLES.get(found.name, found.name)}\n",
        f"{len(found.members)} members of {found.training_rows:,} training rows each; judged on {judged['n']} rows that none was "
        f"trained on, {judged['attacked']} of them attacked ({judged['attack']}).\n",
        "| model | Acc | Aua | |", "|---|---|---|---|",
    ]  # fmt: skip
    for member in found.members:
        kind = "plain" if member.settings["adversarial"] == "none" else member.settings["adversarial"]
        rates = (None, None) if member.score is None else (member.score.acc, member.score.aua)
        lines.append(f"| {member.name} | {share(rates[0])} | {share(rates[1])} | {kind}{', left out: ' * bool(member.reason)}"
                     f"{member.reason} |")  # fmt: skip
    for by, made in found.averages.items():
        name = "uniform average" if by == "uniform" else f"greedy average by {by.capitalize()}"
        lines.append(f"| {name} | {share(made.score.acc)} | {share(made.score.aua)} | {', '.join(made.ingredients)} |")
    if found.evaluated and found.evaluation:
        counts = found.evaluation["counts"]
        lines += [f"\nOn the evaluation rows ({counts['evaluation']} evaluated, {counts['attacked']} attacked with "
                  f"{found.evaluation['attack']}), dense and pruned ({found.evaluation['method']}, {counts['calibration']} "
                  "calibration texts):\n",
                  "| model | sparsity | Acc | Aua |", "|---|--:|---|---|"]  # fmt: skip
        lines += [f"| {row.model} | {100 * row.sparsity:g} % | {share(row.score.acc)} | {share(row.score.aua)} |"
                  for row in found.evaluated]  # fmt: skip
    return "\n".join(lines) + "\n"


def subnetworks_section(found: SubnetworkTable) -> str:
    """One table of subnetworks: means over the seeds, and what one change does on the same rows."""
    names, spread = subnetwork_charts.sets_of(found), subnetwork_charts.spread_table(found)
    seeds, count = len({run.seed for run in found.runs}), ", ".join(f"{name} {n:,}" for name, n in found.rows.items())
    figures_of = ", ".join(f"{row.set}: {row.figure}" for row in spread.drop_duplicates("set").itertuples())
    missing = "" if len(found.runs) == found.planned else f" {len(found.runs)} of {found.planned} models are measured so far."
    lines = [
        f"\n## {found.title}\n", f"{found.stand_in}\n",
        f"{found.recipe['base']}, rows: {count}; {figures_of}, in per cent: "
        + ("mean (standard deviation) of the seeds" if seeds > 1 else "one seed with its 95 % interval")
        + f", gap in points.{missing}" + _bias(found) + "\n",
        "| model | sparsity | seeds | " + " | ".join(names) + " | " + " | ".join(f"ID − {name}" for name in names[1:]) + " |",
        "|---|--:|--:|" + "---|" * (2 * len(names) - 1),
    ]  # fmt: skip
    for (series, level), part in spread.groupby(["series", "sparsity"], sort=False):
        rows = [part[part["set"] == name].iloc[0] for name in names]
        lines.append(f"| {series} | {level:g} % | {rows[0]['seeds']} | " + " | ".join(map(_spread, rows)) + " | "
                     + " | ".join(f"{row['gap']:.1f}" for row in rows[1:]) + " |")  # fmt: skip
    for name in names:
        lines += _differences(found, name)
    return "\n".join(lines) + "\n"


def _bias(found: SubnetworkTable) -> str:
    if not found.bias:
        return ""
    return f" The bias model ({found.bias['features']}) is right on {share(Rate(**found.bias['acc']))} alone."


def _spread(row: Any) -> str:
    if row["seeds"] > 1:
        return f"{row['mean']:.1f} ({row['sd']:.1f})"
    return f"{row['mean']:.1f} [{row['low']:.1f}, {row['high']:.1f}]"


def _differences(found: SubnetworkTable, name: str) -> list[str]:
    table = subnetwork_charts.differences(found, name)
    if table.empty:
        return []
    return [f"\nOne thing changed, {name}: accuracy of the second minus the first's on the same {table['n'].iloc[0]:,} rows, "
            "in points, 95 % over the rows.\n", "| sparsity | second | minus | difference |", "|--:|---|---|---|",
            *(f"| {row.sparsity:g} % | {row.second} | {row.minus} | {row.difference:+.1f} [{row.low:+.1f}, {row.high:+.1f}] |"
              for row in table.itertuples())]  # fmt: skip


def render(store: Store) -> str:
    """The whole page."""
    studies = [store.study(study.key) for study in store.studies() if study.bundled]
    tables = [table(study) for study in studies if study is not None]
    members = [members_section(found) for found in member_sets(store) if found.bundled]
    subnetworks = [subnetworks_section(found) for found in subnetwork_tables(store) if found.bundled and found.runs]
    return HEAD + "".join(tables + members + subnetworks)


if __name__ == "__main__":
    (ROOT / "docs" / "RESULTS.md").write_text(render(Store(ROOT / "no-such-cache")), encoding="utf-8")
