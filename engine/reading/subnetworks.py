"""Tables of subnetworks in and out of distribution: runs in, data frames out."""

from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

import pandas as pd

from prunescope.engine.evaluation.collapse import is_collapsed
from prunescope.engine.evaluation.statistics import Statistic, paired_difference
from prunescope.engine.formatting import in_percent
from prunescope.engine.reading.verdicts import percent
from prunescope.engine.records import Rate
from prunescope.engine.subnetworks.figures import MeasuredSet, SubnetworkRun, SubnetworkTable

LOSSES = {"ce": "CE", "poe": "PoE", "reweight": "reweighting", "confreg": "ConfReg"}
SPELLED = {
    "ce": "cross-entropy",
    "poe": "product of experts",
    "confreg": "confidence regularization",
}
METHODS = {
    "full": "full model",
    "mask": "mask training",
    "imp": "IMP",
    "hard-concrete": "hard-concrete masks",
    "isolated": "fine-tuned in isolation",
}
ADVERSARIAL = {"freelb": "FreeLB", "pgd": "PGD", "smart": "SMART"}
FIGURES = {
    "accuracy": "accuracy",
    "f1_weighted": "weighted F1",
    "f1_binary": "F1 of the positive class",
}
ATTACKED = "under attack"  # the panel of accuracy under attack, beside those of the sets
Cells = dict[tuple[str, float], list[SubnetworkRun]]  # (cell, sparsity) → one run a seed


def series_name(run: SubnetworkRun) -> str:
    """What a person calls the cell of a run: "mask training, PoE + FreeLB, gradual"."""
    attacked = ADVERSARIAL.get(run.adversarial, run.adversarial)
    loss = LOSSES[run.loss] + (f" + {attacked}" if run.adversarial != "none" else "")
    schedule = ""
    if run.method == "mask":
        soft = "soft scores" if run.init == "soft" else ""
        schedule = run.schedule if run.schedule != "fixed" else soft
    parts = [METHODS[run.method], loss, schedule, "rewound" if run.rewind else ""]
    return ", ".join(filter(None, parts))


def sets_of(table: SubnetworkTable) -> list[str]:
    """The inside set, then the others."""
    if not table.runs:
        return []
    run = table.runs[0]
    return [run.inside.name, *(measured.name for measured in run.outside)]


def panels(table: SubnetworkTable) -> list[str]:
    """The sets, and accuracy under attack where it was measured."""
    return sets_of(table) + ([ATTACKED] if any(run.aua is not None for run in table.runs) else [])


def chances(table: SubnetworkTable) -> dict[str, float]:
    """The chance level of every panel, in [0, 1]: 1 / its number of classes. That of a set with an
    F1 of the positive class is ½; of the attacked examples, that of the inside set.
    """
    if not table.runs:
        return {}
    run = table.runs[0]
    classes = len(table.recipe.get("label_names", ())) or 2
    levels = {part.name: _chance(part, classes) for part in (run.inside, *run.outside)}
    return levels | {ATTACKED: levels[run.inside.name]}


def _chance(measured: MeasuredSet, classes: int) -> float:
    return 1 / (2 if "f1_binary" in measured.figures else classes)


def near_chance(table: SubnetworkTable, run: SubnetworkRun, name: str | None = None) -> bool:
    """Whether a model's accuracy on a set, the inside one unless it is named, is within five points
    of chance. Where it is so inside, figures of other sets mean nothing.
    """
    measured = _measured(run, name or run.inside.name)
    chance = chances(table)[measured.name]
    return is_collapsed(measured.figures["accuracy"], majority=chance)


