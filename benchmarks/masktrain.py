"""Time and memory of a step of mask training, against ordinary fine-tuning of the same model on the
same rows.

    python -m benchmarks.masktrain

Every kind trains in turn in one process, step by step, so that other work on the machine falls on
all alike; times are means of a step, resets of the thresholds included. Memory is the growth of a
child process's peak while it trains. Goals: time at most 1.35, memory at most 1.5.
"""

import argparse
import multiprocessing
import random
import statistics
import time
from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.solver import _peak
from prunescope.engine.models.victim import load_victim
from prunescope.engine.subnetworks.masks import HardConcrete, Shrinking, StraightThrough
from prunescope.engine.subnetworks.search_inputs import matrices_of
from prunescope.engine.subnetworks.spec import SubnetworkSpec
from prunescope.engine.training.callbacks import TrainerCallback
from prunescope.engine.training.loop import EncodedExamples, Training
from prunescope.engine.training.spec import TrainSpec

KINDS = {
    "fine-tuning": None,
    "mask, fixed": SubnetworkSpec(sparsity=0.7, every=0.05),
    "mask, gradual": SubnetworkSpec(
        sparsity=0.9, first=0.7, growth="gradual", init="soft", every=0.05
    ),
    "IMP": SubnetworkSpec("imp", sparsity=0.7),
    "hard-concrete": SubnetworkSpec("hard-concrete", sparsity=0.7),
}


# steps of the trainings, of which only the first are taken: thresholds are reset at every fifth
PLANNED = 100


def training(kind: str, batch: int, tokens: int) -> Training:
    """One kind over made-up rows of equal length, ready to go."""
    draw = random.Random(0)
    count = batch * PLANNED
    ids = [
        [101, *(draw.randrange(1000, 20000) for _ in range(tokens - 2)), 102] for _ in range(count)
    ]
    rows = EncodedExamples(
        {"input_ids": ids, "attention_mask": [[1] * tokens] * count},
        tuple(row % 2 for row in range(count)),
        0,
    )
    victim, spec = load_victim("embedded", "cpu"), KINDS[kind]
    victim.model.requires_grad_(True)
    train = TrainSpec(kind, seed=0, learning_rate=1e-4, batch_size=batch, rank=0)
    callback = TrainerCallback()
    if spec is not None:
        matrices, trained = matrices_of(victim, spec.head)
        classes: dict[str, Any] = {"mask": StraightThrough, "hard-concrete": HardConcrete}
        callback = (
            Shrinking(victim.model, matrices, spec)
            if spec.method == "imp"
            else classes[spec.method](victim.model, matrices, spec, trained)
        )
    return Training(victim.model, train, rows, None, "benchmark", callback=callback)


def stepping(one: Training) -> Iterator[None]:
    """Step by step."""
    while True:
        one._one_step(lambda stage, done, total: None)
        yield


def times(steps: int, batch: int, tokens: int) -> dict[str, float]:
    """Mean seconds of a step of every kind, in turns; the first step warms up."""
    all_of = {kind: stepping(training(kind, batch, tokens)) for kind in KINDS}
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(steps):
        for kind, one in all_of.items():
            start = time.process_time()
            next(one)
            if number:
                found[kind].append(time.process_time() - start)
    return {kind: statistics.fmean(one) for kind, one in found.items()}


def _grown(kind: str, batch: int, tokens: int, sender: Any) -> None:
    torch.set_num_threads(1)
    load_victim("embedded", "cpu")  # what the libraries take for themselves
    before = _peak()
    one = stepping(training(kind, batch, tokens))
    for _ in range(3):
        next(one)
    sender.send(_peak() - before)


def memory(kind: str, batch: int, tokens: int) -> float:
    """MiB by which a fresh process grows while it trains."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(False)
    child = context.Process(target=_grown, args=(kind, batch, tokens, sender))
    child.start()
    grown = float(receiver.recv())
    child.join()
    return grown


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=21)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=40)
    options = parser.parse_args()
    found = times(options.steps, options.batch, options.tokens)
    print(
        f"embedded MiniLM, {options.batch} rows of {options.tokens} tokens, "
        f"{torch.get_num_threads()} threads, fp32, "
        f"{options.steps} steps of each in turn, processor time\n"
    )
    for kind, seconds in found.items():
        print(
            f"{kind:<16} {1000 * seconds:8.0f} ms  {seconds / found['fine-tuning']:5.2f} ×",
            flush=True,
        )
    grown: dict[str, float] = {}
    for kind in KINDS:
        grown[kind] = memory(kind, options.batch, options.tokens)
        print(
            f"{kind:<16} {grown[kind]:7.0f} MiB  {grown[kind] / grown['fine-tuning']:5.2f} ×",
            flush=True,
        )


if __name__ == "__main__":
    main()
