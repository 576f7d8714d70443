"""Measure a stored study again from its model and its texts, and compare both results.

Figures that change on the same machine are a defect. On another processor, with another number of
threads or another PyTorch, sums round differently and masks follow; the comparison shows by how
much.
"""

import contextlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prunescope.engine.errors import DataError, SettingError
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import LevelResult, Study, StudySpec
from prunescope.engine.store import Store
from prunescope.engine.store.maintenance import REPEATED
from prunescope.engine.studies.examples import data_place
from prunescope.engine.studies.prepare import prepare
from prunescope.engine.studies.run import run_prepared
from prunescope.engine.studies.stored import stored_settings

IDENTITY_WORDS = {
    "victim": "the model",
    "max_tokens": "the model's longest text",
    "calibration": "the calibration text",
    "held_out": "the held-out text",
    "evaluation": "the evaluation examples",
    "seed": "the seed",
    "plan": "how this version prunes",
    "attack": "the attack or its resources",
    "schema": "the schema",
}


@dataclass(frozen=True, slots=True)
class Repeated:
    """A level as it is stored, and as it was measured again."""

    stored: LevelResult
    again: LevelResult

    @property
    def same(self) -> bool:
        """Whether every figure and every record agrees; times and machines are no part of that."""
        return self.stored == self.again

    @property
    def rows_apart(self) -> int:
        """Number of evaluated examples that only one of the two classifies correctly."""
        return len(set(self.stored.correct) ^ set(self.again.correct))

    @property
    def attacks_apart(self) -> int:
        """Number of attacked examples with another outcome."""
        before = {record.example: record.outcome for record in self.stored.attacks}
        return sum(before.get(record.example) != record.outcome for record in self.again.attacks)

    @property
    def same_machine(self) -> bool | None:
        """Whether both were measured with the same processor, number of threads and PyTorch; None
        where that is not known.
        """
        if not (self.stored.machine and self.again.machine):
            return None
        return self.stored.machine == self.again.machine


def repeat_study(
    study: Study,
    store: Store,
    data: str | None = None,
    levels: Sequence[float] = (),
    resources: str | None = None,
    device: str = "auto",
    report: Progress = SILENT,
) -> tuple[Repeated, ...]:
    """Measure levels of a stored study again, by default all of them, without any stored result.

    `data` and `resources` name the folders on this machine, where they differ from the study's.
    Finished levels are kept until all are done, so the same call resumes where it was stopped.
    Raises SettingError for a level that the study does not have, DataError where the model, the
    texts or this version's pruner are not those of the study.
    """
    sparsities = list(levels) or [level.sparsity for level in study.levels]
    stored = {sparsity: study.level(sparsity) for sparsity in sparsities}
    if missing := [sparsity for sparsity, level in stored.items() if level is None]:
        there = ", ".join(f"{level.sparsity:g}" for level in study.levels) or "none"
        raise SettingError(
            f"The study {study.key[:12]} has no level {missing[0]:g}; it has {there}."
        )
    settings = {
        **stored_settings(study),
        "data": data or data_place(study),
        "levels": tuple(sparsities),
        "device": device,
    }
    spec = StudySpec(**(settings | ({"resources": resources} if resources else {})))
    root = store.root / REPEATED / study.key[:12]
    # without the bundled and the shared store, which have the levels already
    empty_store = Store(root, bundled=root / "none", shared=root)

    prepared = prepare(spec, report)
    _check_same(prepared.study, study)
    again = run_prepared(prepared, empty_store, report)
    pairs = tuple(
        Repeated(was, now) for now in again.levels if (was := stored[now.sparsity]) is not None
    )
    _forget(empty_store.root)
    return pairs


def _check_same(loaded: Study, study: Study) -> None:
    """Raises DataError where what was loaded here is not what the stored study was made of."""
    different = [
        what
        for name, what in IDENTITY_WORDS.items()
        if loaded.identity.get(name) != study.identity.get(name)
    ]
    if different:
        raise DataError(
            f"What is here is not what the study {study.key[:12]} was made of. This is another: "
            f"{', '.join(different)}. If its data lies elsewhere, name the folder with `data`."
        )


def _forget(folder: Path) -> None:
    """Remove a folder, which another command that repeats the same may have done first."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