def chance_sentences(table: SubnetworkTable) -> list[str]:
    """Which models of a table answer near chance, in words; nothing where none does."""
    inside, *outside = sets_of(table)
    collapsed = sorted({run.sparsity for run in table.runs if near_chance(table, run)})
    sentences = []
    if collapsed:
        count = sum(near_chance(table, run) for run in table.runs)
        where = f"at {percent(collapsed[0])}" + (" and above" if len(collapsed) > 1 else "")
        sentences.append(
            f"Near chance on {inside}: {count} of {len(table.runs)} models, {where}. They are "
            "faded, and their other scores mean nothing."
        )
    dense = [run for run in table.runs if run.sparsity == 0]
    lost = [name for name in outside if dense and all(near_chance(table, r, name) for r in dense)]
    if lost:
        sentences.append(
            f"Even the full model does hardly better than chance on {' and '.join(lost)}."
        )
    return sentences


def opening(tables: Sequence[SubnetworkTable]) -> SubnetworkTable:
    """The table that says most: with the most models above chance on every set."""

    def sound(table: SubnetworkTable) -> int:
        return sum(
            not any(near_chance(table, run, name) for name in sets_of(table)) for run in table.runs
        )

    return max(tables, key=sound)


def spread_table(table: SubnetworkTable) -> pd.DataFrame:
    """One row a cell, sparsity and set: mean and standard deviation over the seeds, in percent;
    the gap ID − OOD likewise; the chance level; and whether the models are near chance on the
    inside set, with most of the seeds.

    With one seed `sd` is missing, and `low` and `high` hold that model's own 95% interval.
    """
    chance = {name: in_percent(share) for name, share in chances(table).items()}
    cells: Cells = {}
    for run in table.runs:
        cells.setdefault((run.cell, run.sparsity), []).append(run)
    rows = []
    for (cell, sparsity), runs in cells.items():
        collapsed = sum(near_chance(table, run) for run in runs) > len(runs) / 2
        start = {"cell": cell, "series": series_name(runs[0]), "sparsity": 100 * sparsity}
        sets = [_set_row(runs, index, name) for index, name in enumerate(sets_of(table))]
        if attacked := [run.aua for run in runs if run.aua is not None]:
            sets.append({"set": ATTACKED, "figure": "accuracy", **_spread(attacked)})
        rows += [
            {**start, **row, "chance": chance[row["set"]], "collapsed": collapsed} for row in sets
        ]
    return pd.DataFrame(rows)


def _set_row(runs: Sequence[SubnetworkRun], index: int, name: str) -> dict[str, Any]:
    """One set of a cell: its figure, and its gap where it is not the inside set."""
    results = [(run.inside, *run.outside)[index] for run in runs]
    gaps = [run.gaps[name] for run in runs if name in run.gaps]
    values = [100 * (gap.value or 0) for gap in gaps]
    single = gaps[0] if len(gaps) == 1 else None
    return {
        "set": name,
        "figure": FIGURES[results[0].metric],
        **_spread([result.headline for result in results]),
        "gap": mean(values) if values else None,
        "gap_sd": stdev(values) if len(values) > 1 else None,
        "gap_low": in_percent(single.low) if single else None,
        "gap_high": in_percent(single.high) if single else None,
    }


def _spread(results: Sequence[Statistic | Rate]) -> dict[str, Any]:
    values = [100 * (result.value or 0) for result in results]
    single = results[0] if len(results) == 1 else None
    return {
        "mean": mean(values),
        "sd": stdev(values) if len(values) > 1 else None,
        "low": in_percent(single.low) if single else None,
        "high": in_percent(single.high) if single else None,
        "seeds": len(results),
        "n": results[0].n,
    }


def gaps(spread: pd.DataFrame, name: str) -> pd.DataFrame:
    """The numbers of the chart of gaps: one row a cell and sparsity, in points."""
    rows = spread[(spread["set"] == name) & spread["gap"].notna()]
    return rows[
        [
            *("cell", "series", "sparsity", "set", "gap", "gap_sd", "gap_low", "gap_high"),
            *("seeds", "n", "collapsed"),
        ]
    ]


