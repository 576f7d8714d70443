"""Attacks in lock-step against stock TextAttack, and several victims together against the same
victims apart.

    PRUNESCOPE_DATA=… python -m benchmarks.attacks --data sst2 --examples 20 --attacks deepwordbug

Stock is TextAttack's own driver with its own model wrapper, which pads every query to the
tokenizer's limit; the random draws of a transformation follow the same rule on both sides. Outcomes
are compared example by example: status, perturbed text, queries. The victim's peak is its rate on
all texts the attack asked about, given at once. All in one run, in turns. OMP_NUM_THREADS=1
measures processor time on one core.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from prunescope.engine.attacks.attempt import Budget, Outcome
from prunescope.engine.attacks.candidates import SeededTransformation
from prunescope.engine.attacks.recipes import RECIPES
from prunescope.engine.attacks.resources import find_resources
from prunescope.engine.attacks.run import Attackers, Example
from prunescope.engine.attacks.textattack_import import textattack
from prunescope.engine.attacks.victim_service import VictimService
from prunescope.engine.data import Examples, load_dataset
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.pruning.pipeline import prune_levels
from prunescope.engine.pruning.plan import Plan

SEED = 0
STATUS = {"skipped": "Skipped", "broken": "Successful", "held": "Failed"}
Found = tuple[str, str, int]  # status, perturbed text, queries


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result; with one thread seconds of the processor, which other work on the machine
    does not lengthen.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    result = work()
    return clock() - start, result


def stock(
    victim: Victim, name: str, examples: Sequence[Example], resources: str | None
) -> list[Found]:
    """TextAttack's own run."""
    found = find_resources(resources)
    package = textattack(found)
    wrapper = package.models.wrappers.HuggingFaceModelWrapper(victim.model, victim.tokenizer)
    attack = RECIPES[name].build(package, wrapper, found)
    attack.transformation = SeededTransformation(attack.transformation, SEED)
    results = []
    for example in examples:
        attack.clear_cache()
        result = attack.attack(example.text, example.label)
        status = type(result).__name__.removesuffix("AttackResult")
        results.append(
            (status, result.perturbed_result.attacked_text.text, int(result.num_queries))
        )
    return results


class Counting(VictimService):
    """Remembers what was asked."""

    def __init__(self, victim: Victim) -> None:
        super().__init__(victim)
        self.items: list[Any] = []

    def answer(self, items: Sequence[Any]) -> list[torch.Tensor]:
        self.items += items
        return super().answer(items)


def lockstep(
    victims: dict[str, Victim], name: str, examples: Sequence[Example], resources: str | None
) -> tuple[dict[str, list[Outcome]], dict[str, Counting]]:
    """Our run on one or several victims: outcomes by victim, in the order of the examples."""
    attackers = Attackers(victims, name, SEED, resources)
    services = {side: Counting(victim) for side, victim in victims.items()}
    attackers._services = dict(services)
    found: dict[str, dict[int, Outcome]] = {side: {} for side in victims}
    for ended in attackers.run(((example, attackers.names) for example in examples), lambda: None):
        for side, outcome in ended:
            found[side][outcome.record.example] = outcome
    return {
        side: [outcomes[example.row] for example in examples] for side, outcomes in found.items()
    }, services


def same(outcome: Outcome, found: Found) -> bool:
    status, text, queries = found
    ours = STATUS.get(outcome.record.outcome, "Maximized")
    return (ours, outcome.record.queries) == (status, queries) and (
        status != "Successful" or outcome.perturbed == text
    )


