"""What the page says in short. The words follow from the figures, so a study that comes out
otherwise changes the sentence.
"""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from prunescope.engine import (
    BaselineTable,
    MemberSet,
    Statistic,
    Study,
    SubnetworkTable,
    is_collapsed,
)
from prunescope.engine.reading import subnetworks as subnetwork_tables
from prunescope.engine.reading.findings import Finding
from prunescope.engine.reading.titles import data_title, method_name_title
from prunescope.engine.reading.verdicts import percent
from scripts.reading import ablation, curves, subnetworks
from scripts.reading.words import (
    ATTACKS,
    about,
    acc_difference,
    alternative_name,
    aua_difference,
    bare,
    by_attack,
    level_name,
    points,
    rows,
    usual,
)

MORE, LESS = "more accurate than", "less accurate than"
SAME = "not significantly different in accuracy from"
SURE = 0.05  # p, after Holm
HIGH = 0.875  # the sparsity at which methods are compared
ENOUGH = 20  # pruned victims of one dense model, for a sentence about all of them
Methods = dict[str, dict[str, Study]]  # method → attack → study
HEAD = """
## In short

Differences are in points on the same examples, with 95% intervals; bold means that the interval
excludes zero. They are not corrected for multiple comparisons.

"""


DEBIASING = """
Does debiasing a subnetwork help? Does a gradual schedule? Do masks beat magnitudes? The table
compares accuracy on the same examples, in and out of distribution; the sections below list every
model. Many models at 70 and 90% are near chance in distribution, so their OOD scores are not
meaningful.

"""


def findings(
    studies: Sequence[Study],
    dense_models: Mapping[str, Sequence[Study]],
    members: Iterable[MemberSet],
    tables: Iterable[SubnetworkTable],
    others: Iterable[BaselineTable],
) -> list[Finding]:
    """The questions with their answers; `dense_models` are the studies of each dense model."""
    answers = {
        "What does pruning with Adaptive, the default, cost?": _cost(studies),
        "Is Adaptive better than other methods?": _others(studies),
        "Is training a subnetwork better than pruning without training?": _untrained(
            studies, tables
        ),
        "Is pruning better than other ways to a smaller file?": _alternatives(others),
        "What do the parts of the method do?": ablation.in_short(studies),
        "Does robustness follow the knowledge that is kept?": _thesis(dense_models),
        "Where does robustness come from?": [*_starts(studies), *_averaging(members)],
    }
    return [
        Finding(question, tuple(sentences)) for question, sentences in answers.items() if sentences
    ]


def section(entries: Iterable[Finding]) -> str:
    """The findings as they open the page."""
    return HEAD + "\n".join(
        f"**{finding.question}**\n\n" + "".join(f"- {answer}\n" for answer in finding.answers)
        for finding in entries
    )


def _verdict(difference: Statistic, up: str, down: str, same: str) -> str:
    if difference.low is None or difference.high is None:
        return same
    return up if difference.low > 0 else down if difference.high < 0 else same


def _sets(studies: Sequence[Study]) -> list[tuple[str, Methods]]:
    """Data set → method → attack → study, of the shipped unstructured studies."""
    sets = []
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
            sets.append((title, methods))
    return sets


def _cost(studies: Sequence[Study]) -> list[str]:
    """What pruning with the default costs."""
    sentences = []
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
                sentences.append(
                    f"{title}, Adaptive at {level_name(sparsity)} vs dense: {points(acc)} in Acc, "
                    + ", ".join(parts)
                    + "."
                )
    return sentences


def _others(studies: Sequence[Study]) -> list[str]:
    """Whether the default is more accurate and more robust than the others at high sparsity."""
    return [
        sentence
        for title, methods in _sets(studies)
        for method in ("p1", "sparsegpt", "magnitude")
        if (sentence := _beside(title, methods, method)) is not None
    ]


