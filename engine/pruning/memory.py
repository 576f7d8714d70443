"""Precision of the forward passes, and staying within memory."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil
import torch

from prunescope.engine.errors import SettingError
from prunescope.engine.models.victim import Victim

Result = TypeVar("Result")

PRECISIONS = ("fp32", "tf32", "bf16")
LEAST = 256  # tokens at once below which memory is given up on
SHARE = 0.5  # of the free memory that the activations of all levels together may take


@contextlib.contextmanager
def precise(name: str, device: torch.device) -> Iterator[None]:
    """Run forward passes in `name`; whatever was set before is set again. tf32 is fp32 where there
    is no CUDA.
    """
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=name == "bf16"):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; the CPU allocator has no type of its own for it."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "not enough memory" in str(
        error
    )


def shrinking(work: Callable[[int], Result], tokens: int, notices: list[str]) -> Result:
    """work(tokens), with half the tokens at once as often as memory runs out; says so. Raises
    SettingError below LEAST.
    """
    while True:
        try:
            return work(tokens)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            tokens = halved(tokens, notices, error)


def halved(tokens: int, notices: list[str], error: Exception) -> int:
    """Half the tokens at once, noted. Raises SettingError where even LEAST did not fit."""
    if tokens <= LEAST:
        raise SettingError(
            f"Memory ran out with one level and {tokens} tokens at once ({error}); use less "
            "calibration text or "
            "a smaller model."
        ) from error
    notices.append(f"Memory ran out with {tokens} tokens at once; {tokens // 2} are tried.")
    return tokens // 2


def free_bytes(device: torch.device) -> int:
    """Memory of a device that this process may still take; the CPU's caches count, and so do the
    limits of a container.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    available: int = psutil.virtual_memory().available
    return min([available, *container_rooms()])


def container_rooms(
    membership: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> list[int]:
    """Bytes left under every memory limit of the control groups (version 1 or 2) that this process
    is in, on Linux.

    A limit holds for a group and all groups below it. In a container the path of the group may be
    the host's, while its own limit stands at the root. File pages that nobody has used of late are
    given back when memory is short, so they are free.
    """
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    rooms: list[int] = []
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        if controllers == "":
            base, names = root, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            base, names = (
                root / "memory",
                ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
            )
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        groups = (base.joinpath(*parts[:depth]) for depth in range(len(parts) + 1))
        rooms += [room for group in groups if (room := _room(group, *names)) is not None]
    return rooms


def _room(group: Path, limit: str, usage: str, idle: str) -> int | None:
    """What a control group may still take; None where it has no limit, or none that can be read."""
    try:
        most, used, statistics = (
            (group / name).read_text(encoding="ascii") for name in (limit, usage, "memory.stat")
        )
        idle_bytes = next(
            (
                int(line.split()[1])
                for line in statistics.splitlines()
                if line.startswith(f"{idle} ")
            ),
            0,
        )
        return None if most.strip() == "max" else max(0, int(most) - int(used) + idle_bytes)
    except (OSError, ValueError):
        return None


def level_bytes(victim: Victim, tokens: int) -> int:
    """What one more level needs: the activations of all tokens at their widest, its statistics and
    its weights.
    """
    widths = [weight.shape for weight in victim.prunable().values()]
    width, wide = min(min(shape) for shape in widths), max(max(shape) for shape in widths)
    statistics = 8 * wide * wide
    return 4 * (
        tokens * (wide + 2 * width) + statistics + sum(rows * columns for rows, columns in widths)
    )


def levels_at_once(victim: Victim, tokens: int) -> int:
    """How many levels fit side by side, at least one."""
    return max(1, int(SHARE * free_bytes(victim.device)) // level_bytes(victim, tokens))
