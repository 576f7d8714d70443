"""P1's tables: methods, patterns and starting models against sparsity, on each data set."""

from collections.abc import Sequence

from prunescope.engine import LevelResult, Study
from prunescope.engine.reading.titles import data_title, method_name_title, method_title
from prunescope.runs.figures import PUBLISHED
from scripts.reading.words import (
    ATTACKS,
    about,
    acc_difference,
    aua_difference,
    bare,
    by_attack,
    level_name,
    points,
    rows,
    share,
    usual,
)

ORDER = ("adaptive", "p1", "sparsegpt", "sparsegpt-static", "wanda", "magnitude")
PRINTED = ("p1-table1", "p1-table2", "p1-table5")
LEVELS = (0.0, 0.3, 0.5, 0.75, 0.875)  # the appendix has all
AVERAGE = "MiniLM-L6"  # the embedded model


def section(
    studies: Sequence[Study], data: str, model: str, levels: Sequence[float] = LEVELS
) -> str:
    """One data set: every method at every level, and how the default differs on the same rows."""
    mine = [
        study
        for study in about(studies, data=data, model=model, pattern="unstructured", seed=0)
        if usual(study) and study.about["method"] in ORDER
    ]
    methods = {method: by_attack(about(mine, method=method)) for method in ORDER}
    methods = {method: studies_of for method, studies_of in methods.items() if studies_of}
    if not methods:
        return ""
    attacks = [
        attack for attack in ATTACKS if any(attack in studies_of for studies_of in methods.values())
    ]
    first = next(iter(methods.values()))
    counts = "; ".join(
        f"{ATTACKS[name]} on {first[name].about['counts']['attacked']}"
        for name in attacks
        if name in first
    )
    example, title = next(iter(first.values())).about, data_title(data)
    embedded = model.startswith(AVERAGE)
    heading = title if embedded else f"{title}, {model}"
    return (
        f"\n## {heading}: sparsity against robustness\n\n{example['model']}; "
        f"{example['counts']['evaluation']:,} examples of {data_title(data)} "
        f"evaluated; {counts} of them; {example['counts']['calibration']:,} calibration texts "
        f"({example['calibration_tokens']:,} tokens)."
        " Acc, Aua and Asr in percent.\n\n"
        + rows(
            [
                "method",
                "sparsity",
                "Acc",
                *(f"{ATTACKS[name]} Aua / Asr" for name in attacks),
                "[CLS] error",
            ],
            _lines(methods, attacks, levels),
        )
        + (_published(title, data) if embedded else "")
        + _against(methods, attacks, levels)
    )


def _method_name(method: str) -> str:
    """A method as the literature calls it, and as the command line does."""
    return f"{method_name_title(method)} (`{method}`)"


def _lines(
    methods: dict[str, dict[str, Study]], attacks: Sequence[str], shown: Sequence[float]
) -> list[list[str]]:
    lines = []
    for method, by_name in methods.items():
        levels = sorted(
            {
                level.sparsity
                for study in by_name.values()
                for level in study.levels
                if level.attacks and level.sparsity in shown
            }
        )
        for sparsity in levels:
            if sparsity == 0 and lines:
                continue  # the dense model is the same for all
            at = {attack: study.level(sparsity) for attack, study in by_name.items()}
            some = next(level for level in at.values() if level is not None)
            name = "dense" if sparsity == 0 else _method_name(method)
            lines.append(
                [
                    name,
                    level_name(sparsity),
                    share(some.acc),
                    *(_rates(at.get(attack)) for attack in attacks),
                    f"{some.cls_error:.3f}",
                ]
            )
    return lines


def _rates(level: LevelResult | None) -> str:
    return "–" if level is None or level.aua is None else f"{share(level.aua)} / {bare(level.asr)}"


def _published(title: str, data: str) -> str:
    """What P1 prints for this data set, as the recipes of its tables have it."""
    lines: dict[tuple[str, str], str] = {}
    for name in PRINTED:
        for row in PUBLISHED[name]:
            if row["set"] == data:
                lines[row["row"], level_name(row["sparsity"])] = (
                    f"{row['acc']} / {row['aua']} / {row['asr']}"
                )
    return (
        f"\nWhat P1 prints for {title}, of BERT-base under TextFooler. Another model and, but for "
        "one column, "
        "another attack: these rows do not compare with ours.\n\n"
        + rows(
            ["P1", "sparsity", "Acc / Aua / Asr"], [[*of, figures] for of, figures in lines.items()]
        )
    )


