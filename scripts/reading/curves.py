"""P1's Figure 3, the number of calibration texts; and its thesis, robustness against the distance
to the dense embedding.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, ttest_1samp

from prunescope.engine import LevelResult, Statistic, Study
from prunescope.engine.evaluation.statistics import RESAMPLES, Resampler
from prunescope.engine.reading.findings import ClaimTest, signed
from scripts.reading.words import holding, rows

Values = NDArray[np.float64]
NEAR = 0.05  # of accuracy
FEWEST = 5  # models
CALIBRATION = """
## The number of calibration texts, SST-2 at {level:g}%

Mean (standard deviation) over seeds. A seed decides the calibration texts and the attacked
examples, so differences to dense are within a seed. P1's Figure 3 rises and then levels off.

"""
THESIS = """
## Does robustness follow the knowledge that is kept?

P1's thesis: the closer the embeddings stay to the dense model's, the more robust the pruned
model. The table shows Spearman's correlation over the pruned models of one dense model (every
method, sparsity and pattern of this page) under DeepWordBug, with the 95% interval of
{resamples:,} resamples of the models, for these attacked examples. *Alike* is the share of
attacked examples with the same outcome as on the dense model. *Near* are the models within
{near:g} points of dense accuracy. Sparsities of one method are not independent models, so the
intervals are if anything too narrow.

