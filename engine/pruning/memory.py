"""Staying within memory: how much is free, how much a sparsity takes, and retrying with less."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil
import torch

from prunescope.engine.errors import SettingError
from prunescope.engine.models.victim import Victim

Result = TypeVar("Result")

MIN_TOKENS = 256  # tokens at once below which no smaller number is tried
SHARE = 0.5  # of the free memory that the activations of all pruned models together may take


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; the CPU allocator has no exception type for it."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "not enough memory" in str(error)


def retry_with_fewer_tokens(
    work: Callable[[int], Result], tokens: int, notices: list[str]
) -> Result:
    """work(tokens), with half the tokens after each time that memory ran out; adds a notice.

    Raises SettingError below MIN_TOKENS.
    """
    while True:
        try:
            return work(tokens)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            tokens = halve_tokens(tokens, notices, error)


def halve_tokens(tokens: int, notices: list[str], error: Exception) -> int:
    """Half the tokens at once, with a notice. Raises SettingError where MIN_TOKENS did not fit."""
    if tokens <= MIN_TOKENS:
        raise SettingError(
            f"Memory ran out with one sparsity and {tokens} tokens at once ({error}); use less "
            "calibration text or a smaller model."
        ) from error
    notices.append(f"Memory ran out with {tokens} tokens at once; {tokens // 2} are tried.")
    return tokens // 2


def free_bytes(device: torch.device) -> int:
    """Memory of a device that this process can still take, within the limits of its container.

    The operating system's file caches count as free.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    available: int = psutil.virtual_memory().available
    return min([available, *cgroup_bytes_left()])


def cgroup_bytes_left(
    membership: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> list[int]:
    """Bytes left under each memory limit of this process's control groups, version 1 or 2, on
    Linux.

    psutil reports the host's memory and knows no control group, so this reads the kernel's files
    itself. A limit of a group holds for all groups below it. Inside a container the path of the
    group may be the host's, while its own limit stands at the root.
    """
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    bytes_left: list[int] = []
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        if controllers == "":
            base, names = root, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            base = root / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        groups = (base.joinpath(*parts[:depth]) for depth in range(len(parts) + 1))
        limits = (_group_bytes_left(group, *names) for group in groups)
        bytes_left += [left for left in limits if left is not None]
    return bytes_left


def _group_bytes_left(group: Path, limit: str, usage: str, inactive: str) -> int | None:
    """What a control group can still take; None where it has no limit, or none that can be read.

    Inactive file pages count as free: the kernel gives them back when memory is short.
    """
    try:
        most, used, statistics = (
            (group / name).read_text(encoding="ascii") for name in (limit, usage, "memory.stat")
        )
        counters = dict(line.partition(" ")[::2] for line in statistics.splitlines())
        inactive_bytes = int(counters.get(inactive, 0))
        return None if most.strip() == "max" else max(0, int(most) - int(used) + inactive_bytes)
    except (OSError, ValueError):
        return None


def bytes_per_sparsity(victim: Victim, tokens: int) -> int:
    """What pruning to one more sparsity needs: the activations of all calibration tokens at their
    widest, a group's statistics, and the weights, all in float32.
    """
    weights = victim.prunable().values()
    statistics = 8 * _widths(victim)[1] ** 2
    others = statistics + sum(weight.numel() for weight in weights)
    return tokens * _bytes_waiting(victim) + 4 * others


def _bytes_waiting(victim: Victim) -> int:
    """Of a token in one model whose pass waits where that takes most, in float32: the input of the
    widest linear, as the pass has it and as statistics read it, and the states around it. Measured
    with MiniLM: 17 kB; this says 20.
    """
    narrow, wide = _widths(victim)
    return 4 * (2 * wide + 5 * narrow)


def _widths(victim: Victim) -> tuple[int, int]:
    """The least and the greatest number of inputs or outputs of a linear."""
    sides = [side for weight in victim.prunable().values() for side in weight.shape]
    return min(sides), max(sides)


def tokens_that_wait(victim: Victim, tokens: int, models: int) -> int:
    """Of how many calibration tokens the passes of so many models can wait in memory together:
    all of them where there is room, else as many as fit beside what is kept of the others.
    """
    waiting, kept = models * _bytes_waiting(victim), models * 4 * _widths(victim)[0]
    room = int(SHARE * free_bytes(victim.device))
    return tokens if tokens * waiting <= room else max(0, (room - tokens * kept) // waiting)


def sparsities_at_once(victim: Victim, tokens: int) -> int:
    """How many sparsities fit side by side, at least one."""
    room = int(SHARE * free_bytes(victim.device))
    return max(1, room // bytes_per_sparsity(victim, tokens))
