"""How long solving one sparsity of the embedded victim takes, against the floor of its matrix products in the same run.

    python -m benchmarks.solve_on_demand

The floor counts the operations of forward passes, Grams and drifts, 2 · m · n · k a product, at the rate that this machine
reaches on a large single-precision product just before.
"""

import statistics
import time

import torch

from engine.pruning.methods import METHODS
from engine.pruning.pipeline import prune
from engine.records import StudySpec
from engine.study import prepare


def product_rate() -> float:
    """Floating-point operations a second of a (8192 × 1536)ᵀ (8192 × 1536) product."""
    a = torch.randn(8192, 1536)
    times = []
    for _ in range(7):
        start = time.perf_counter()
        a.T @ a
        times.append(time.perf_counter() - start)
    return 2 * 8192 * 1536**2 / statistics.median(times)


def operations(width: int, wide: int, blocks: int, tokens: int) -> float:
    """Operations that cannot be avoided: two forward passes, Gram and drift of every group."""
    forward = 2 * (4 * width**2 + 2 * width * wide)
    grams = 2 * (3 * width**2 + wide**2) / 2  # symmetric: half
    drift = 2 * (2 * width**2 + 2 * width**2 + 2 * width * wide)  # qkv and intermediate; attention output; output
    return float(tokens * blocks * (2 * forward + grams + drift))


def main() -> None:
    prepared = prepare(StudySpec(attack="none", levels=(0.5,)))
    config = prepared.victim.model.config
    tokens = prepared.study.about["calibration_tokens"]
    needed = operations(config.hidden_size, config.intermediate_size, config.num_hidden_layers, tokens)
    text = prepared.calibration
    print(f"{tokens} calibration tokens, {torch.get_num_threads()} threads")
    for name in ("adaptive", "sequential", "magnitude"):
        times, rates = [], []
        for _ in range(3):
            rates.append(product_rate())
            start = time.perf_counter()
            prune(prepared.victim, text.texts, text.pairs, METHODS[name], 0.5)
            times.append(time.perf_counter() - start)
        seconds, floor = statistics.median(times), needed / statistics.median(rates)
        print(f"{name:<11} {seconds:6.2f} s   floor of the adaptive pipeline {floor:5.2f} s   ratio {seconds / floor:5.2f}")


if __name__ == "__main__":
    main()
