"""Which process is meant by a row: its number and when it was born, because numbers are used again."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

PATIENCE = 1.2  # seconds a process has to stop by itself
GONE = 0.6  # seconds that a killed one may take to vanish


def born(pid: int) -> str | None:
    """When the process began, in words that no other process with this number can have; None where
    there is none alive.
    """
    if Path("/proc/self/stat").is_file():
        try:
            fields = (
                Path(f"/proc/{pid}/stat")
                .read_text(encoding="utf-8", errors="replace")
                .rpartition(")")[2]
                .split()
            )
        except OSError:
            return None
        return None if fields[0] in "ZX" else f"{_boot()}/{fields[19]}"
    shown = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    state, _, start = shown.strip().partition(" ")
    return None if not state or state.startswith("Z") else start.strip()


def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def lives(pid: int | None, when: str | None) -> bool:
    """Whether this very process is alive."""
    return pid is not None and when is not None and born(pid) == when


def end_group(pid: int, when: str, patience: float = PATIENCE) -> None:
    """Ask the group that this process leads to stop, and end what is left of it after `patience`
    seconds.
    """
    if lives(pid, when):
        _signal(pid, signal.SIGTERM)
        _until_gone(pid, when, patience)
    end_rest(pid, when)
    _until_gone(pid, when, GONE)


def end_rest(pid: int, when: str) -> None:
    """End every process of the group, unless its number belongs to someone else by now.

    A number is not given anew while a group goes by it, so where there is no such process the group
    can only be ours.
    """
    if born(pid) in (None, when):
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _until_gone(pid: int, when: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while lives(pid, when) and time.monotonic() < end:
        time.sleep(0.02)


def killed_for_memory() -> int:
    """How many processes this machine's kernel has killed because memory ran out; 0 where it does
    not say.
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
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf(
            "SC_PAGE_SIZE"
        )
    return 0
