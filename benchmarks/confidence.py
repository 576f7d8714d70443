"""How often the limits of the safe sparsity are right, where the truth is known.

    python -m benchmarks.confidence [--rounds 1000]

Every round draws the examples of a made-up study: each is right with the dense model with a
probability of .9, and flips at a level with the probabilities of the case. `sure` is wrong where it
lies above the true safe sparsity, `possible` where it lies below. Beside them the bootstrap's
quantiles, which `sure` replaces. One line a case: the share of rounds in which each is right (95%
is what they promise), and how often `sure` is at the truth.
"""

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass

from prunescope.engine.reading.safety import last_safe, safe_spread
from prunescope.engine.records import AttackRecord, LevelResult, Rate, Study

POINTS = 3.0
SPARSITIES = (0.0, 0.3, 0.5, 0.7, 0.9)
RIGHT, WITHSTOOD = 0.9, 0.5  # of all examples, and of those that are right


@dataclass(frozen=True, slots=True)
class Case:
    """A study with a known truth: (share lost, share gained) under attack of every pruned level.
    Acc flips as quietly as a safe level's, or as much where a level is far off.
    """

    name: str
    n: int
    attacked: int
    flips: tuple[tuple[float, float], ...]

    @property
    def truth(self) -> int:
        """The true last safe level."""
        losses = [100 * (lost - gained) > POINTS for lost, gained in self.flips]
        return losses.index(True) if True in losses else len(losses)


QUIET, NOISY, FAR = ((0.005, 0.005), (0.03, 0.03), (0.3, 0.02))
JUST = {"few flips": (0.0302, 0.0001), "many flips": (0.0901, 0.06)}  # just past the tolerance
CASES = [
    Case(f"{n} examples, {attacked} attacked; {name}", n, attacked, (QUIET, flips, FAR, FAR))
    for n, attacked in ((100, 20), (500, 60), (872, 200), (2000, 1000))
    for name, flips in JUST.items()
] + [
    Case("872 examples, 200 attacked; safe up to the end", 872, 200, (QUIET, QUIET, NOISY, NOISY)),
    Case("20 examples, 20 attacked; safe up to the end", 20, 20, (QUIET, QUIET, NOISY, NOISY)),
]


def _flipped(
    before: Sequence[bool], rate: float, flips: tuple[float, float], draw: random.Random
) -> list[bool]:
    lost, gained = flips[0] / rate, flips[1] / (1 - rate)
    return [(draw.random() >= lost) if right else (draw.random() < gained) for right in before]


def study(case: Case, draw: random.Random) -> Study:
    """One draw of a case's study."""
    acc = [draw.random() < RIGHT for _ in range(case.n)]
    aua = [draw.random() < RIGHT * WITHSTOOD for _ in range(case.attacked)]
    levels = [_level(0.0, acc, aua)]
    for sparsity, flips in zip(SPARSITIES[1:], case.flips, strict=True):
        right = _flipped(acc, RIGHT, FAR if flips == FAR else QUIET, draw)
        levels.append(_level(sparsity, right, _flipped(aua, RIGHT * WITHSTOOD, flips, draw)))
    return Study("k", {}, {"label_names": ["a", "b"]}, tuple(levels))


def _level(sparsity: float, acc: Sequence[bool], aua: Sequence[bool]) -> LevelResult:
    right = tuple(row for row, hit in enumerate(acc) if hit)
    attacks = tuple(
        AttackRecord(row, "held" if hit else "broken", 1, 1, 1, 0.9, 0.4)
        for row, hit in enumerate(aua)
    )
    acc_rate, aua_rate = Rate.of(len(right), len(acc)), Rate.of(sum(aua), len(aua))
    return LevelResult(
        sparsity, sparsity, 0.0, acc_rate, aua_rate, None, 0.0, {}, right, attacks, (), 1, 1
    )


def coverage(case: Case, rounds: int) -> tuple[float, float, float, float]:
    """Shares of the rounds: `sure` is right, `possible` is right, the bootstrap's 5% quantile would
    be right, `sure` is the truth itself.
    """
    draw, hits = random.Random(case.name), [0] * 4
    for turn in range(rounds):
        drawn = study(case, draw)
        safe, spread = last_safe(drawn, POINTS), safe_spread(drawn, POINTS, 200, turn)
        assert safe is not None and spread is not None
        true = SPARSITIES[case.truth]
        hits[0] += safe.sure <= true
        hits[1] += safe.possible >= true
        hits[2] += spread.low <= true  # the 2.5% quantile, which is the more careful one
        hits[3] += safe.sure == true
    return hits[0] / rounds, hits[1] / rounds, hits[2] / rounds, hits[3] / rounds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1000)
    rounds = parser.parse_args().rounds
    print(f"| case | sure | possible | bootstrap, 2.5% | sure is the truth |\n|{'---|' * 5}")
    for case in CASES:
        print(f"| {case.name} | " + " | ".join(f"{x:.1%}" for x in coverage(case, rounds)) + " |")


if __name__ == "__main__":
    main()
