"""What the shipped studies say in short: each question's claims, and the tests behind them.

The verdicts are `prunescope.engine.reading.findings`'; the words follow from the figures, so a
study that comes out otherwise changes them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pandas as pd

from prunescope.engine import (
    Baseline,
    BaselineTable,
    MemberSet,
    Statistic,
    Study,
    SubnetworkRun,
    SubnetworkTable,
)
from prunescope.engine.reading import subnetworks as subnetwork_tables
from prunescope.engine.reading.findings import (
    MEANING,
    ClaimTest,
    Finding,
    Verdict,
    claims_table,
    compare,
    judge,
    unmeasured,
)
from prunescope.engine.reading.safety import doubts, last_safe
from prunescope.engine.reading.titles import data_title, method_name_title
from prunescope.engine.reading.verdicts import percent, safe_headline
from scripts.reading import ablation, curves, distances, subnetworks
from scripts.reading.words import (
    ATTACKS,
    about,
    acc_test,
    aua_test,
    bare,
    baseline_name,
    by_attack,
    heading_anchor,
    level_name,
    points,
    rows,
    usual,
)

HALF, HIGH = 0.5, 0.875  # the sparsities at which methods are compared
SAFE_POINTS = 3.0  # the tolerance of the dashboard
ENOUGH = 20  # pruned models of one dense model, for a sentence about all of them
MAIN = "deepwordbug"
PARTLY_EXAMPLE = "supported in 1 of 3"  # what the tables print for `Verdict.PARTLY`
OTHERS = ("p1", "sparsegpt", "sparsegpt-static", "wanda", "magnitude")
PATTERNS = ("2:4", "32:64")
PAPER_MODELS = ("bert-base-uncased", "bert-large-uncased")
Methods = dict[str, dict[str, Study]]  # method → attack → study
Claims = dict[str, list[ClaimTest]]
HEADLINES = (  # the claims that open the page
    "At 50%, Adaptive is less accurate than the dense model.",
    "At 87.5%, Adaptive is less accurate than the dense model.",
    "At 87.5%, Adaptive is more accurate than P1.",
    "At 87.5%, Adaptive is more accurate than SparseGPT.",
    "At 87.5%, Adaptive withstands more attacks than SparseGPT.",
    "Among models within five points of dense accuracy, the closer the last [CLS], the higher the "
    "accuracy under attack.",
    "An adversarially trained member withstands more attacks than the average.",
    "At 87.5%, Adaptive without training is more accurate than the best subnetwork trained from "
    "the same model.",
    "Pruned weights rounded to int8 are more accurate than the pruned model nearest in bytes.",
    "P1's tables come out as printed, with the paper's models.",
)

RULE = """
## How a verdict is reached

A claim is one sentence. It is tested wherever it was measured: McNemar's exact test on the same
examples, the p-values adjusted by Holm's method over all tests of a question, at 5%. Where the
studies keep only an interval (correlations, times, distances), the interval decides. More
calibration texts are judged by a paired t-test over seeds. A rule in the code turns the tests into
a verdict:

{meaning}

Differences are in points, and bold means significant. All figures are of one small model a data
set, of one seed (five for the number of calibration texts), and of the sizes that the tables state.
They say nothing about larger models, other attacks or other data.
"""
TESTS = """
The tests behind the [verdicts](../results.md). Differences are in points, with 95% score intervals
for pairs. The intervals are not adjusted for the number of tests; p is, by Holm's method over all
tests of a question, and p decides the verdict. So an interval may exclude zero where no difference
counts as shown. Bold means significant. Where there is no p, the interval decides.
"""

DEBIASING = """
## Debiasing, schedules, masks

Does debiasing a subnetwork help? Does a gradual schedule? Do masks beat magnitudes? The table
compares accuracy on the same examples, in and out of distribution; the sections below list every
model. Many models at 70 and 90% are near chance in distribution, so their OOD scores are not
meaningful.

