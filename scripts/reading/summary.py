"""What the page says in short. The words follow from the figures, so a study that comes out
otherwise changes the sentence.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prunescope.app.charts import subnetworks as subnetwork_charts
from prunescope.engine import (
    AlternativesTable,
    MemberSet,
    Statistic,
    Study,
    SubnetworkTable,
    is_collapsed,
)
from scripts.reading import ablation, curves, subnetworks
from scripts.reading.words import (
    ATTACKS,
    TITLES,
    about,
    acc_difference,
    aua_difference,
    bare,
    by_attack,
    level_name,
    points,
    rows,
    usual,
)

SURE = 0.05  # p, after Holm
ENOUGH = 20  # pruned victims of one dense model, for a sentence about all of them
HEAD = """
## In short

Differences are in points on the same rows, with 95 % intervals; bold leaves out zero. They are not corrected for their number.

"""


DEBIASING = """
Does debiasing a subnetwork help, does a gradual schedule, do masks beat magnitudes? Accuracy of the same rows, in and out of
distribution; the sections below have every model. Many at 70 and 90 % are close to guessing at home, and what such a model does
abroad says nothing.

"""


def section(
    studies: Sequence[Study],
    dense_models: Mapping[str, Sequence[Study]],
    members: Iterable[MemberSet],
    tables: Iterable[SubnetworkTable],
    others: Iterable[AlternativesTable],
) -> str:
    """The questions, with a sentence for each answer; `dense_models` are the studies of each of
    these.
    """
    told = {
        "What does the default cost?": _cost(studies),
        "Is it better than other methods?": _others(studies),
        "Is training better than solving?": _untrained(studies, tables),
        "Is pruning better than other ways to a smaller file?": _alternatives(others),
        "What do the parts of the method do?": ablation.in_short(studies),
        "Does robustness follow the knowledge that is kept?": _thesis(dense_models),
        "Where does robustness come from?": [*_starts(studies), *_averaging(members)],
    }
    return HEAD + "\n".join(
        f"**{question}**\n\n" + "".join(f"- {sentence}\n" for sentence in sentences)
        for question, sentences in told.items()
        if sentences
    )


def _verdict(found: Statistic, up: str, down: str, same: str) -> str:
    return up if found.low > 0 else down if found.high < 0 else same


def _sets(studies: Sequence[Study]) -> list[tuple[str, dict[str, dict[str, Study]]]]:
    """Data set → method → attack → study, of the shipped victims without a pattern."""
    found = []
    for title, data, model in (
        ("SST-2", "sst2", "MiniLM-L6"),
        ("AG News", "ag_news", "MiniLM-L6 (ag_news)"),
        ("IMDB", "imdb", "MiniLM-L6 (imdb)"),
    ):
        mine = [
            study
            for study in about(studies, data=data, model=model, pattern="unstructured", seed=0)
            if usual(study) and any(level.attacks for level in study.levels)
        ]
        methods = {
            study.about["method"]: by_attack(about(mine, method=study.about["method"]))
            for study in mine
        }
        if "adaptive" in methods:
            found.append((title, methods))
    return found


def _cost(studies: Sequence[Study]) -> list[str]:
    """What pruning with the default costs."""
    told = []
    for title, methods in _sets(studies):
        for sparsity in (0.5, 0.875):
            default = methods["adaptive"]
            first = next(iter(default.values()))
            acc = acc_difference(first, first, sparsity, 0.0)
            parts = [
                f"{points(aua)} in Aua under {ATTACKS[name]}"
                for name in ATTACKS
                if name in default
                and (aua := aua_difference(default[name], default[name], sparsity, 0.0)).value
                is not None
            ]
            if acc.value is not None and parts:
                told.append(
                    f"{title}, the default at {level_name(sparsity)} against dense: {points(acc)} "
                    "in Acc, " + ", ".join(parts) + "."
                )
    return told


def _others(studies: Sequence[Study]) -> list[str]:
    """Whether the default's accuracy and robustness are above those of the others at high sparsity."""
    told = []
    for title, methods in _sets(studies):
        default = methods["adaptive"].get("deepwordbug")
        for method, name in (
            ("p1", "P1's formula"),
            ("sparsegpt", "SparseGPT"),
            ("magnitude", "magnitude pruning"),
        ):
            other = methods.get(method, {}).get("deepwordbug")
            if default is None or other is None:
                continue
            acc, aua = acc_difference(other, default, 0.875), aua_difference(other, default, 0.875)
            if acc.value is None or aua.value is None:
                continue
            if (chance := _collapsed(other, 0.875)) is not None:
                told.append(
                    f"{title} at 87.5 %: {name} has collapsed ({chance} Acc; the default keeps "
                    f"{points(acc)} more), so "
                    "its Aua says nothing."
                )
                continue
            verdict = _verdict(
                acc,
                "keeps more accuracy than",
                "keeps less accuracy than",
                "cannot be told in accuracy from",
            )
            tail = _verdict(
                aua,
                "and holds more attacks",
                "yet holds fewer attacks",
                "and attacks do not tell them apart",
            )
            told.append(
                f"{title} at 87.5 %: the default {verdict} {name} ({points(acc)}), {tail} "
                f"({points(aua)} in Aua)."
            )
    return told


