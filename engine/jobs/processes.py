"""Which process a row means: its number and its start time, because numbers are used again."""

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil

PATIENCE = 1.2  # seconds a process has to stop by itself
GONE = 0.6  # seconds that a killed one may take to vanish


def start_time(pid: int) -> str | None:
    """When the process started, in words that no other process with this number can have.

    None where there is none alive. The time counts from the start of the machine, so that setting
    the clock does not change it.
    """
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        seconds = process.create_time() - psutil.boot_time()
    except (psutil.Error, ValueError):
        return None
    return f"{_boot()}/{round(seconds * os.sysconf('SC_CLK_TCK'))}"


def _boot() -> str:
    """Which run of the machine this is; "" where the system does not say."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def is_alive(pid: int | None, started: str | None) -> bool:
    """Whether this very process is alive."""
    return pid is not None and started is not None and start_time(pid) == started


def end_group(pid: int, started: str, patience: float = PATIENCE) -> None:
    """Ask the group that a process leads to stop; kill what is left after `patience` seconds."""
    if is_alive(pid, started):
        _signal_group(pid, signal.SIGTERM)
        _wait_until_gone(pid, started, patience)
    kill_group(pid, started)
    _wait_until_gone(pid, started, GONE)


def kill_group(pid: int, started: str) -> None:
    """Kill every process of the group, unless its number belongs to someone else by now.

    A number is not given anew while a group goes by it, so where there is no such process the group
    can only be ours. psutil knows children, not groups; a child whose parent died is found by its
    group alone.
    """
    if start_time(pid) in (None, started):
        _signal_group(pid, signal.SIGKILL)


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _wait_until_gone(pid: int, started: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while is_alive(pid, started) and time.monotonic() < end:
        time.sleep(0.02)


def killed_for_memory() -> int:
    """How many processes this machine's kernel has killed because memory ran out.

    0 where it does not say; psutil does not read these counts.
    """
    counts = [0]
    for path in ("/proc/vmstat", "/sys/fs/cgroup/memory.events"):
        with contextlib.suppress(OSError):
            for line in Path(path).read_text(encoding="ascii").splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    counts.append(int(count))
    return sum(counts)


def memory_of(pid: int) -> int:
    """Bytes of memory that a process holds; 0 where the system does not say."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except (psutil.Error, ValueError):
        return 0