"""
PAGES = {  # question → the page and the heading with its tables
    "What does pruning with Adaptive, the default, cost?": "results/methods.md",
    "Is Adaptive better than other methods?": "results/methods.md",
    "Does a hardware pattern cost more?": "results/methods.md",
    "What do the parts of the method do?": "results/ablation.md",
    "How many calibration texts are enough?": "results/ablation.md",
    "Does robustness follow the knowledge that is kept?": "results/embeddings.md",
    "Where does robustness come from?": "results/members.md",
    "Is training a subnetwork better than pruning without training?": "results/subnetworks.md",
    "Do debiased subnetworks generalise better?": "results/subnetworks.md",
    "Is pruning better than other ways to a smaller file?": "results/smaller-files.md",
    "Are the papers' own tables reproduced?": "results/methods.md",
}


def findings(
    studies: Sequence[Study],
    dense_models: Mapping[str, Sequence[Study]],
    members: Iterable[MemberSet],
    tables: Sequence[SubnetworkTable],
    others: Sequence[BaselineTable],
    calibration: Sequence[Study],
) -> list[Finding]:
    """The questions with their claims; `dense_models` are the studies of each dense model."""
    answers: dict[str, tuple[Claims, list[str]]] = {
        "What does pruning with Adaptive, the default, cost?": _cost(studies),
        "Is Adaptive better than other methods?": (_methods(studies), []),
        "Does a hardware pattern cost more?": (_patterns(studies), []),
        "What do the parts of the method do?": _parts(studies),
        "How many calibration texts are enough?": (curves.calibration_claims(calibration), []),
        "Does robustness follow the knowledge that is kept?": (_thesis(dense_models), []),
        "Where does robustness come from?": (_starts(studies), _averaging(members)),
        "Is training a subnetwork better than pruning without training?": (
            _untrained(studies, tables),
            [],
        ),
        "Do debiased subnetworks generalise better?": (_debiased(tables), []),
        "Is pruning better than other ways to a smaller file?": _baselines(others),
        "Are the papers' own tables reproduced?": (_papers(studies), []),
    }
    return [
        judge(question, claims, notes) for question, (claims, notes) in answers.items() if claims
    ]


def section(entries: Iterable[Finding]) -> str:
    """The findings, a table each, and the rule behind them."""
    names = {verdict: verdict.value for verdict in Verdict} | {Verdict.PARTLY: PARTLY_EXAMPLE}
    meaning = "\n".join(f"- **{names[verdict]}**: {text}." for verdict, text in MEANING.items())
    findings = list(entries)
    claims = {claim.statement: claim for finding in findings for claim in finding.claims}
    short = [[name, claims[name].verdict_text] for name in HEADLINES]
    return (
        f"\n## In short\n\n{rows(['claim', 'verdict'], short)}"
        + "".join(map(_finding, findings))
        + RULE.format(meaning=meaning)
    )


def _finding(finding: Finding) -> str:
    page, anchor = PAGES[finding.question], heading_anchor(finding.question)
    notes = "\n" + "".join(f"- {note}\n" for note in finding.notes) if finding.notes else ""
    return (
        f"\n## {finding.question}\n\n"
        + claims_table(finding)
        + notes
        + f"\n[Intervals and p-values](results/tests.md#{anchor}) · [tables]({page})\n"
    )


def tests(entries: Iterable[Finding]) -> str:
    """Every claim with the figures of its tests."""
    return TESTS + "".join(
        f"\n## {finding.question}\n\n{claims_table(finding, intervals=True)}" for finding in entries
    )


def _sets(studies: Sequence[Study], pattern: str = "unstructured") -> list[tuple[str, Methods]]:
    """Data set → method → attack → study, of the shipped studies of one pattern."""
    sets = []
    for title, data, model in (
        ("SST-2", "sst2", "MiniLM-L6"),
        ("AG News", "ag_news", "MiniLM-L6 (ag_news)"),
        ("IMDB", "imdb", "MiniLM-L6 (imdb)"),
    ):
        mine = [
            study
            for study in about(studies, data=data, model=model, pattern=pattern, seed=0)
            if usual(study) and any(level.attacks for level in study.levels)
        ]
        methods = {
            study.about["method"]: by_attack(about(mine, method=study.about["method"]))
            for study in mine
        }
        if "adaptive" in methods:
            sets.append((title, methods))
    return sets


def _cost(studies: Sequence[Study]) -> tuple[Claims, list[str]]:
    """What pruning with the default costs, and up to where it is safe."""
    claims: Claims = {}
    sets = _sets(studies)
    for sparsity in (HALF, HIGH):
        at = f"At {percent(sparsity)}, Adaptive"
        defaults = [(title, methods["adaptive"]) for title, methods in sets]
        claims[f"{at} is less accurate than the dense model."] = [
            acc_test(title, study, study, sparsity, 0.0, claimed=-1)
            for title, by_name in defaults
            for study in [next(iter(by_name.values()))]
        ]
        claims[f"{at} withstands fewer attacks than the dense model."] = [
            aua_test(f"{title}, {ATTACKS[name]}", study, study, sparsity, 0.0, claimed=-1)
            for title, by_name in defaults
            for name in ATTACKS
            if (study := by_name.get(name)) is not None
        ]
    notes = []
    for title, methods in sets:
        study = methods["adaptive"].get(MAIN)
        if study is not None and (safe := last_safe(study, SAFE_POINTS)) is not None:
            headline = safe_headline(safe)
            answer = (
                f"{title}, within {SAFE_POINTS:g} points of dense accuracy and of accuracy under "
                f"attack: {headline[0].lower()}{headline[1:]}."
            )
            notes.append(" ".join((answer, *doubts(study, SAFE_POINTS))))
    return claims, notes


def _methods(studies: Sequence[Study]) -> Claims:
    """Whether the default is more accurate and more robust than the others."""
    claims: Claims = {}
    sets = _sets(studies)
    for sparsity in (HALF, HIGH):
        for other in OTHERS:
            name, at = method_name_title(other), f"At {percent(sparsity)}, Adaptive"
            pairs = [
                (title, methods.get(other, {}).get(MAIN), methods["adaptive"].get(MAIN))
                for title, methods in sets
            ]
            claims[f"{at} is more accurate than {name}."] = [
                acc_test(*pair, sparsity) for pair in pairs
            ]
            claims[f"{at} withstands more attacks than {name}."] = [
                aua_test(*pair, sparsity) for pair in pairs
            ]
    return claims


def _patterns(studies: Sequence[Study]) -> Claims:
    """Whether n:m costs accuracy, and whether the default still leads."""
    claims: Claims = {}
    plain = dict(_sets(studies))
    for pattern in PATTERNS:
        sets = _sets(studies, pattern)
        own = [(title, methods["adaptive"].get(MAIN)) for title, methods in sets]
        claims[f"Adaptive in {pattern} is less accurate than without a pattern, at 50%."] = [
            acc_test(title, plain[title]["adaptive"].get(MAIN), study, HALF, claimed=-1)
            for title, study in own
        ]
        claims[f"Adaptive in {pattern} withstands fewer attacks than without a pattern."] = [
            aua_test(title, plain[title]["adaptive"].get(MAIN), study, HALF, claimed=-1)
            for title, study in own
        ]
        claims[f"In {pattern}, Adaptive is more accurate than SparseGPT."] = [
            acc_test(title, methods.get("sparsegpt", {}).get(MAIN), methods["adaptive"][MAIN], HALF)
            for title, methods in sets
        ]
    return claims


def _parts(studies: Sequence[Study]) -> tuple[Claims, list[str]]:
    """Whether each part of the method raises accuracy and accuracy under attack at 87.5%."""
    claims: Claims = {}
    for part, before, after in ablation.pairs(studies):
        claims[f"{part} raises accuracy."] = [acc_test("SST-2", before, after, HIGH)]
        claims[f"{part} raises accuracy under attack."] = [aua_test("SST-2", before, after, HIGH)]
    return claims, ablation.in_short(studies)


def _thesis(dense_models: Mapping[str, Sequence[Study]]) -> Claims:
    """Whether outcomes, and whether robustness, follow the distance of the embeddings."""
    alike_tests, aua_tests = [], []
    for name, studies in dense_models.items():
        correlations = curves.correlations(studies)
        if not correlations or correlations[0].n < ENOUGH:
            continue
        alike, aua = correlations
        alike_tests.append(_correlation(f"{name}, {alike.n} models", alike))
        aua_tests.append(_correlation(f"{name}, {aua.n} models", aua))
    claims = {
        "The closer the last [CLS] stays to the dense model's, the more attacks end as on the "
        "dense model.": alike_tests,
        "Among models within five points of dense accuracy, the closer the last [CLS], the higher "
        "the accuracy under attack.": aua_tests,
    } | {
        f"Pruned by {method}, the last [CLS] is nearer to the dense model's on adversarial text "
        "than on clean text, as in P1's Table 4.": tests
        for method, tests in distances.comparisons().items()
    }
    return {statement: tests for statement, tests in claims.items() if tests}


def _correlation(setting: str, rho: Statistic) -> ClaimTest:
    """A correlation with the distance, decided by its interval; the claims expect it to be
    negative.
    """
    low, high = rho.interval
    outside = low > 0 or high < 0
    figures = f"ρ {curves.correlation(rho)}".replace("-", "−")
    return ClaimTest(
        setting, figures, figures.partition(" [")[0], -1 if low > 0 else 1, outside=outside
    )


def _untrained(studies: Sequence[Study], tables: Iterable[SubnetworkTable]) -> Claims:
    """The default, which trains nothing, beside the best of the subnetworks that were trained from
    the same model. The best is chosen by its accuracy on these examples, which favours it.
    """
    tests: dict[float, list[ClaimTest]] = {}
    for table in tables:
        trained = subnetworks.untrained_pairs(table, studies)
        for sparsity in sorted({run.sparsity for run, *_ in trained}):
            best, theirs, ours = max(
                (entry for entry in trained if entry[0].sparsity == sparsity),
                key=lambda entry: entry[0].inside.headline.value or 0.0,
            )
            steps = f"{_steps(table, best.cell):,} steps"
            setting = f"{table.title}, {subnetworks.series(table, best)}, {steps}"
            tests.setdefault(sparsity, []).append(compare(setting, theirs, ours, "Acc"))
    return {
        f"At {percent(sparsity)}, Adaptive without training is more accurate than the best "
        "subnetwork trained from the same model.": tests[sparsity]
        for sparsity in sorted(tests)
    }


def _steps(table: SubnetworkTable, name: str) -> int:
    """The steps behind a cell's model: its own, and those of the cells it starts from or takes its
    mask from.
    """
    cell = next(cell for cell in table.recipe["cells"] if cell["name"] == name)
    before = {cell.get(part) for part in ("start", "mask_from")} - {None}
    return int(cell.get("steps") or 0) + sum(
        _steps(table, str(start).partition("@")[0]) for start in before
    )


def _debiased(tables: Iterable[SubnetworkTable]) -> Claims:
    """P2's question on every table, out of distribution and in it."""
    claims: Claims = {
        "Debiasing the full model raises accuracy out of distribution.": [],
        "Debiased masks at 50% raise accuracy out of distribution.": [],
        "Debiased masks at 50% lower accuracy in distribution.": [],
    }
    full, masks, lower = claims.values()
    for table in tables:
        for index, name in enumerate(subnetwork_tables.sets_of(table)):
            setting = f"{table.title.split(':')[0]}, {name}"
            pairs = {
                "full": _cells(table, "full model, CE", "full model, PoE", 0.0),
                "masks": _cells(
                    table,
                    "mask training, CE, soft scores",
                    "mask training, PoE, soft scores",
                    HALF,
                ),
            }
            if index:
                full += _debiasing_test(table, setting, name, pairs["full"], 1)
                masks += _debiasing_test(table, setting, name, pairs["masks"], 1)
            else:
                lower += _debiasing_test(table, setting, name, pairs["masks"], -1)
    return {statement: tests for statement, tests in claims.items() if tests}