def _collapsed(study: Study, sparsity: float) -> str | None:
    """The accuracy of a victim that guesses, which is within five points of one answer to
    everything.
    """
    level = study.level(sparsity)
    return (
        bare(level.acc)
        if level is not None and is_collapsed(level.acc, len(study.about["label_names"]))
        else None
    )


def _thesis(dense_models: Mapping[str, Sequence[Study]]) -> list[str]:
    """Whether outcomes, and whether robustness, follow the distance of the embeddings."""
    told = []
    for name, studies in dense_models.items():
        found = curves.correlations(studies)
        if not found or found[0].n < ENOUGH:
            continue
        alike, aua = found
        tail = _verdict(aua, "rises with it", "falls with it", "is not established to go with it")
        told.append(
            f"{name}: over {alike.n} pruned victims the share of attacks that end as on the dense "
            "model follows the "
            f"[CLS] error (Spearman's ρ {curves.correlation(alike)}). Over the {aua.n} within five "
            "points of dense "
            f"accuracy Aua {tail} (ρ {curves.correlation(aua)})."
        )
    return told


def _untrained(studies: Sequence[Study], tables: Iterable[SubnetworkTable]) -> list[str]:
    """The default, which trains nothing, beside the best of the subnetworks that were trained from
    the same model.
    """
    told = []
    for table in tables:
        found, parts, steps = subnetworks.untrained(table, studies), [], set()
        for sparsity in sorted({run.sparsity for run, _, _ in found}):
            best, _, difference = max(
                (one for one in found if one[0].sparsity == sparsity),
                key=lambda one: one[0].inside.headline.value or 0.0,
            )
            held = "" if best.aua is None else f", Aua {bare(best.aua)}"
            parts.append(
                f"{points(difference)} at {level_name(sparsity)} "
                f"({subnetworks.series(table, best)}{held})"
            )
            steps.add(f"{_steps(table, best.cell):,}")
        if parts:
            told.append(
                f"{table.title}: the default, which trains nothing, minus the best subnetwork that "
                "was trained from the "
                f"same model for {' or '.join(sorted(steps))} steps, in Acc: {', '.join(parts)}."
                + _dense_holds(table)
            )
    return told


def _dense_holds(table: SubnetworkTable) -> str:
    """What the model they start from holds, on the attacked rows of the table."""
    dense = next((run for run in table.runs if run.sparsity == 0), None)
    return (
        ""
        if dense is None or dense.aua is None
        else f" The model itself has Aua {bare(dense.aua)} on those attacked rows."
    )


def _steps(table: SubnetworkTable, name: str) -> int:
    """The steps behind a cell's model: its own, and those of the cells it starts from or takes its
    mask from.
    """
    cell = next(cell for cell in table.recipe["cells"] if cell["name"] == name)
    before = {cell.get(part) for part in ("start", "mask_from")} - {None}
    return int(cell.get("steps") or 0) + sum(
        _steps(table, str(one).partition("@")[0]) for one in before
    )