def _beside(title: str, methods: Methods, method: str) -> str | None:
    """The default beside another method on one data set; nothing where either was not measured."""
    default = methods["adaptive"].get("deepwordbug")
    other = methods.get(method, {}).get("deepwordbug")
    if default is None or other is None:
        return None
    acc, aua = acc_difference(other, default, HIGH), aua_difference(other, default, HIGH)
    if acc.value is None or aua.value is None:
        return None
    name = method_name_title(method)
    start = f"{title} at {percent(HIGH)}:"
    if (chance := _collapsed(other, HIGH)) is not None:
        return (
            f"{start} {name[0].upper()}{name[1:]} has collapsed ({chance} Acc; Adaptive keeps "
            f"{points(acc)} more), so its Aua is not meaningful."
        )
    accuracy = _verdict(
        acc,
        "is more accurate than",
        "is less accurate than",
        "does not differ significantly in accuracy from",
    )
    robustness = _verdict(
        aua,
        "and withstands more attacks",
        "but withstands fewer attacks",
        "and Aua does not differ significantly",
    )
    compared = f"{accuracy} {name} ({points(acc)}) {robustness} ({points(aua)} in Aua)"
    return f"{start} Adaptive {compared}."


def _collapsed(study: Study, sparsity: float) -> str | None:
    """The accuracy of a model that has collapsed; None where it has not."""
    level = study.level(sparsity)
    return (
        bare(level.acc)
        if level is not None and is_collapsed(level.acc, len(study.about["label_names"]))
        else None
    )


def _thesis(dense_models: Mapping[str, Sequence[Study]]) -> list[str]:
    """Whether outcomes, and whether robustness, follow the distance of the embeddings."""
    sentences = []
    for name, studies in dense_models.items():
        correlations = curves.correlations(studies)
        if not correlations or correlations[0].n < ENOUGH:
            continue
        alike, aua = correlations
        tail = _verdict(
            aua, "rises with it", "falls with it", "is not significantly correlated with it"
        )
        sentences.append(
            f"{name}: over {alike.n} pruned models, the share of attacks with the same outcome as "
            "on the dense model follows the [CLS] error (Spearman's "
            f"ρ {curves.correlation(alike)}). Over the {aua.n} within five points of "
            f"dense accuracy, Aua {tail} "
            f"(ρ {curves.correlation(aua)})."
        )
    return sentences


def _untrained(studies: Sequence[Study], tables: Iterable[SubnetworkTable]) -> list[str]:
    """The default, which trains nothing, beside the best of the subnetworks that were trained from
    the same model.
    """
    sentences = []
    for table in tables:
        trained, parts, steps = subnetworks.untrained(table, studies), [], set()
        for sparsity in sorted({run.sparsity for run, _, _ in trained}):
            best, _, difference = max(
                (entry for entry in trained if entry[0].sparsity == sparsity),
                key=lambda entry: entry[0].inside.headline.value or 0.0,
            )
            aua = "" if best.aua is None else f", Aua {bare(best.aua)}"
            parts.append(
                f"{points(difference)} at {level_name(sparsity)} "
                f"({subnetworks.series(table, best)}{aua})"
            )
            steps.add(f"{_steps(table, best.cell):,}")
        if parts:
            sentences.append(
                f"{table.title}: Adaptive, without any training, minus the best subnetwork trained "
                f"from the same model for {' or '.join(sorted(steps))} steps, in Acc: "
                f"{', '.join(parts)}.{_dense_aua(table)}"
            )
    return sentences


def _dense_aua(table: SubnetworkTable) -> str:
    """Aua of the model that they start from, on the attacked examples of the table."""
    dense = next((run for run in table.runs if run.sparsity == 0), None)
    if dense is None or dense.aua is None:
        return ""
    return f" The dense model has Aua {bare(dense.aua)} on those attacked examples."


def _steps(table: SubnetworkTable, name: str) -> int:
    """The steps behind a cell's model: its own, and those of the cells it starts from or takes its
    mask from.
    """
    cell = next(cell for cell in table.recipe["cells"] if cell["name"] == name)
    before = {cell.get(part) for part in ("start", "mask_from")} - {None}
    return int(cell.get("steps") or 0) + sum(
        _steps(table, str(start).partition("@")[0]) for start in before
    )