Runs = tuple[SubnetworkRun, SubnetworkRun]


def _cells(table: SubnetworkTable, first: str, second: str, sparsity: float) -> Runs | None:
    """The runs of two cells by what the page calls them."""
    runs = {
        subnetwork_tables.series_name(run): run
        for run in reversed(table.runs)
        if run.sparsity == sparsity
    }
    return (runs[first], runs[second]) if first in runs and second in runs else None


def _debiasing_test(
    table: SubnetworkTable, setting: str, name: str, pair: Runs | None, claimed: int
) -> Iterator[ClaimTest]:
    if pair is None:
        return
    if any(subnetwork_tables.near_chance(table, run) for run in pair):
        yield unmeasured(setting, "a model is near chance")
        return
    correct = [subnetwork_tables.correct_examples(run, name) for run in pair]
    yield compare(setting, *correct, "Acc", claimed=claimed)


def _baselines(tables: Iterable[BaselineTable]) -> tuple[Claims, list[str]]:
    """The baselines beside the pruned model nearest in bytes, and what time they take."""
    claims: Claims = {}
    notes = []
    groups = {
        "int8 weights are more accurate than the pruned model nearest in bytes.": _is_int8,
        "Pruned weights rounded to int8 are more accurate than the pruned model nearest in "
        "bytes.": lambda row: row.name.startswith("pruned"),
        "A fine-tuned model of fewer blocks is more accurate than the pruned model nearest in "
        "bytes.": lambda row: row.trained_rows > 0,
        "Leaving out blocks is less accurate than the pruned model nearest in bytes.": (
            lambda row: row.blocks < 6 and not row.trained_rows
        ),
    }
    for table in tables:
        title = data_title(table.about["data"])
        for statement, belongs in groups.items():
            claimed = -1 if "less accurate" in statement else 1
            for row in table.rows:
                if row.against is None or not belongs(row):
                    continue
                level = table.row(row.against.level)
                name = baseline_name(f"{row.name} against {level.name}")
                claims.setdefault(statement, []).append(
                    compare(f"{title}, {name}", level.correct, row.correct, "Acc", claimed=claimed)
                )
        for row in table.rows:
            if row.kind == "pruned" and row.pace is not None:
                statement = (
                    f"Pruned to {percent(row.sparsity)}, a model as CSR is faster than dense."
                )
                claims.setdefault(statement, []).append(_pace(title, row))
        notes.append(
            f"Times are of one processor ({table.latency['device']}, "
            f"{table.latency['threads']} thread, {table.latency['rounds']} rounds in turn)."
        )
    return claims, notes