def _alternatives(tables: Iterable[AlternativesTable]) -> list[str]:
    """Which alternatives are right more or less often than the pruned level nearest in bytes, and
    what time they take.
    """
    told = []
    for table in tables:
        title = TITLES.get(table.about["data"], table.about["data"])
        groups: dict[str, list[str]] = {
            "more accurate than": [],
            "not told apart from": [],
            "less accurate than": [],
        }
        for row in table.rows:
            if (one := row.against) is not None:
                sure = one.adjusted < SURE
                group = (
                    "not told apart from"
                    if not sure
                    else "more accurate than"
                    if one.only_here > one.only_there
                    else "less accurate than"
                )
                groups[group].append(f"{row.name} ({one.level})")
        told += [
            f"{title}, {group} the pruned level that is nearest in bytes, in brackets: "
            f"{'; '.join(names)}."
            for group, names in groups.items()
            if names
        ]
        paces = [
            f"{row.name} {row.pace.ratio:.2f}"
            for row in table.rows
            if row.pace is not None and row.kind != "dense" and not table.is_collapsed(row)
        ]
        told.append(
            f"{title}, times dense on one kind of processor ({table.latency['device']}), pruned "
            "weights as CSR: "
            f"{'; '.join(paces)}."
        )
    return told


def _starts(studies: Sequence[Study]) -> list[str]:
    """Whether members differ in robustness from their average, dense and pruned."""
    mine = {
        study.about["model"]: study
        for study in about(
            studies,
            data="sst2",
            attack="deepwordbug",
            seed=0,
            pattern="unstructured",
            method="adaptive",
        )
        if usual(study)
    }
    average = mine.pop("MiniLM-L6", None)
    told = []
    for model, study in mine.items() if average is not None else ():
        parts = [
            f"{points(found)} {'dense' if sparsity == 0 else 'at ' + level_name(sparsity)}"
            for sparsity in (0.0, 0.5, 0.875)
            if (found := aua_difference(average, study, sparsity)).value is not None
        ]
        told.append(
            f"SST-2, the member {model} minus the average of five in Aua: {', '.join(parts)}."
        )
    return told


def _averaging(members: Iterable[MemberSet]) -> list[str]:
    """Whether averaging raised Aua."""
    told = []
    for found in members:
        made = found.averages.get("uniform")
        scored = [
            member
            for member in found.members
            if member.score is not None and member.score.aua is not None
        ]
        if made is None or made.score.aua is None or not scored:
            continue
        best = max(scored, key=lambda member: member.score.aua.value or 0.0)
        plain = [
            member.score.aua.value or 0.0
            for member in scored
            if member.settings["adversarial"] == "none"
        ]
        alone = f"{best.name}, {bare(best.score.aua)} (of {made.score.aua.n} held-out rows)"
        told.append(
            f"{TITLES.get(found.name, found.name)}: the uniform average has Aua "
            f"{bare(made.score.aua)} where the plain "
            f"members have {100 * sum(plain) / len(plain):.1f} on average and the best member, "
            f"{alone}."
        )
    return told


MASK, IMP = "mask training, PoE", "IMP, PoE"
QUESTIONS = (  # header, second, minus, sparsity in per cent
    ("full: PoE − CE", "full model, PoE", "full model, CE", 0),
    ("masks: PoE − CE, 20 %", f"{MASK}, soft scores", "mask training, CE, soft scores", 20),
    ("50 %", f"{MASK}, soft scores", "mask training, CE, soft scores", 50),
    ("gradual − fixed, 90 %", f"{MASK}, gradual", f"{MASK}, soft scores", 90),
    ("masks − IMP, 50 %", f"{MASK}, soft scores", IMP, 50),
    ("90 %", f"{MASK}, soft scores", IMP, 90),
)


def debiasing(tables: Iterable[SubnetworkTable]) -> str:
    """P2's questions on every set: product of experts or not, gradual or fixed sparsity, masks or
    magnitudes.
    """
    lines = []
    for table in tables:
        for place, name in enumerate(subnetwork_charts.sets_of(table)):
            found = subnetwork_charts.differences(table, name)
            cells = [_asked(found, second, minus, at) for _, second, minus, at in QUESTIONS]
            if set(cells) != {"–"}:
                lines.append(
                    [table.title.split(":")[0], f"{name} (OOD)" if place else name, *cells]
                )
    if not lines:
        return ""
    return DEBIASING + rows(["table", "set", *(header for header, *_ in QUESTIONS)], lines)


def _asked(found: Any, second: str, minus: str, at: float) -> str:
    if found.empty:
        return "–"
    one = found[(found["second"] == second) & (found["minus"] == minus) & (found["sparsity"] == at)]
    other = found[
        (found["second"] == minus) & (found["minus"] == second) & (found["sparsity"] == at)
    ]
    for part, sign in ((one, 1), (other, -1)):
        for row in part.itertuples():
            low, high = sorted((sign * row.low / 100, sign * row.high / 100))
            return points(Statistic(sign * row.difference / 100, row.n, low, high))
    return "–"