def _alternatives(tables: Iterable[BaselineTable]) -> list[str]:
    """Which alternatives are more or less accurate than the pruned model nearest in bytes, and what
    time they take.
    """
    sentences = []
    for table in tables:
        title = data_title(table.about["data"])
        groups: dict[str, list[str]] = {MORE: [], SAME: [], LESS: []}
        for row in table.rows:
            if (test := row.against) is not None:
                direction = MORE if test.only_here > test.only_there else LESS
                group = direction if test.adjusted < SURE else SAME
                groups[group].append(alternative_name(f"{row.name} ({test.level})"))
        sentences += [
            f"{title}, {group} the pruned model nearest in bytes (in brackets): {'; '.join(names)}."
            for group, names in groups.items()
            if names
        ]
        times = [
            f"{alternative_name(row.name)} {row.pace.ratio:.2f}"
            for row in table.rows
            if row.pace is not None and row.kind != "dense" and not table.is_collapsed(row)
        ]
        sentences.append(
            f"{title}, time / time of the dense model on one processor "
            f"({table.latency['device']}), pruned weights as CSR: {'; '.join(times)}."
        )
    return sentences


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
    sentences = []
    for model, study in mine.items() if average is not None else ():
        parts = [
            f"{points(change)} {'dense' if sparsity == 0 else 'at ' + level_name(sparsity)}"
            for sparsity in (0.0, 0.5, 0.875)
            if (change := aua_difference(average, study, sparsity)).value is not None
        ]
        sentences.append(
            f"SST-2, the member {model} minus the average of five in Aua: {', '.join(parts)}."
        )
    return sentences


def _averaging(members: Iterable[MemberSet]) -> list[str]:
    """Whether averaging raised Aua."""
    sentences = []
    for group in members:
        average = group.averages.get("uniform")
        scored = [
            member
            for member in group.members
            if member.score is not None and member.score.aua is not None
        ]
        if average is None or average.score.aua is None or not scored:
            continue
        best = max(scored, key=lambda member: member.score.aua.value or 0.0)
        plain = [
            member.score.aua.value or 0.0
            for member in scored
            if member.settings["adversarial"] == "none"
        ]
        sentences.append(
            f"{data_title(group.name)}: the uniform average has Aua {bare(average.score.aua)}, the "
            f"plain members {100 * sum(plain) / len(plain):.1f} on average, and the best member, "
            f"{best.name}, {bare(best.score.aua)} (of {average.score.aua.n} held-out examples)."
        )
    return sentences


MASK, IMP = "mask training, PoE", "IMP, PoE"
QUESTIONS = (  # header, second, minus, sparsity in percent
    ("full: PoE − CE", "full model, PoE", "full model, CE", 0),
    ("masks: PoE − CE, 20%", f"{MASK}, soft scores", "mask training, CE, soft scores", 20),
    ("50%", f"{MASK}, soft scores", "mask training, CE, soft scores", 50),
    ("gradual − fixed, 90%", f"{MASK}, gradual", f"{MASK}, soft scores", 90),
    ("masks − IMP, 50%", f"{MASK}, soft scores", IMP, 50),
    ("90%", f"{MASK}, soft scores", IMP, 90),
)


def debiasing(tables: Iterable[SubnetworkTable]) -> str:
    """P2's questions on every set: product of experts or not, gradual or fixed sparsity, masks or
    magnitudes.
    """
    lines = []
    for table in tables:
        for index, name in enumerate(subnetwork_tables.sets_of(table)):
            differences = subnetwork_tables.differences(table, name)
            cells = [_answer(differences, second, minus, at) for _, second, minus, at in QUESTIONS]
            if set(cells) != {"–"}:
                lines.append(
                    [table.title.split(":")[0], f"{name} (OOD)" if index else name, *cells]
                )
    if not lines:
        return ""
    return DEBIASING + rows(["table", "set", *(header for header, *_ in QUESTIONS)], lines)


def _answer(differences: pd.DataFrame, second: str, minus: str, sparsity: float) -> str:
    """The difference between two cells, whichever of them the table calls the second."""
    if differences.empty:
        return "–"
    at_level = differences[differences["sparsity"] == sparsity]
    for names, sign in (((second, minus), 1), ((minus, second), -1)):
        part = at_level[(at_level["second"] == names[0]) & (at_level["minus"] == names[1])]
        for row in part.itertuples():
            low, high = sorted((sign * row.low / 100, sign * row.high / 100))
            return points(Statistic(sign * row.difference / 100, row.n, low, high))
    return "–"