def against_stock(
    victim: Victim, name: str, examples: Sequence[Example], resources: str | None
) -> None:
    first, (outcomes, services) = timed(
        lambda: lockstep({"dense": victim}, name, examples, resources)
    )
    slow, theirs = timed(lambda: stock(victim, name, examples, resources))
    second, _ = timed(lambda: lockstep({"dense": victim}, name, examples, resources))
    ours, items = min(first, second), services["dense"].items
    peak = min(
        timed(lambda: VictimService(victim).answer(list(dict.fromkeys(items))))[0] for _ in range(2)
    )
    pairs = zip(outcomes["dense"], theirs, strict=True)
    differ = [one.record.example for one, other in pairs if not same(one, other)]
    queries = sum(outcome.record.queries for outcome in outcomes["dense"])
    print(
        f"{name}: {len(examples)} examples, {queries} queries. Stock {slow:.1f} s, ours "
        f"{first:.1f} and {second:.1f} s: "
        f"{slow / ours:.1f} times. Outcomes differ on {len(differ)} {differ or ''}\n"
        f"  {len(items) / ours:.0f} queries/s, {100 * peak / ours:.0f} % of the victim's peak at "
        "the same lengths",
        flush=True,
    )


def together(
    victim: Victim, name: str, examples: Sequence[Example], count: int, resources: str | None
) -> None:
    """Dense and `count` sparse victims (by magnitude, 10 % and up) in one run, and one after the
    other.
    """
    levels = [round(0.1 + 0.6 * i / max(count - 1, 1), 3) for i in range(count)]
    victims = {"dense": victim}
    for level, pruned in zip(
        levels, prune_levels(victim, (), None, Plan.named("magnitude"), levels), strict=True
    ):
        victims[f"{100 * level:.0f} %"] = pruned.victim
    one, (joint, _) = timed(lambda: lockstep(victims, name, examples, resources))
    apart, agree = 0.0, True
    for side, each in victims.items():
        spent, (alone, _) = timed(
            lambda side=side, each=each: lockstep({side: each}, name, examples, resources)
        )  # type: ignore[misc]
        apart += spent
        agree = agree and alone[side] == joint[side]
    print(
        f"{name}: {len(victims)} victims together {one:.1f} s, apart {apart:.1f} s: "
        f"{one / apart:.2f}; outcomes {'identical' if agree else 'DIFFER'}",
        flush=True,
    )


def resident() -> float:
    """MiB of this process in memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def stream(
    victim: Victim, name: str, examples: Examples, count: int, resources: str | None
) -> None:
    """Memory of the process while examples go through, four queries at most on each: the driver's
    own growth shows.
    """
    attackers = Attackers({"dense": victim}, name, SEED, resources, Budget(queries=4))
    rows, marks = (
        [row % len(examples) for row in range(count)],
        {round(count * part / 10) for part in range(11)},
    )
    work = (
        (Example(examples.texts[row], None, examples.labels[row], place), attackers.names)
        for place, row in enumerate(rows)
    )
    ended = 0
    for found in attackers.run(work, lambda: None):
        for _ in found:
            ended += 1
            if ended in marks:
                print(f"{name}: {ended:,} examples, {resident():.0f} MiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="sst2", help="a folder of PRUNESCOPE_DATA, or `embedded`")
    parser.add_argument("--examples", type=int, default=20)
    parser.add_argument("--attacks", default="deepwordbug")
    parser.add_argument(
        "--sparse", type=int, default=0, help="sparse victims to attack together with the dense one"
    )
    parser.add_argument(
        "--stream",
        type=int,
        default=0,
        help="instead: memory while so many examples of the training split pass",
    )
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--resources")
    options = parser.parse_args()
    where = (
        options.data
        if options.data == "embedded"
        else str(Path(os.environ["PRUNESCOPE_DATA"]) / options.data)
    )
    data, victim = load_dataset(where), load_victim(options.model, options.device)
    evaluation = data.evaluation
    if options.stream:
        return stream(
            victim, options.attacks, data.train or evaluation, options.stream, options.resources
        )
    examples = [
        Example(evaluation.texts[row], None, evaluation.labels[row], row)
        for row in range(options.examples)
    ]
    print(
        f"{victim.name}, {options.data}, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}, Python {platform.python_version()}"
    )
    for name in options.attacks.split(","):
        lockstep(
            {"dense": victim}, name, examples[:1], options.resources
        )  # imports and first calls
        against_stock(victim, name, examples, options.resources)
        if options.sparse:
            together(victim, name, examples, options.sparse, options.resources)


if __name__ == "__main__":
    main()
