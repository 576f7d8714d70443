"""Precision of the forward passes, and staying within memory."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from engine.errors import SettingError
from engine.models.victim import Victim

Result = TypeVar("Result")

PRECISIONS = ("fp32", "tf32", "bf16")
LEAST = 256  # tokens at once below which memory is given up on
SHARE = 0.5  # of the free memory that the activations of all levels together may take


@contextlib.contextmanager
def precise(name: str, device: torch.device) -> Iterator[None]:
    """Run forward passes in `name`; whatever was set before is set again. tf32 is fp32 where there is no CUDA."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=name == "bf16"):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; the CPU allocator has no type of its own for it."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "not enough memory" in str(error)


def shrinking(work: Callable[[int], Result], tokens: int, notices: list[str]) -> Result:
    """work(tokens), with half the tokens at once as often as memory runs out; says so. Raises SettingError below LEAST."""
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
        raise SettingError(f"Memory ran out with one level and {tokens} tokens at once ({error}); use less calibration text or "
                           "a smaller model.") from error  # fmt: skip
    notices.append(f"Memory ran out with {tokens} tokens at once; {tokens // 2} are tried.")
    return tokens // 2


def free_bytes(device: torch.device) -> int:
    """Free memory of a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):  # not on every system
        return 4 << 30


def level_bytes(victim: Victim, tokens: int) -> int:
    """What one more level needs: the activations of all tokens at their widest, its statistics and its weights."""
    widths = [weight.shape for weight in victim.prunable().values()]
    width, wide = min(min(shape) for shape in widths), max(max(shape) for shape in widths)
    statistics = 8 * wide * wide
    return 4 * (tokens * (wide + 2 * width) + statistics + sum(rows * columns for rows, columns in widths))


def levels_at_once(victim: Victim, tokens: int) -> int:
    """How many levels fit side by side, at least one."""
    return max(1, int(SHARE * free_bytes(victim.device)) // level_bytes(victim, tokens))
