"""Checkpoints: a training that was cut short ends with the same bytes, and a checkpoint is whole or
not there.
"""

import errno
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from prunescope.engine import paths
from prunescope.engine.errors import InterruptedStudy, StoreError
from prunescope.engine.store import checksummed
from prunescope.engine.training import checkpoint, loop
from prunescope.engine.training.checkpoint import TrainingState
from prunescope.engine.training.finetune import TrainingSetup, finetune
from prunescope.engine.training.spec import TrainSpec

SPEC = TrainSpec("member", seed=1, learning_rate=0.01, epochs=2, batch_size=8, rank=0, adv_steps=2)
KINDS: dict[str, dict[str, Any]] = {
    "all weights": {},
    "adapter": {"rank": 2},
    "freelb": {"adversarial": "freelb"},
    "freelb adapter": {"rank": 2, "adversarial": "freelb"},
    "smart, pieces": {"adversarial": "smart", "accumulation": 2},
    "sgd with momentum": {"optimizer": "sgd", "momentum": 0.9},
    "sgd": {"optimizer": "sgd"},
    "early stopping": {"rank": 2, "patience": 4, "checks": 3.0},
}
Stop = Callable[[int], Callable[[str, int, int], None]]


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def unbroken(
    shared: TrainingSetup, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], dict[str, bytes]]:
    """What a training of one kind writes when nothing stops it."""
    remaining: dict[str, dict[str, bytes]] = {}

    def of(kind: str) -> dict[str, bytes]:
        if kind not in remaining:
            out = tmp_path_factory.mktemp("unbroken") / "out"
            finetune(replace(SPEC, **KINDS[kind]), shared, out)
            remaining[kind] = written(out)
        return remaining[kind]

    return of


# The same bytes


