"""Live work on one study at a time: prune at a sparsity, look inside, time, export, measure.

Keeps what is expensive to load (dense and pruned victims, calibration text) between requests,
within a bound.
"""

from dataclasses import dataclass, replace
from typing import Any

from prunescope.engine.errors import DataError, ResourceError, SettingError
from prunescope.engine.evaluation.inside import look_inside
from prunescope.engine.evaluation.latency import compare_latency
from prunescope.engine.export.folder import study_provenance, zip_packed
from prunescope.engine.export.pruned_models import victim_key
from prunescope.engine.live.memory import BoundedCache, bytes_in_memory, release_memory
from prunescope.engine.live.text_attack import checked_text
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.pruning.plan import Pruned
from prunescope.engine.records import Study, StudySpec
from prunescope.engine.store import Store
from prunescope.engine.store.keeping import EXPORTS
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
        self._cache: BoundedCache[OpenedStudy | Pruned] = BoundedCache(most_bytes)

    def begin(self) -> None:
        """A request begins: what only earlier requests have used may be dropped."""
        self._cache.begin()

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
        prepared: PreparedStudy,
        text: str,
        adversarial: str | None,
        sparsity: float,
        report: Progress = SILENT,
    ) -> dict[str, Any]:
        """Look inside the dense and the pruned victim while they read a text.

        See `prunescope.engine.evaluation.inside`.
        """
        pruned = self.pruned(prepared, sparsity, report)
        report("look inside", 0, 1)
        other = checked_text(adversarial) if adversarial else None
        inside = look_inside(prepared.victim, pruned.victim, checked_text(text), other)
        label_names = prepared.study.about["label_names"]
        return {**inside, "sparsity": sparsity, "label_names": label_names}

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
        self, prepared: PreparedStudy, study: Study, sparsity: float, report: Progress = SILENT
    ) -> dict[str, Any]:
        """Write the pruned model as one file into the user's folder, where the newest few stay.

        Returns {path, bytes, sentence, achieved}.
        """
        pruned = self.pruned(prepared, sparsity, report)
        path = self.store.root / EXPORTS / f"{study.key[:12]}-at-{100 * sparsity:g}.zip"
        size = zip_packed(pruned.victim, path, study_provenance(prepared.study, pruned), report)
        exports = sorted(path.parent.glob("*.zip"), key=lambda path: path.stat().st_mtime)
        for old in exports[:-MOST_EXPORTS]:
            old.unlink(missing_ok=True)
        return {
            "path": str(path),
            "bytes": path.stat().st_size,
            "sentence": size.sentence(),
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
        if (victim := self._dense(study)) is None:
            largest = max((bytes_in_memory([other.victim]) for other in self._studies()), default=0)
            self._cache.make_room(LOADING_BYTES * largest)
        settings = {**study.about["spec"], "data": study.about["data"]}
        spec = StudySpec(**settings, levels=(0.0,))  # a level that any pattern has
        try:
            spec = replace(spec, data=data_place(study))
            prepared = self._prepare(spec, report, victim)
            victim = prepared.victim
            if victim_key(prepared.study.identity, 0.5) == victim_key(study.identity, 0.5):
                # the same pruned weights; attack or evaluation may differ, see `measure`
                return OpenedStudy(prepared, None)
            reason = _difference(study, prepared.study)
        except (DataError, ResourceError):
            reason = f"The texts of {study.about['data']} are not on this machine"
        prepared = self._prepare(_on_reviews(spec), report, victim)
        notice = (
            f"{reason}, so the pruned model here is calibrated on the embedded reviews; it differs "
            "a little from the one behind the curves."
        )
        # the reviews name their classes otherwise
        about = prepared.study.about | {"label_names": study.about["label_names"]}
        prepared = replace(prepared, study=replace(prepared.study, about=about))
        return OpenedStudy(prepared, notice)

    def _prepare(self, spec: StudySpec, report: Progress, victim: Victim | None) -> PreparedStudy:
        """Load what a specification names; a study that is open already is used again."""
        prepared = prepare(spec, report, victim)
        same = (other for other in self._studies() if other.study.key == prepared.study.key)
        return next(same, prepared)

    def _dense(self, study: Study) -> Victim | None:
        """The dense victim of a study, where another study has it open, by its fingerprint."""
        identity = study.identity["victim"], study.about["spec"]["model"]
        same = (
            other.victim
            for other in self._studies()
            if (other.victim.fingerprint, other.spec.model) == identity
        )
        return next(same, None)

    def _studies(self) -> list[PreparedStudy]:
        """The studies that are open, the least recently used first."""
        values = self._cache.values()
        return [value.prepared for value in values if isinstance(value, OpenedStudy)]


def _difference(study: Study, loaded: Study) -> str:
    """Why what was loaded prunes otherwise than the study did."""
    plan = study.identity.get("plan")
    changed = plan is None or plan != loaded.identity["plan"]
    what = "The pruner has" if changed else f"The texts of {study.about['data']} have"
    return f"{what} changed since the study was made"


def _on_reviews(spec: StudySpec) -> StudySpec:
    """The study on the embedded reviews.

    Their labels do not matter, and the victim may name its classes otherwise: they are matched by
    number.
    """
    return replace(
        spec,
        data="embedded",
        text_column=None,
        pair_column=None,
        label_column=None,
        label_map="0=0,1=1",
    )
