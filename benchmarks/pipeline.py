"""How long the whole pruner takes, as a multiple of the floor of its matrix products in the same
run.

    python -m benchmarks.pipeline [--case minilm|base|large|levels] [--device cpu|cuda] [--repeats
      3]

minilm   the embedded victim, 512 sentences, one level of every method that looks at text base     a
randomly initialised BERT-base, 128 sentences (1,024 on CUDA), one level of `adaptive` large    the
same of BERT-large, 512 sentences levels   the embedded victim, many levels in one pass against as
many passes, and whether the masks agree

The floor counts 2 · m · n · k for every product that the method needs (half for a symmetric one),
d³/3 for a factorisation, and divides by the rate that this machine reaches on a large
single-precision product just before. The text is the project's own reviews, repeated as often as
needed; only its length matters here. Figures go to docs/benchmarks.md.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from transformers import BertConfig, BertForSequenceClassification

from prunescope.engine.data import load_dataset
from prunescope.engine.models.examine import examine
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.pruning.allocation import GRID
from prunescope.engine.pruning.importance import DIRECTIONS, SAMPLE
from prunescope.engine.pruning.joint import RELAXED
from prunescope.engine.pruning.methods import Method, method_named
from prunescope.engine.pruning.pipeline import prune, prune_levels
from prunescope.engine.pruning.plan import Plan

LEVELS = tuple(step / 20 for step in range(1, 20))


def product_rate(device: torch.device) -> float:
    """Floating-point operations a second of a (8192 × 1536)ᵀ (8192 × 1536) product in single
    precision.
    """
    a = torch.randn(8192, 1536, device=device)
    times = [timed(lambda: a.T @ a, device) for _ in range(7)]
    return 2 * 8192 * 1536**2 / statistics.median(times)


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of a piece of work, to its end on the device too."""
    _wait(device)
    start = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def operations(
    victim: Victim, tokens: int, sentences: int, method: Method, levels: int = 1
) -> float:
    """Operations that the method needs for `levels` levels in one pass; attention's own products
    are left out.
    """
    weights, corrects = victim.prunable(), method.target != "none"
    forward = 2.0 * tokens * sum(weight.numel() for weight in weights.values())
    grams = cross = solving = curves = moments = 0.0
    for group in victim.architecture.groups:
        shapes = [weights[layer].shape for layer in group.layers]
        rows, columns = sum(shape[0] for shape in shapes), shapes[0][1]
        product, cube = 2.0 * rows * columns**2, 1.0 * columns**3
        grams += 1.0 * tokens * columns**2  # symmetric: half
        cross += 2.0 * tokens * min(rows, columns) * columns if corrects else 0.0
        coupled = [
            shape[0] for shape in shapes if shape[0] <= columns
        ]  # with a metric of their own
        outward = sum(2.0 * count**2 * columns for count in coupled) if method.importance else 0.0
        moments += DIRECTIONS * tokens * sum(count**2 for count in coupled)
        curves += 2 * cube / 3 + len(GRID) * 2.5 * rows * columns**2
        if corrects:
            # a factor for α and one for the target, each with two triangular solves; W H twice
            solving += 2 * cube / 3 + 2 * product + 2 * product
        if method.solver == "joint":
            # to tridiagonal form and back, then there and back in every round
            solving += 10 * cube / 3 + len(RELAXED.penalties) * 2 * (product + outward)
        elif method.solver == "sparsegpt":
            solving += cube / 3 + cube / 3 + product / 2  # factor, its inverse, a triangular sweep
        if method.refit == "cg":
            solving += (1 + method.steps) * (product + outward)
    once = 0.0
    if method.importance:  # forward, gradients of outputs, and their moments
        once = min(1.0, SAMPLE / sentences) * ((1 + DIRECTIONS) * forward + moments)
    if method.allocation != "uniform":
        # the dense model's pass, and a sweep and its loss for every point of the curves
        once += forward + grams + curves
    if method.inputs == "dense":
        return forward + grams + levels * solving
    return once + (forward if corrects else 0.0) + levels * (forward + grams + cross + solving)


def floor_of(victim: Victim, texts: Sequence[str], plan: Plan, levels: int = 1) -> float:
    """Operations that a plan needs for texts, see `operations`."""
    tokens = sum(map(len, victim.encode(texts)["input_ids"]))
    return operations(victim, tokens, len(texts), plan.method, levels)


def sentences(count: int) -> tuple[str, ...]:
    train = load_dataset("embedded").train
    assert train is not None
    return tuple(train.texts[i % len(train.texts)] for i in range(count))