def _against(
    methods: dict[str, dict[str, Study]], attacks: Sequence[str], shown: Sequence[float]
) -> str:
    """The default against dense, and against each other method at the same level."""
    default = methods.get("adaptive")
    if default is None:
        return ""
    lines = []
    levels = sorted(
        {
            level.sparsity
            for study in default.values()
            for level in study.levels
            if level.attacks and level.sparsity in shown and level.sparsity > 0
        }
    )
    some = next(iter(default.values()))
    for sparsity in levels:
        lines.append(
            [
                "dense",
                level_name(sparsity),
                points(acc_difference(some, some, sparsity, 0.0)),
                *(
                    points(aua_difference(default[name], default[name], sparsity, 0.0))
                    if name in default
                    else "–"
                    for name in attacks
                ),
            ]
        )
    for method, by_name in methods.items():
        if method == "adaptive":
            continue
        other = next(iter(by_name.values()))
        for sparsity in levels:
            difference = acc_difference(other, some, sparsity)
            if difference.value is not None:
                lines.append(
                    [
                        _method_name(method),
                        level_name(sparsity),
                        points(difference),
                        *(
                            points(aua_difference(by_name[name], default[name], sparsity))
                            if name in by_name and name in default
                            else "–"
                            for name in attacks
                        ),
                    ]
                )
    return (
        "\nAdaptive minus another model, on the same examples, in points; bold where the 95% "
        "interval excludes zero.\n\n"
        + rows(["minus", "at", "Acc", *(f"{ATTACKS[name]} Aua" for name in attacks)], lines)
    )


def patterns(studies: Sequence[Study], data: str, model: str) -> str:
    """N of m at 50 %, beside 50 % anywhere, on one data set."""
    mine = [
        study
        for study in about(studies, data=data, attack="deepwordbug", seed=0, model=model)
        if usual(study) and study.about["method"] in ORDER
    ]
    both = {study.about["method"] for study in mine if ":" in study.about["pattern"]}
    lines = []
    for study in sorted(mine, key=lambda study: ORDER.index(study.about["method"])):
        level = study.level(0.5)
        if level is not None and study.about["method"] in both:
            lines.append(
                [
                    _method_name(study.about["method"]),
                    study.about["pattern"],
                    share(level.acc),
                    _rates(level),
                    points(acc_difference(study, study, 0.5, 0.0)),
                    points(aua_difference(study, study, 0.5, 0.0)),
                    f"{level.cls_error:.3f}",
                ]
            )
    if not lines:
        return ""
    header = [
        "method",
        "pattern",
        "Acc",
        "DeepWordBug Aua / Asr",
        "Acc − dense",
        "Aua − dense",
        "[CLS] error",
    ]
    return (
        f"\n## n:m at 50% on {data_title(data)}\n\nOf every m neighbouring weights of a row n "
        "remain. Differences to "
        "dense are in points, on the same examples.\n\n" + rows(header, lines)
    )


def starts(studies: Sequence[Study]) -> str:
    """Members and their average as the model that is pruned."""
    mine = {
        (study.about["model"], study.about["method"]): study
        for study in about(
            studies, data="sst2", attack="deepwordbug", seed=0, pattern="unstructured"
        )
        if usual(study) and study.about["method"] in ("adaptive", "sparsegpt")
    }
    models = sorted({model for model, _ in mine}, key=lambda model: (model != AVERAGE, model))
    if len(models) < 2:
        return ""
    lines = []
    for model, method in (
        (model, method) for model in models for method in ORDER if (model, method) in mine
    ):
        study, average = mine[model, method], mine.get((AVERAGE, method))
        for level in study.levels:
            if (
                level.attacks
                and level.sparsity in LEVELS
                and (level.sparsity > 0 or method == "adaptive")
            ):
                beside = (
                    "–"
                    if average is None or model == AVERAGE
                    else points(aua_difference(average, study, level.sparsity))
                )
                cost = (
                    points(aua_difference(study, study, level.sparsity, 0.0))
                    if level.sparsity
                    else "–"
                )
                lines.append(
                    [
                        "the average" if model == AVERAGE else model,
                        method_title(study.about) if level.sparsity else "dense",
                        level_name(level.sparsity),
                        share(level.acc),
                        _rates(level),
                        cost,
                        beside,
                    ]
                )
    header = [
        "model",
        "method",
        "sparsity",
        "Acc",
        "DeepWordBug Aua / Asr",
        "Aua − its dense",
        "Aua − the average's",
    ]
    return (
        "\n## The model that is pruned, on SST-2\n\nThe shipped average of five members, and "
        "two of these alone: one "
        "trained plainly (ce), one adversarially (freelb). Differences in points, on the same "
        "attacked examples.\n\n" + rows(header, lines)
    )
