"""Live work on one study at a time: its models, look inside, time, export, measure.

A model is opened with as little as it needs: a dense one without any data, a pruned one that ships
or that the cache holds without calibration text. Keeps what is expensive to load between requests,
within a bound.
"""

import os
from dataclasses import dataclass, replace
from typing import Any

from prunescope.engine.errors import (
    DamagedEntryError,
    DataError,
    ModelError,
    ResourceError,
    SettingError,
)
from prunescope.engine.evaluation.inside import look_inside
from prunescope.engine.evaluation.latency import compare_latency
from prunescope.engine.export.folder import study_provenance, zip_folder, zip_packed
from prunescope.engine.export.pruned_models import load_pruned
from prunescope.engine.export.shipped import open_shipped
from prunescope.engine.live.memory import BoundedCache, bytes_in_memory, release_memory
from prunescope.engine.live.on_reviews import needs_text, on_reviews, plan_of, spec_of
from prunescope.engine.live.readiness import ReadyModels
from prunescope.engine.live.study_model import StudyModel
from prunescope.engine.live.text_attack import checked_text
from prunescope.engine.models.files import is_local_name
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.paths import expanded
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.pruning.pipeline import prune
from prunescope.engine.pruning.plan import Pruned
from prunescope.engine.reading.model_cards import study_card
from prunescope.engine.records import Study, StudySpec
from prunescope.engine.store import Store, victim_key
from prunescope.engine.store.maintenance import EXPORTS
from prunescope.engine.store.shipped import ShippedModel, shipped_model
from prunescope.engine.studies.examples import data_place
from prunescope.engine.studies.level import measure_level
from prunescope.engine.studies.prepare import PreparedStudy, prepare
from prunescope.engine.studies.pruned import pruned_at
from prunescope.engine.studies.timings import Timed, keep_timed

# of weights, statistics and texts in memory between requests: four victims of MiniLM's size
MOST_BYTES = 400_000_000
# times its own bytes that a dense victim takes while it is loaded: members are averaged
LOADING_BYTES = 4
MOST_EXPORTS = 3  # exported models that stay on disk
TIMED_EXAMPLES = 32


@dataclass(frozen=True, slots=True)
class OpenedStudy:
    """What a stored study works with."""

    prepared: PreparedStudy
    notice: str | None  # where its data is not on this machine