SIZES = {
    "base": {},
    "large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
}


def random_bert(size: str, device: str) -> Victim:
    """BERT-base or -large with random weights and the embedded victim's tokenizer."""
    small = load_victim("embedded", device)
    torch.manual_seed(0)
    model = (
        BertForSequenceClassification(BertConfig(vocab_size=len(small.tokenizer), **SIZES[size]))
        .eval()
        .to(small.device)
    )
    architecture = examine(model, f"BERT-{size}")
    return Victim(
        f"BERT-{size}, random", model, small.tokenizer, architecture, "random", ("0", "1"), 128
    )


def case(
    victim: Victim,
    texts: Sequence[str],
    names: Sequence[str],
    repeats: int,
    pattern: str = "unstructured",
) -> None:
    tokens = sum(map(len, victim.encode(texts)["input_ids"]))
    print(
        f"{victim.name}, {len(texts)} sentences, {tokens} tokens, {torch.get_num_threads()} "
        f"threads, {_device(victim)}"
    )
    for name in names:
        plan, times, floors = Plan.named(name, pattern), [], []
        needed = operations(victim, tokens, len(texts), plan.method)
        for _ in range(repeats):
            floors.append(needed / product_rate(victim.device))
            times.append(
                timed(lambda plan=plan: prune(victim, texts, None, plan, 0.5), victim.device)
            )  # type: ignore[misc]
        ratio = statistics.median(t / f for t, f in zip(times, floors, strict=True))
        print(
            f"  {name:<16} {statistics.median(times):7.2f} s   floor "
            f"{statistics.median(floors):6.2f} s "
            f"({needed / 1e12:.2f} TFLOP)   ratio {ratio:5.2f}   peak {_peak(victim)}",
            flush=True,
        )


def many_levels(
    victim: Victim, texts: Sequence[str], names: Sequence[str], levels: Sequence[float] = LEVELS
) -> None:
    passes = f"{len(levels)} levels in one pass against {len(levels)} passes"
    print(f"{victim.name}, {len(texts)} sentences, {passes}, {_device(victim)}")
    for name in names:
        plan = Plan.named(name)
        start = time.perf_counter()
        together = [
            pruned.victim.prunable() for pruned in prune_levels(victim, texts, None, plan, levels)
        ]
        _wait(victim.device)
        at_once, apart, same = time.perf_counter() - start, 0.0, True
        for level, weights in zip(levels, together, strict=True):
            start = time.perf_counter()
            alone = prune(victim, texts, None, plan, level).victim.prunable()
            _wait(victim.device)
            apart += time.perf_counter() - start
            same = same and all(
                torch.equal(alone[layer] == 0, weight == 0) for layer, weight in weights.items()
            )
        print(
            f"  {name:<16} {at_once:7.1f} s   apart {apart:7.1f} s   "
            f"ratio {at_once / apart:5.2f}   "
            f"masks {'identical' if same else 'DIFFER'}   peak {_peak(victim)}",
            flush=True,
        )


def _device(victim: Victim) -> str:
    return torch.cuda.get_device_name(victim.device) if victim.device.type == "cuda" else "CPU"


def _peak(victim: Victim) -> str:
    if victim.device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated(victim.device) / 1e9:.1f} GB on the card"
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", choices=("minilm", "base", "large", "levels"), default="minilm")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--methods",
        help="names with commas (default: adaptive; minilm: SparseGPT and Wanda too)",
    )
    parser.add_argument(
        "--count", type=int, default=19, help="of levels, evenly spread (default: 19)"
    )
    options = parser.parse_args()
    usual = "adaptive,sparsegpt,sparsegpt-static,wanda" if options.case == "minilm" else "adaptive"
    names = [method_named(name).name for name in (options.methods or usual).split(",")]
    if options.case in SIZES:
        victim = random_bert(options.case, options.device)
        on_card = victim.device.type == "cuda"
        # a token for each of 4,096 inputs
        texts = sentences(1024 if on_card else 512 if options.case == "large" else 128)
        if on_card:
            prune(victim, texts, None, Plan.named("adaptive"), 0.5)  # the first call loads kernels
        case(victim, texts, names, options.repeats)
        if on_card and options.case == "base":
            many_levels(victim, texts, ("adaptive",), LEVELS[:10])
        return
    victim = load_victim("embedded", options.device)
    if options.case == "levels":
        spread = [round(i / (options.count + 1), 4) for i in range(1, options.count + 1)]
        many_levels(victim, sentences(512), names, spread)
    else:
        case(victim, sentences(512), names, options.repeats)


if __name__ == "__main__":
    main()