@pytest.mark.parametrize("step", [1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_training_ends_with_the_same_bytes(
    shared: TrainingSetup,
    tmp_path: Path,
    unbroken: Callable[[str], dict[str, bytes]],
    stop_after: Stop,
    kind: str,
    step: int,
):
    spec, out = replace(SPEC, **KINDS[kind]), tmp_path / "out"
    with pytest.raises(InterruptedStudy):
        finetune(spec, shared, out, report=stop_after(step))
    assert [path.name for path in tmp_path.iterdir()] == ["out.checkpoint"]
    torch.manual_seed(99)  # the state of the process does not matter
    random.seed(99)
    steps: list[int] = []
    finetune(spec, shared, out, report=lambda _stage, done, _total: steps.append(done))
    assert steps[0] == step  # it went on, and did not begin anew
    assert written(out) == unbroken(kind)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_training_may_be_interrupted_at_every_step(
    shared: TrainingSetup,
    tmp_path: Path,
    unbroken: Callable[[str], dict[str, bytes]],
    stop_after: Stop,
):
    spec, out = replace(SPEC, **KINDS["early stopping"]), tmp_path / "out"
    for step in range(1, 7):
        with pytest.raises(InterruptedStudy):
            finetune(spec, shared, out, report=stop_after(step))
    finetune(spec, shared, out)
    assert written(out) == unbroken("early stopping")


@pytest.mark.parametrize("kind", ["early stopping", "smart, pieces"])
def test_an_interruption_within_a_step_or_a_check(
    shared: TrainingSetup, tmp_path: Path, unbroken: Callable[[str], dict[str, bytes]], kind: str
):
    """What is kept is the state before it, so that no finished step is lost and every run comes one
    step further.
    """
    calls = 0

    def report(_stage: str, _done: int, _total: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise InterruptedStudy("now")

    spec, out = replace(SPEC, **KINDS[kind]), tmp_path / "out"
    for _ in range(20):
        calls = 0
        try:
            finetune(spec, shared, out, report=report)
            break
        except InterruptedStudy:
            pass
    assert written(out) == unbroken(kind)


def told_in(owner: Any, name: str, monkeypatch: pytest.MonkeyPatch, *, at: int) -> None:
    """The process is told to stop when this function has been called so often, after it did its
    work.
    """
    real, calls = getattr(owner, name), 0

    def then_told(*inputs: Any, **names: Any) -> Any:
        nonlocal calls
        result = real(*inputs, **names)
        calls += 1
        if calls == at:
            signal.raise_signal(signal.SIGTERM)
        return result

    monkeypatch.setattr(owner, name, then_told)


# (where in a step, which call of it, steps that are then done)
PLACES = [
    (loop.Passes, "take", 3, 2),
    (torch.nn.functional, "cross_entropy", 1, 0),
    (torch.nn.utils, "clip_grad_norm_", 4, 3),
    (torch.optim.AdamW, "step", 2, 2),
    (torch.optim.AdamW, "zero_grad", 3, 3),
    (loop.TrainerCallback, "on_step_end", 1, 1),
    (loop, "rate_at", 1, 0),
]


@pytest.mark.parametrize("kind", ["freelb adapter", "early stopping"])
@pytest.mark.parametrize(("owner", "name", "at", "done"), PLACES)
def test_a_signal_anywhere_in_a_step_leaves_the_last_finished_one(
    shared: TrainingSetup,
    tmp_path: Path,
    unbroken: Callable[[str], dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    owner: Any,
    name: str,
    at: int,
    done: int,
):
    expected, spec, out = unbroken(kind), replace(SPEC, **KINDS[kind]), tmp_path / "out"
    # as the command line's: KeyboardInterrupt
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            told_in(owner, name, patch, at=at)
            with pytest.raises(KeyboardInterrupt):
                finetune(spec, shared, out)
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [path.name for path in tmp_path.iterdir()] == ["out.checkpoint"]
    steps: list[int] = []
    finetune(spec, shared, out, report=lambda _stage, done, _total: steps.append(done))
    assert steps[0] == done
    assert written(out) == expected


def test_a_training_outside_the_main_thread_leaves_signals_alone(
    shared: TrainingSetup, tmp_path: Path, unbroken: Callable[[str], dict[str, bytes]]
):
    expected = unbroken("all weights")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(finetune, SPEC, shared, tmp_path / "out").result()
    assert written(tmp_path / "out") == expected


def test_checkpoints_change_nothing(
    shared: TrainingSetup,
    tmp_path: Path,
    unbroken: Callable[[str], dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(loop, "BETWEEN", 0.0)
    finetune(replace(SPEC, **KINDS["freelb"]), shared, tmp_path / "out")
    assert written(tmp_path / "out") == unbroken("freelb")


KILLED = """
import sys
from prunescope.engine.data import load_dataset
from prunescope.engine.training import loop
from prunescope.engine.models.base import open_base
from prunescope.engine.training.finetune import TrainingSetup, finetune
from prunescope.engine.training.spec import TrainSpec
import time

loop.BETWEEN = 0.0
body, data, out = sys.argv[1:4]
rows = load_dataset(data).train.take(range(20))
spec = TrainSpec("member", seed=1, learning_rate=0.01, epochs=2, batch_size=8, rank=2,
                 adversarial="freelb", adv_steps=2)

def slowly(stage, done, total):
    if done > 1:
        print(done, flush=True)
        time.sleep(60)

from pathlib import Path
setup = TrainingSetup(open_base(body), rows, ("bad", "good"), max_tokens=32)
finetune(spec, setup, Path(out), report=slowly)
"""


def test_a_killed_training_ends_with_the_same_bytes(
    shared: TrainingSetup,
    body: Path,
    data_folder: Path,
    tmp_path: Path,
    unbroken: Callable[[str], dict[str, bytes]],
):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(body), str(data_folder), str(out)],
        cwd=paths.PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "2\n"
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    assert [path.name for path in tmp_path.iterdir()] == ["out.checkpoint"]
    steps: list[int] = []
    finetune(
        replace(SPEC, **KINDS["freelb adapter"]),
        shared,
        out,
        report=lambda _stage, done, _total: steps.append(done),
    )
    assert steps[0] == 1  # the checkpoint after step 1 was there
    assert written(out) == unbroken("freelb adapter")


# A checkpoint that is not used


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    checksummed.write_checksummed(path, {"weights/x": torch.zeros(3)}, {"training": "another"})


def text(path: Path) -> None:
    path.write_text("not a checkpoint")


@pytest.mark.parametrize("damage", [cut, cut_short, flip, empty, foreign, text])
def test_a_damaged_or_foreign_checkpoint_is_not_used(
    shared: TrainingSetup,
    tmp_path: Path,
    unbroken: Callable[[str], dict[str, bytes]],
    stop_after: Stop,
    damage: Callable[[Path], None],
):
    spec, out = replace(SPEC, **KINDS["adapter"]), tmp_path / "out"
    with pytest.raises(InterruptedStudy):
        finetune(spec, shared, out, report=stop_after(4))
    damage(tmp_path / "out.checkpoint")
    steps, messages = list[int](), list[str]()
    finetune(
        spec,
        shared,
        out,
        report=lambda _stage, done, _total: steps.append(done),
        say=messages.append,
    )
    assert steps[0] == 0
    assert len(messages) == 1 and "out.checkpoint is not used: it " in messages[0]
    assert ("belongs to other settings" in messages[0]) == (damage is foreign)
    assert written(out) == unbroken("adapter")


@pytest.mark.parametrize(
    "changes", [{"seed": 2}, {"learning_rate": 0.02}, {"epochs": 3}, {"adversarial": "freelb"}]
)
def test_a_checkpoint_of_other_settings_is_not_used(
    shared: TrainingSetup, tmp_path: Path, stop_after: Stop, changes: dict[str, Any]
):
    out = tmp_path / "out"
    with pytest.raises(InterruptedStudy):
        finetune(SPEC, shared, out, report=stop_after(4))
    steps: list[int] = []
    finetune(
        replace(SPEC, **changes),
        shared,
        out,
        report=lambda _stage, done, _total: steps.append(done),
    )
    assert steps[0] == 0


def test_a_checkpoint_of_other_rows_is_not_used(
    shared: TrainingSetup, tmp_path: Path, stop_after: Stop
):
    out = tmp_path / "out"
    with pytest.raises(InterruptedStudy):
        finetune(SPEC, shared, out, report=stop_after(4))
    steps: list[int] = []
    other = replace(shared, data=shared.data.take(range(19)))
    finetune(SPEC, other, out, report=lambda _stage, done, _total: steps.append(done))
    assert steps[0] == 0


# What a checkpoint holds


def standing(value: float) -> TrainingState:
    return TrainingState(
        {"step": 3, "best": None},
        {"a.b": torch.full((2,), value)},
        {"0/exp_avg": torch.ones(2)},
        {"a.b": torch.zeros(2)},
    )


def test_a_standing_is_read_back_with_its_random_state(tmp_path: Path):
    torch.manual_seed(5)
    checkpoint.save(tmp_path / "deep" / "keep", "key", standing(0.5))
    expected = torch.rand(3)
    result = checkpoint.load(tmp_path / "deep" / "keep", "key")
    assert result is not None
    assert torch.equal(torch.rand(3), expected)
    assert (
        result.about["step"] == 3
        and result.weights.keys() == {"a.b"}
        and result.weights["a.b"].tolist() == [0.5, 0.5]
    )
    assert result.optimizer["0/exp_avg"].tolist() == [1, 1] and result.best["a.b"].tolist() == [
        0,
        0,
    ]


def test_what_is_not_loaded_changes_no_random_state(tmp_path: Path):
    checkpoint.save(tmp_path / "keep", "key", standing(0.5))
    flip(tmp_path / "keep")
    torch.manual_seed(6)
    before = torch.get_rng_state()
    assert checkpoint.load(tmp_path / "keep", "other") is None
    assert checkpoint.load(tmp_path / "keep", "key") is None
    assert checkpoint.load(tmp_path / "nothing", "key") is None
    assert torch.equal(torch.get_rng_state(), before)


# A disk that fills


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def half_written(_tensors: Any, path: Path, _about: Any) -> None:
    path.write_bytes(b"half")
    full()


@pytest.mark.parametrize(
    ("owner", "name", "stand_in"),
    [
        (checksummed, "save_file", half_written),
        (os, "replace", full),
        (os, "fsync", full),
    ],
)
def test_a_full_disk_leaves_the_checkpoint_before(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    stand_in: Callable[..., None],
):
    checkpoint.save(tmp_path / "keep", "key", standing(1.0))
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, stand_in)
        with pytest.raises(
            StoreError,
            match=r"keep cannot be written \(No space left on device\); what was there before is "
            r"unh",
        ):
            checkpoint.save(tmp_path / "keep", "key", standing(2.0))
    assert [path.name for path in tmp_path.iterdir()] == ["keep"]
    result = checkpoint.load(tmp_path / "keep", "key")
    assert result is not None and result.weights["a.b"].tolist() == [1, 1]


def test_a_real_limit_on_files_leaves_the_checkpoint_before(tmp_path: Path):
    checkpoint.save(tmp_path / "keep", "key", standing(1.0))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(
            StoreError,
            match=r"keep cannot be written \(.*File too large.*\); what was there before is "
            r"unharmed",
        ):
            checkpoint.save(
                tmp_path / "keep",
                "key",
                replace(standing(2.0), weights={"a.b": torch.ones(1_000_000)}),
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["keep"]
    result = checkpoint.load(tmp_path / "keep", "key")
    assert result is not None and result.weights["a.b"].tolist() == [1, 1]


def test_a_full_disk_during_training_leaves_what_can_be_gone_on_from(
    shared: TrainingSetup,
    tmp_path: Path,
    unbroken: Callable[[str], dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
):
    spec, out = replace(SPEC, **KINDS["freelb"]), tmp_path / "out"
    real, count = checksummed.save_file, 0

    def filling(tensors: Any, path: Path, about: Any) -> None:
        nonlocal count
        count += 1
        (half_written if count == 3 else real)(tensors, path, about)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "BETWEEN", 0.0)
        patch.setattr(checksummed, "save_file", filling)
        with pytest.raises(StoreError, match=r"out\.checkpoint cannot be written"):
            finetune(spec, shared, out)
    assert [path.name for path in tmp_path.iterdir()] == ["out.checkpoint"]
    steps: list[int] = []
    finetune(spec, shared, out, report=lambda _stage, done, _total: steps.append(done))
    assert steps[0] == 2
    assert written(out) == unbroken("freelb")


def test_a_disk_that_fills_while_the_model_is_written_is_one_sentence(
    shared: TrainingSetup,
    tmp_path: Path,
    unbroken: Callable[[str], dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
):
    """safetensors has an error of its own for a full disk."""
    from safetensors import SafetensorError
    from transformers import modeling_utils

    def filling(*_: Any, **__: Any) -> None:
        raise SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        )

    with monkeypatch.context() as patch:
        patch.setattr(loop, "BETWEEN", 0.0)
        patch.setattr(modeling_utils, "safe_save_file", filling)
        with pytest.raises(StoreError, match=r"out cannot be written .*No space left on device"):
            finetune(SPEC, shared, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out.checkpoint"]
    steps: list[int] = []
    finetune(SPEC, shared, tmp_path / "out", report=lambda _stage, done, _total: steps.append(done))
    assert steps[0] == 5
    assert written(tmp_path / "out") == unbroken("all weights")


def test_a_folder_that_is_taken_is_told_before_the_work(shared: TrainingSetup, tmp_path: Path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    steps: list[int] = []
    with pytest.raises(StoreError, match="taken is there already"):
        finetune(
            SPEC, shared, tmp_path / "taken", report=lambda _stage, done, _total: steps.append(done)
        )
    assert steps == []


def test_checkpoints_come_as_often_as_asked_for(
    shared: TrainingSetup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    saved: list[int] = []
    clock = iter(range(10**6))
    monkeypatch.setattr(
        checkpoint, "save", lambda _path, _key, now: saved.append(now.about["step"])
    )
    monkeypatch.setattr(
        loop, "time", type("Clock", (), {"monotonic": staticmethod(lambda: next(clock))})
    )
    monkeypatch.setattr(loop, "BETWEEN", 3.5)
    finetune(SPEC, shared, tmp_path / "out")
    assert saved == sorted(set(saved)) and 0 < len(saved) < 5


def test_a_finished_training_is_not_done_again(shared: TrainingSetup, tmp_path: Path):
    record = finetune(SPEC, shared, tmp_path / "out")
    before = written(tmp_path / "out")
    steps: list[int] = []
    again = finetune(
        SPEC, shared, tmp_path / "out", report=lambda _stage, done, _total: steps.append(done)
    )
    assert (again, steps, written(tmp_path / "out")) == (record, [], before)
    with pytest.raises(StoreError, match="out is there already"):
        finetune(replace(SPEC, seed=SPEC.seed + 1), shared, tmp_path / "out")