def _is_int8(row: Baseline) -> bool:
    return row.name == "int8"


def _pace(setting: str, row: Baseline) -> ClaimTest:
    """A time against dense, decided by its 5% and 95% quantiles over the rounds."""
    pace = row.pace
    assert pace is not None
    return ClaimTest(
        setting,
        f"{pace.ratio:.2f} [{pace.low:.2f}, {pace.high:.2f}] of the dense time",
        f"{pace.ratio:.2f} of the dense time",
        1 if pace.ratio < 1 else -1,
        outside=pace.high < 1 or pace.low > 1,
    )


def _starts(studies: Sequence[Study]) -> Claims:
    """Whether members differ in robustness from their average, dense and pruned."""
    mine = {
        study.about["model"]: study
        for study in about(
            studies, data="sst2", attack=MAIN, seed=0, pattern="unstructured", method="adaptive"
        )
        if usual(study)
    }
    average = mine.pop("MiniLM-L6", None)
    statements = {
        "ce-1": ("A plainly trained member withstands fewer attacks than the average.", -1),
        "freelb-2": (
            "An adversarially trained member withstands more attacks than the average.",
            1,
        ),
    }
    return {
        statement: [
            aua_test(
                f"SST-2, {model}, {'dense' if sparsity == 0 else level_name(sparsity)}",
                average,
                mine[model],
                sparsity,
                claimed=claimed,
            )
            for sparsity in (0.0, HALF, HIGH)
        ]
        for model, (statement, claimed) in statements.items()
        if average is not None and model in mine
    } | {
        "Averaging members withstands more attacks than the plain members.": [
            unmeasured("", "only rates are stored, no outcomes of single examples")
        ]
    }


def _averaging(members: Iterable[MemberSet]) -> list[str]:
    """What averaging did to Aua."""
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


def _papers(studies: Sequence[Study]) -> Claims:
    """Whether the papers' models were run: their tables are of BERT-base and BERT-large."""
    models = {study.about["model"] for study in studies}
    absent = sorted(set(PAPER_MODELS) - models)
    if not absent:
        return {}
    reason = f"no shipped study is of {' or '.join(absent)}; `prunescope paper NAME` runs them"
    return {
        "P1's tables come out as printed, with the paper's models.": [unmeasured("", reason)],
        "P2's tables come out as printed, with the paper's models.": [
            unmeasured("", "`prunescope subnetworks --recipe p2-mnli` runs them; not run here")
        ],
    }


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