def differences(table: SubnetworkTable, name: str) -> pd.DataFrame:
    """Pairs of cells that differ in one factor, at every sparsity: accuracy of the second minus the
    first's on the same examples, in points.
    """
    by_seed: dict[tuple[str, float], dict[int, SubnetworkRun]] = {}
    for run in table.runs:
        by_seed.setdefault((run.cell, run.sparsity), {})[run.seed] = run
    rows = [
        _difference(table, [(first[seed], second[seed]) for seed in seeds], name)
        for (cell, sparsity), first in by_seed.items()
        for (other, level), second in by_seed.items()
        if cell < other and level == sparsity and (seeds := sorted(set(first) & set(second)))
    ]
    return pd.DataFrame([row for row in rows if row is not None])


def _difference(
    table: SubnetworkTable, pairs: Sequence[tuple[SubnetworkRun, SubnetworkRun]], name: str
) -> dict[str, Any] | None:
    """One row for two cells, a pair of runs a seed; None where more than one factor differs."""
    first, second = pairs[0]
    if not _one_change(first, second):
        return None
    difference = paired_difference(
        [correct_examples(run, name) for run, _ in pairs],
        [correct_examples(run, name) for _, run in pairs],
    )
    if difference.value is None:
        return None
    return {
        "sparsity": 100 * first.sparsity,
        "second": series_name(second),
        "minus": series_name(first),
        "difference": 100 * difference.value,
        "low": in_percent(difference.low),
        "high": in_percent(difference.high),
        "n": difference.n,
        "seeds": len(pairs),
        "note": _difference_note(table, pairs, difference),
    }


def _difference_note(
    table: SubnetworkTable,
    pairs: Sequence[tuple[SubnetworkRun, SubnetworkRun]],
    difference: Statistic,
) -> str:
    """What weakens a difference: models near chance, or an interval that holds zero."""
    collapsed = [any(near_chance(table, run) for run in runs) for runs in zip(*pairs, strict=True)]
    if any(collapsed):
        return "both near chance" if all(collapsed) else "one near chance"
    low, high = difference.interval
    return "n.s." if low <= 0 <= high else ""


def correct_examples(run: SubnetworkRun, name: str) -> Sequence[bool]:
    """Which examples of a set a run classifies correctly."""
    return _measured(run, name).correct


def _measured(run: SubnetworkRun, name: str) -> MeasuredSet:
    return next(part for part in (run.inside, *run.outside) if part.name == name)


def _one_change(first: SubnetworkRun, second: SubnetworkRun) -> bool:
    """Whether two cells differ in one factor. How scores begin and sparsity grows means something
    between masks alone.
    """
    ways = ("loss", "schedule", "init") if first.method == second.method == "mask" else ("loss",)
    ways = (*ways, "adversarial", "rewind")
    if first.method != second.method and "gradual" in (first.schedule, second.schedule):
        return False
    differing = [way for way in ("method", *ways) if getattr(first, way) != getattr(second, way)]
    return len(differing) == 1


def group_table(table: SubnetworkTable, name: str, column: str, sparsity: float) -> pd.DataFrame:
    """Accuracy of every group of a set at one sparsity and of the full models: mean over seeds, in
    percent, with the spread.
    """
    groups: dict[tuple[str, str], list[tuple[float, int]]] = {}
    collapsed: dict[str, list[bool]] = {}
    for run in table.runs:
        if run.sparsity not in (0.0, sparsity):
            continue
        collapsed.setdefault(series_name(run), []).append(near_chance(table, run))
        for other in run.outside:
            for value, rate in (other.groups.get(column, {}) if other.name == name else {}).items():
                groups.setdefault((series_name(run), value), []).append(
                    (100 * (rate.value or 0), rate.n)
                )
    return pd.DataFrame(
        [
            {
                "series": series,
                "group": value.replace("_", " "),
                "mean": mean(rate for rate, _ in cells),
                "n": cells[0][1],
                "sd": stdev(rate for rate, _ in cells) if len(cells) > 1 else None,
                "seeds": len(cells),
                "chance": in_percent(chances(table)[name]),
                "collapsed": mean(collapsed[series]) > 0.5,
            }
            for (series, value), cells in groups.items()
        ]
    )
