"""Time, error and memory of one layer's factorisation and sweep, against SparseGPT's own algorithm
on the same matrices.

    python -m benchmarks.solver

The peer is written from the paper (Frantar and Alistarh, ICML 2023, algorithm 1): three
factorisations, then column by column in blocks of 128 with a sorted threshold per block. Both take
their turns in one loop; times are medians. The rows with a pattern show ours only. Memory is the
growth of a child process's peak over its inputs.
"""

import multiprocessing
import platform
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from prunescope.engine.pruning.patterns import NofM, Pattern, Unstructured
from prunescope.engine.pruning.sparsegpt import sweep
from prunescope.engine.pruning.targets import factorise

SHAPES = ((768, 768), (3072, 768), (768, 3072))
SPARSITY, DAMPING, ROUNDS = 0.5, 0.01, 7
Solver = Callable[[Tensor, Tensor], Tensor]


def layer(rows: int, width: int) -> tuple[Tensor, Tensor]:
    """(W, H) of inputs with a quarter of the directions strong, uneven scales and two outlier
    dimensions.
    """
    generator = torch.Generator().manual_seed(rows + width)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    inputs = draw(3 * width, width // 4) @ draw(width // 4, width) / (
        width / 4
    ) ** 0.5 + 0.3 * draw(3 * width, width)
    inputs *= torch.exp(0.5 * draw(width))
    inputs[:, [3, width // 2]] = 30 * inputs[:, [3, width // 2]] + 20
    return 0.04 * draw(rows, width), inputs.T @ inputs / len(inputs)


def peer(weight: Tensor, hessian: Tensor) -> Tensor:
    """SparseGPT as in its paper, unstructured."""
    damped = hessian + DAMPING * hessian.diagonal().mean() * torch.eye(len(hessian))
    upper = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(damped)), upper=True)
    weight = weight.clone()
    for start in range(0, weight.shape[1], 128):
        stop = min(start + 128, weight.shape[1])
        block, local = weight[:, start:stop].clone(), upper[start:stop, start:stop]
        scores = block**2 / local.diagonal() ** 2
        mask = scores <= scores.flatten().sort().values[int(scores.numel() * SPARSITY) - 1]
        errors = torch.zeros_like(block)
        for j in range(stop - start):
            column = block[:, j]
            pruned = column.clone()
            pruned[mask[:, j]] = 0
            errors[:, j] = (column - pruned) / local[j, j]
            block[:, j:] -= errors[:, j : j + 1] @ local[j : j + 1, j:]
            block[:, j] = pruned
        weight[:, start:stop] = block
        weight[:, stop:] -= errors @ upper[start:stop, stop:]
    return weight


def ours(weight: Tensor, hessian: Tensor, pattern: Pattern | None = None) -> Tensor:
    return sweep(weight, factorise(hessian, DAMPING).upper, pattern or Unstructured(), SPARSITY)


def relative_error(weight: Tensor, solved: Tensor, hessian: Tensor) -> float:
    """‖(W − Ŵ) X‖² / ‖W X‖² in double precision."""
    weight, change, hessian = weight.double(), (weight - solved).double(), hessian.double()
    return float(((change @ hessian) * change).sum() / ((weight @ hessian) * weight).sum())


def seconds(solvers: list[Solver], weight: Tensor, hessian: Tensor) -> list[float]:
    """The median time of each, in turns."""
    times: list[list[float]] = [[] for _ in solvers]
    for number in range(ROUNDS + 1):
        for solver, mine in zip(solvers, times, strict=True):
            start = time.perf_counter()
            solver(weight, hessian)
            if number:  # the first round warms up
                mine.append(time.perf_counter() - start)
    return [statistics.median(mine) for mine in times]


def _peak() -> float:
    """The largest resident memory of this process so far in MiB, from Linux; ru_maxrss would count
    the parent's too.
    """
    match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(match[1]) / 1024 if match else float("nan")


def _grown(solver: Solver, path: str) -> float:
    weight, hessian = torch.load(path)
    solver(weight[:64, :64].clone(), torch.eye(64))  # what the libraries take for themselves
    before = _peak()
    solver(weight, hessian)
    return _peak() - before


def memory(solver: Solver, weight: Tensor, hessian: Tensor) -> float:
    with (
        tempfile.TemporaryDirectory() as folder,
        multiprocessing.get_context("spawn").Pool(1) as pool,
    ):
        path = str(Path(folder, "layer.pt"))
        torch.save((weight, hessian), path)
        return pool.apply(_grown, (solver, path))


def main() -> None:
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    rate = 2 * 2048**3 / seconds([torch.matmul], a, b)[0]
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, sgemm {rate / 1e9:.0f} GFLOP/s, "
        f"torch {torch.__version__}"
    )
    print(f"{SPARSITY:.0%} sparsity, damping {DAMPING}\n")
    print(
        "d_out × d_in     SparseGPT       ours   ratio      error, theirs / ours      MiB    2:4   "
        "   4:8  per row"
    )
    sums = [0.0, 0.0]
    for rows, width in SHAPES:
        weight, hessian = layer(rows, width)
        patterns = (NofM(2, 4), NofM(4, 8), Unstructured(per_row=True))
        others: list[Solver] = [lambda w, h, p=p: ours(w, h, p) for p in patterns]  # type: ignore[misc]
        times = seconds([peer, ours, *others], weight, hessian)
        errors = [
            relative_error(weight, solver(weight, hessian), hessian) for solver in (peer, ours)
        ]
        peaks = [memory(solver, weight, hessian) for solver in (peer, ours)]
        sums = [total + mine for total, mine in zip(sums, times[:2], strict=True)]
        print(
            f"{rows:5} × {width:<5} {times[0] * 1e3:8.1f} ms {times[1] * 1e3:7.1f} ms "
            f"{times[0] / times[1]:6.2f}×"
            f"   {errors[0]:.6f} / {errors[1]:.6f}   {peaks[0]:4.0f} / {peaks[1]:<4.0f}"
            + "".join(f"{mine * 1e3:7.1f}" for mine in times[2:])
        )
    print(f"{'sum':13} {sums[0] * 1e3:8.1f} ms {sums[1] * 1e3:7.1f} ms {sums[0] / sums[1]:6.2f}×")


if __name__ == "__main__":
    main()