"""
COLLAPSE = """
A model that gives one answer to everything withstands attacks on the examples where that answer
is correct, so Aua may rise where accuracy collapses. *Near* therefore leaves those models out.
"""


def calibration(studies: Sequence[Study]) -> str:
    """Means and standard deviations over the seeds, for each number of texts."""
    by_count: dict[int, list[tuple[Study, LevelResult]]] = defaultdict(list)
    for study in studies:
        for level in study.levels:
            if level.sparsity > 0 and level.attacks:
                by_count[study.about["counts"]["calibration"]].append((study, level))
    if not by_count:
        return ""
    lines = []
    for count in sorted(by_count):
        tokens = [study.about["calibration_tokens"] for study, _ in by_count[count]]
        lines.append(
            [
                f"{count:,}",
                f"{mean(tokens):,.0f}",
                str(len(tokens)),
                _spread([level.cls_error for _, level in by_count[count]], 3),
                _spread([100 * (level.acc.value or 0) for _, level in by_count[count]], 1),
                _spread([100 * (_gain(study, level, _acc)) for study, level in by_count[count]], 1),
                _spread(
                    [100 * (level.aua.value or 0) for _, level in by_count[count] if level.aua], 1
                ),
                _spread([100 * (_gain(study, level, _aua)) for study, level in by_count[count]], 1),
            ]
        )
    level = next(iter(by_count.values()))[0][1]
    header = ["texts", "tokens", "seeds", "[CLS] error", "Acc", "Acc − dense", "Aua", "Aua − dense"]
    return CALIBRATION.format(level=100 * level.sparsity) + rows(header, lines)


def calibration_claims(studies: Sequence[Study]) -> dict[str, list[ClaimTest]]:
    """Whether more calibration texts keep more accuracy; a paired t-test over the seeds, since a
    seed draws the texts.
    """
    gains: dict[int, dict[int, float]] = defaultdict(dict)
    for study in studies:
        for level in study.levels:
            if level.sparsity > 0:
                count = study.about["counts"]["calibration"]
                gains[count][study.about["seed"]] = _gain(study, level, _acc)
    claims = {}
    for few, many in pairwise(sorted(gains)):
        seeds = sorted(set(gains[few]) & set(gains[many]))
        changes = [gains[many][seed] - gains[few][seed] for seed in seeds]
        test = ttest_1samp(changes, 0.0)
        interval = test.confidence_interval()
        claims[f"{many:,} calibration texts keep more accuracy than {few:,}."] = [
            ClaimTest(
                f"SST-2 at 75%, {len(seeds)} seeds",
                f"{signed(mean(changes))} [{signed(interval.low)}, {signed(interval.high)}] in Acc",
                signed(mean(changes)),
                1 if mean(changes) > 0 else -1,
                float(test.pvalue),
            )
        ]
    return claims


def _acc(level: LevelResult) -> float:
    return level.acc.value or 0.0


def _aua(level: LevelResult) -> float:
    return (level.aua.value or 0.0) if level.aua is not None else 0.0


def _gain(study: Study, level: LevelResult, of: Callable[[LevelResult], float]) -> float:
    dense = study.level(0.0)
    assert dense is not None
    return of(level) - of(dense)


def _spread(values: Sequence[float], digits: int) -> str:
    text = f"{mean(values):.{digits}f}"
    return text if len(values) < 2 else f"{text} ({stdev(values):.{digits}f})"


def correlations(studies: Sequence[Study]) -> tuple[Statistic, Statistic] | None:
    """ρ of *alike* against the [CLS] error over all pruned models of one dense model, and ρ of Aua
    over those near to it in accuracy: one that has collapsed may hold because it gives one answer
    to everything.
    """
    everything, dense = _pruned_models(studies)
    if dense is None:
        return None
    near = [level for level in everything if _acc(dense) - _acc(level) <= NEAR]
    if len(near) < FEWEST:
        return None
    return (
        _correlation(_distances(everything), [_same(level, dense) for level in everything]),
        _correlation(_distances(near), [holding(level.attacks) for level in near]),
    )


def _distances(levels: Sequence[LevelResult]) -> list[float]:
    return [math.log(level.cls_error) for level in levels]


def thesis(dense_models: Mapping[str, Sequence[Study]]) -> str:
    """The correlation of Aua with the distance of the last [CLS] embedding to dense, over pruned
    models of each dense model.
    """
    lines = [
        line for name, studies in dense_models.items() for line in _thesis_lines(name, studies)
    ]
    header = ["dense model", "pruned models", "attacked", "against", "of *alike*", "of Aua"]
    return (
        (THESIS.format(resamples=RESAMPLES, near=100 * NEAR) + rows(header, lines) + COLLAPSE)
        if lines
        else ""
    )


def _thesis_lines(name: str, studies: Sequence[Study]) -> list[list[str]]:
    everything, dense = _pruned_models(studies)
    if dense is None:
        return []
    near = [level for level in everything if _acc(dense) - _acc(level) <= NEAR]
    lines = []
    for group, chosen in (("", everything), ("near: ", near)):
        if len(chosen) < FEWEST or (group and len(near) == len(everything)):
            continue
        for name_of_x, x in (
            ("ln [CLS] error", _distances(chosen)),
            ("Acc", list(map(_acc, chosen))),
        ):
            tables = (
                [_same(level, dense) for level in chosen],
                [holding(level.attacks) for level in chosen],
            )
            lines.append(
                [
                    name,
                    f"{group}{len(chosen)}",
                    str(len(dense.attacks)),
                    name_of_x,
                    *(correlation(_correlation(x, table)) for table in tables),
                ]
            )
    return lines


def _pruned_models(studies: Sequence[Study]) -> tuple[list[LevelResult], LevelResult | None]:
    """Every attacked pruned level once, and the dense one."""
    attacked = [(study, level) for study in studies for level in study.levels if level.attacks]
    levels = {
        (repr(study.identity["plan"]), level.sparsity): level
        for study, level in attacked
        if level.sparsity > 0
    }
    return list(levels.values()), next(
        (level for _, level in attacked if level.sparsity == 0), None
    )


def _same(level: LevelResult, dense: LevelResult) -> list[bool]:
    before = {record.example: record.outcome for record in dense.attacks}
    return [
        record.outcome == before[record.example]
        for record in sorted(level.attacks, key=lambda record: record.example)
    ]


def correlation(rho: Statistic) -> str:
    """Spearman's ρ in words."""
    return f"{rho.value:+.2f} [{rho.low:+.2f}, {rho.high:+.2f}]"


def _correlation(x: Sequence[float], table: Sequence[Sequence[bool]]) -> Statistic:
    """Spearman's ρ between x of each model and its share of the examples, with a bootstrap
    interval over the models.

    The examples stay: shares are noisy by the draw of examples already, and drawing them again
    would count that twice and pull ρ toward 0.
    """
    values, shares = np.array(x), np.array(table, dtype=float).mean(1)
    chosen = np.concatenate(list(Resampler(RESAMPLES).rows(len(values))))
    low, high = np.nanpercentile(_spearman(values[chosen], shares[chosen]), [2.5, 97.5])
    value = float(_spearman(values[None], shares[None])[0])
    return Statistic(value, len(values), float(low), float(high))


def _spearman(x: Values, y: Values) -> Values:
    """ρ of every row; NaN where all values of a row are equal, which orders nothing."""
    a, b = (
        ranks - ranks.mean(1, keepdims=True) for ranks in (rankdata(x, axis=1), rankdata(y, axis=1))
    )
    with np.errstate(invalid="ignore"):
        rho: Values = (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return rho