class LiveModels:
    """Opened studies and pruned models. One request at a time, each of which `begin`s."""

    def __init__(self, store: Store, most_bytes: int = MOST_BYTES) -> None:
        self.store = store
        self._cache: BoundedCache[OpenedStudy | Pruned | Victim] = BoundedCache(most_bytes)
        self.ready = ReadyModels(store, lambda key: f"pruned {key}" in self._cache)

    def begin(self) -> None:
        """A request begins: what only earlier requests have used may be dropped."""
        self._cache.begin()

    def dense(self, study: Study, report: Progress = SILENT) -> StudyModel:
        """The dense model of a study, without its data."""
        victim = self._dense(study, report)
        same = victim.fingerprint == study.identity["victim"]
        notice = None if same else f"{victim.name} has changed since the study was made."
        return StudyModel(victim, victim.fingerprint, 0.0, 0.0, notice=notice)

    def sparse(self, study: Study, sparsity: float, report: Progress = SILENT) -> StudyModel:
        """A pruned model of a study: one that ships, from the cache on disk, or pruned now.

        Only what is pruned now with a calibration needs the study's data. Without it the same
        victim is pruned on the embedded reviews, and the notice says so.
        """
        if not sparsity:
            return self.dense(study, report)
        dense, key = self.dense(study, report), victim_key(study.identity, sparsity)
        if dense.notice is None:
            shipped = shipped_model(self.store, study.identity, sparsity)
            if shipped and (pruned := self._shipped(shipped, dense.victim)):
                return _study_model(pruned, shipped.victim_key, None, shipped)
            if pruned := self._without_data(study, key, sparsity, dense.victim):
                return _study_model(pruned, key)
        prepared, notice = self.open(study, report)
        pruned = self.pruned(prepared, sparsity, report)
        key = victim_key(prepared.study.identity, sparsity)
        return _study_model(pruned, key, notice)

    def _shipped(self, shipped: ShippedModel, dense: Victim) -> Pruned | None:
        """A model that ships; None, with a notice in the store, where its file is damaged."""
        pruned = self._cache.get(f"shipped {shipped.victim_key}")
        if not isinstance(pruned, Pruned):
            try:
                pruned = open_shipped(shipped, dense)
            except DamagedEntryError as error:
                self.store.notices.append(str(error))
                return None
            self._cache.put(f"shipped {shipped.victim_key}", pruned)
        return pruned

    def _without_data(
        self, study: Study, key: str, sparsity: float, dense: Victim
    ) -> Pruned | None:
        """A pruned model for which no text is read: in memory, in the cache, or by magnitude."""
        pruned = self._cache.get(f"pruned {key}")
        if isinstance(pruned, Pruned):
            return pruned
        spec = spec_of(study)
        plan = plan_of(spec)
        if needs_text(spec):
            pruned = load_pruned(self.store, key, dense)
        elif plan.identity() == study.identity.get("plan"):
            pruned = prune(dense, (), None, plan, sparsity)
        if isinstance(pruned, Pruned):
            self._cache.put(f"pruned {key}", pruned)
            return pruned
        return None

    def open(self, study: Study, report: Progress = SILENT) -> tuple[PreparedStudy, str | None]:
        """What a stored study works with, and a notice where its data is not on this machine.

        Without the study's own calibration text the same victim is pruned on the embedded reviews,
        and the notice says so.
        """
        opened = self._cache.get(f"study {study.key}")
        if not isinstance(opened, OpenedStudy):
            opened = self._open(study, report)
            self._cache.put(f"study {study.key}", opened)
            release_memory()  # reading a data set and loading a model leave much behind
        return opened.prepared, opened.notice

    def pruned(self, prepared: PreparedStudy, sparsity: float, report: Progress = SILENT) -> Pruned:
        """The pruned victim: from memory, from the cache on disk, or pruned now."""
        key = f"pruned {victim_key(prepared.study.identity, sparsity)}"
        pruned = self._cache.get(key)
        if not isinstance(pruned, Pruned):
            self._cache.make_room(bytes_in_memory([prepared.victim]))
            pruned = pruned_at(prepared, sparsity, self.store, report)
            self._cache.put(key, pruned)
            release_memory()  # passes over the calibration text leave much behind
        return pruned

    def look(
        self,
        study: Study,
        text: str,
        adversarial: str | None,
        sparsity: float,
        report: Progress = SILENT,
    ) -> dict[str, Any]:
        """Look inside the dense and the pruned model while they read a text.

        See `prunescope.engine.evaluation.inside`; `weight_bits` are those of a model that ships.
        """
        dense, sparse = self.dense(study, report), self.sparse(study, sparsity, report)
        report("look inside", 0, 1)
        other = checked_text(adversarial) if adversarial else None
        return {
            **look_inside(dense.victim, sparse.victim, checked_text(text), other),
            "sparsity": sparsity,
            "label_names": study.about["label_names"],
            "notice": sparse.notice,
            "weight_bits": sparse.shipped.weight_bits if sparse.shipped else None,
        }

    def time(
        self, prepared: PreparedStudy, study: Study, sparsity: float, report: Progress = SILENT
    ) -> None:
        """Time a level as CSR against the dense model, in turn, and save it beside the study."""
        pruned = self.pruned(prepared, sparsity, report)
        count = min(TIMED_EXAMPLES, len(prepared.evaluation))
        examples = prepared.evaluation.take(range(count))
        victims = [(prepared.victim, "dense"), (pruned.victim, "csr")]
        times = compare_latency(victims, examples.texts, examples.pairs, report=report)
        keep_timed(self.store, study, Timed.of(sparsity, times))

    def export(
        self, study: Study, sparsity: float, report: Progress = SILENT, form: str = "packed"
    ) -> dict[str, Any]:
        """Write a pruned model as one file into the user's folder, where the newest few stay;
        `form` is packed, or folder for an ordinary one.

        Returns {path, bytes, sentence, achieved}. Raises DataError for a model that is not the
        study's own.
        """
        model = self.sparse(study, sparsity, report)
        if model.notice is not None or model.pruned is None:
            reason = model.notice or "The dense model is not pruned."
            raise DataError(f"{reason} It is not given out as the model of this study.")
        pruned, rounding = model.pruned, ""
        if model.shipped is not None:
            rounding = f" Its remaining weights are rounded to {model.shipped.weight_bits} bits."
            pruned = replace(pruned, notices=(*pruned.notices, rounding.strip()))
        ending, provenance = "" if form == "packed" else f"-{form}", study_provenance(study, pruned)
        card = study_card(self.store, study, pruned, model.shipped)
        path = self.store.root / EXPORTS / f"{study.key[:12]}-at-{100 * sparsity:g}{ending}.zip"
        if form == "packed":
            sentence = zip_packed(pruned.victim, path, provenance, report, card).sentence()
        else:
            sentence = zip_folder(pruned.victim, path, provenance, report, card)
        exports = sorted(path.parent.glob("*.zip"), key=lambda path: path.stat().st_mtime)
        for old in exports[:-MOST_EXPORTS]:
            old.unlink(missing_ok=True)
        return {
            "path": str(path),
            "bytes": path.stat().st_size,
            "sentence": sentence + rounding,
            "achieved": pruned.achieved,
        }

    def measure(
        self, prepared: PreparedStudy, study: Study, sparsity: float, report: Progress = SILENT
    ) -> None:
        """Measure one level of a study and save it.

        Raises SettingError where the level would not belong to the study.
        """
        if prepared.study.key != study.key:
            raise SettingError(
                f"A level measured here would not belong to the study {study.key[:12]}: its data, "
                "or what its attack uses (TextAttack's version, stop words), differ on this "
                "machine."
            )
        if self.store.study(prepared.study.key) is None:
            self.store.save_study(prepared.study)
        measure_level(prepared, sparsity, self.store, report)

    def _open(self, study: Study, report: Progress) -> OpenedStudy:
        victim = self._dense(study, report)
        spec = spec_of(study)
        try:
            spec = replace(spec, data=data_place(study))
            prepared = self._prepare(spec, report, victim)
            if victim_key(prepared.study.identity, 0.5) == victim_key(study.identity, 0.5):
                # the same pruned weights; attack or evaluation may differ, see `measure`
                return OpenedStudy(prepared, None)
            reason = _difference(study, prepared.study)
        except (DataError, ResourceError):
            reason = f"The texts of {study.about['data']} are not on this machine"
        prepared = self._prepare(on_reviews(spec), report, victim)
        notice = (
            f"{reason}, so the pruned model here is calibrated on the embedded reviews; it differs "
            "a little from the one behind the curves."
        )
        # the reviews name their classes otherwise
        about = prepared.study.about | {"label_names": study.about["label_names"]}
        prepared = replace(prepared, study=replace(prepared.study, about=about))
        return OpenedStudy(prepared, notice)

    def _prepare(self, spec: StudySpec, report: Progress, victim: Victim) -> PreparedStudy:
        """Load what a specification names; a study that is open already is used again."""
        prepared = prepare(spec, report, victim)
        same = (other for other in self._studies() if other.study.key == prepared.study.key)
        return next(same, prepared)

    def _dense(self, study: Study, report: Progress) -> Victim:
        """The dense victim of a study: where another study has it open, by its fingerprint."""
        model = study.about["spec"]["model"]
        key = f"dense {model} {study.identity['victim']}"
        held = self._cache.get(key)
        if isinstance(held, Victim):
            return held
        same = (
            other.victim
            for other in self._studies()
            if (other.victim.fingerprint, other.spec.model) == (study.identity["victim"], model)
        )
        if (victim := next(same, None)) is None:
            largest = max((bytes_in_memory([value]) for value in self._dense_victims()), default=0)
            self._cache.make_room(LOADING_BYTES * largest)
            report("load model", 0, 1)
            victim = _loaded(study, model)
            release_memory()
        self._cache.put(key, victim)
        return victim

    def _dense_victims(self) -> list[Victim]:
        """The dense victims in memory."""
        return [value for value in self._cache.values() if isinstance(value, Victim)]

    def _studies(self) -> list[PreparedStudy]:
        """The studies that are open, the least recently used first."""
        values = self._cache.values()
        return [value.prepared for value in values if isinstance(value, OpenedStudy)]


def _study_model(
    pruned: Pruned, key: str, notice: str | None = None, shipped: ShippedModel | None = None
) -> StudyModel:
    return StudyModel(pruned.victim, key, pruned.sparsity, pruned.achieved, pruned, notice, shipped)


def _loaded(study: Study, model: str) -> Victim:
    """The dense victim that a study names. Raises ModelError where it is not on this machine."""
    if study.bundled and is_local_name(model) and not os.path.isdir(expanded(model)):
        raise ModelError(
            f"The model of this study, {study.about['model']}, does not ship: its figures alone "
            "do. Choose another study."
        )
    return load_victim(model)


def _difference(study: Study, loaded: Study) -> str:
    """Why what was loaded prunes otherwise than the study did."""
    plan = study.identity.get("plan")
    changed = plan is None or any(
        study.identity.get(part) != loaded.identity.get(part)
        for part in ("plan", "adding", "recovery")
    )
    what = "The pruner has" if changed else f"The texts of {study.about['data']} have"
    return f"{what} changed since the study was made"
