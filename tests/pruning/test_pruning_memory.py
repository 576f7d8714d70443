"""Free memory within the limits of a container."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from prunescope.engine.models.fingerprint import weights_sha256
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning import calibration, memory
from prunescope.engine.pruning.memory import (
    bytes_per_sparsity,
    cgroup_bytes_left,
    free_bytes,
    out_of_memory,
    sparsities_at_once,
    tokens_that_wait,
)
from prunescope.engine.pruning.methods import method_named
from prunescope.engine.pruning.pipeline import prune_levels


def control_group(root: Path, version: int, path: str, most: str, used: int, idle: int) -> None:
    """Files as the kernel writes them."""
    folder = (root if version == 2 else root / "memory") / path
    folder.mkdir(parents=True, exist_ok=True)
    limit, usage, name = (
        ("memory.max", "memory.current", "inactive_file")
        if version == 2
        else ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    )
    (folder / limit).write_text(f"{most}\n")
    (folder / usage).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{name}_x 5\n{name} {idle}\n")


@pytest.mark.parametrize(
    ("version", "line"), [(2, "0::/{}"), (1, "4:memory:/{}"), (1, "7:cpu,memory:/{}")]
)
def test_the_limit_of_a_container_bounds_what_is_free(tmp_path: Path, version: int, line: str):
    groups = tmp_path / "cgroup"
    membership = tmp_path / "self"

    def rooms(path: str) -> list[int]:
        membership.write_text(f"12:devices:/elsewhere\n{line.format(path)}\n")
        return cgroup_bytes_left(membership, groups)

    assert rooms("a/b") == []  # nothing to read: no limit is known
    control_group(groups, version, "a", "1000", 700, 100)
    control_group(groups, version, "a/b", "max" if version == 2 else str(2**63 - 4096), 300, 0)
    assert min(rooms("a/b")) == min(rooms("a")) == 400 and len(rooms("a/b")) == (
        1 if version == 2 else 2
    )
    control_group(groups, version, "a/b", "350", 500, 0)
    assert min(rooms("a/b")) == 0  # over its limit already
    control_group(groups, version, "", "640", 600, 10)
    # in a container the path is the host's, and the limit stands at the root
    assert rooms("docker/of-the-host") == [50]
    membership.unlink()
    assert cgroup_bytes_left(membership, groups) == []


def test_free_memory_is_what_is_available_within_the_limits(
    dense: Victim, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=900, free=10)
    )
    for limits, free in (([], 900), ([2000], 900), ([700, 800], 700)):
        monkeypatch.setattr(memory, "cgroup_bytes_left", lambda limits=limits: limits)
        assert free_bytes(dense.device) == free


def test_what_counts_as_memory_that_ran_out():
    assert out_of_memory(torch.OutOfMemoryError("x")) and out_of_memory(MemoryError())
    assert not out_of_memory(RuntimeError("x")) and not out_of_memory(ValueError())


def test_at_least_one_level_fits_and_more_with_more_memory(
    dense: Victim, monkeypatch: pytest.MonkeyPatch
):
    need = bytes_per_sparsity(dense, 1000)
    assert need >= 4 * (
        1000 * (64 + 2 * 32) + sum(weight.numel() for weight in dense.prunable().values())
    )
    assert free_bytes(dense.device) > 0
    for free, levels in ((0, 1), (2 * need, 1), (2 * 5 * need, 5)):
        monkeypatch.setattr(
            "prunescope.engine.pruning.memory.free_bytes", lambda device, free=free: free
        )
        assert sparsities_at_once(dense, 1000) == levels


def test_passes_wait_as_far_as_there_is_room(dense: Victim, monkeypatch: pytest.MonkeyPatch):
    free = 0

    def room(device: torch.device) -> int:
        return free

    monkeypatch.setattr("prunescope.engine.pruning.memory.free_bytes", room)
    waiting, kept = 2 * 4 * (2 * 64 + 5 * 32), 2 * 4 * 32  # bytes of a token in two models
    assert tokens_that_wait(dense, 1000, 2) == 0
    free = 2 * 1000 * waiting
    assert tokens_that_wait(dense, 1000, 2) == 1000
    free -= 2
    assert tokens_that_wait(dense, 1000, 2) == (1000 * (waiting - kept) - 1) // waiting < 1000


@pytest.mark.parametrize("method", ["p1", "sparsegpt", "sparsegpt-static", "wanda"])
def test_methods_give_the_same_bits_without_waiting(
    dense: Victim, sentences: tuple[str, ...], method: str, monkeypatch: pytest.MonkeyPatch
):
    """Several sparsities at once, the re-targeted head of P1 included."""
    whole = list(prune_levels(dense, sentences[:60], None, method_named(method), (0.5, 0.7)))
    monkeypatch.setattr(calibration, "tokens_that_wait", lambda *given: 0)
    parts = list(prune_levels(dense, sentences[:60], None, method_named(method), (0.5, 0.7)))
    for one, other in zip(whole, parts, strict=True):
        assert weights_sha256(one.victim.model) == weights_sha256(other.victim.model)
