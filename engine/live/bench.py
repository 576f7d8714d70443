"""Live work on one study: solve a sparsity, attack a sentence on dense and pruned side by side,
measure one level.

Keeps what is expensive to make (dense and pruned victims, calibration text) between requests,
within a bound.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from prunescope.engine.attacks.attempt import Budget, Example, Outcome, Step, check_read
from prunescope.engine.attacks.run import Attackers
from prunescope.engine.attacks.services import NotAttackable
from prunescope.engine.attacks.word_diff import word_changes
from prunescope.engine.data.checks import is_whole
from prunescope.engine.errors import DataError, InputError, ResourceError, SettingError
from prunescope.engine.evaluation.inside import look_inside
from prunescope.engine.evaluation.latency import compare_latency
from prunescope.engine.export.folder import study_provenance, zip_packed
from prunescope.engine.export.pruned_models import victim_key
from prunescope.engine.live.memory import Held, give_back, held_bytes
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.pruning.plan import Pruned
from prunescope.engine.records import Study, StudySpec
from prunescope.engine.store import Store
from prunescope.engine.store.keeping import EXPORTS
from prunescope.engine.studies.examples import data_place
from prunescope.engine.studies.study import Prepared, measure_level, prepare, pruned_at
from prunescope.engine.studies.timings import Timed, keep_timed

# of weights, statistics and texts in memory between requests: four victims of MiniLM's size
MOST_BYTES = 400_000_000
MAKING = 4  # times its own bytes that a dense victim takes while it is made: members are averaged
EXPORTED = 3  # exported models that stay on disk
MAX_CHARACTERS = 1000
TIMED = 32  # sentences that a level is timed on
Watch = Callable[[str, Step], None]  # (side, what happened there)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a stored study works with."""

    prepared: Prepared
    notice: str | None  # where its data is not on this machine


class Bench:
    """One person's work bench; one request at a time, each of which `begin`s."""

    def __init__(self, store: Store, most_bytes: int = MOST_BYTES) -> None:
        self.store = store
        self._held: Held[Opened | Pruned] = Held(most_bytes)

    def begin(self) -> None:
        """A request begins: what only the ones before it have used may be dropped."""
        self._held.begin()

    def open(self, study: Study, report: Progress = SILENT) -> tuple[Prepared, str | None]:
        """What a stored study works with, and a notice where its data is not on this machine.

        Without the study's own calibration text the same victim is pruned on the embedded reviews,
        and the notice says so.
        """
        opened = self._held.get(f"study {study.key}")
        if not isinstance(opened, Opened):
            opened = self._open(study, report)
            self._held.put(f"study {study.key}", opened)
            give_back()  # reading a data set and making a model leave much behind
        return opened.prepared, opened.notice

    def _dense(self, study: Study) -> Victim | None:
        """The dense victim that a study was made on, where another study has it open: found by its
        fingerprint.
        """
        wanted = study.identity["victim"], study.about["spec"]["model"]
        same = (
            open_.victim
            for open_ in self._prepared()
            if (open_.victim.fingerprint, open_.spec.model) == wanted
        )
        return next(same, None)

    def _prepared(self) -> list[Prepared]:
        """What is open, the least recently used first."""
        return [value.prepared for value in self._held.values() if isinstance(value, Opened)]

    def prepare(
        self, spec: StudySpec, report: Progress = SILENT, victim: Victim | None = None
    ) -> Prepared:
        """Load what a specification names, with a dense victim that is open already; what is known
        of the same study is kept.
        """
        prepared = prepare(spec, report, victim)
        return next(
            (same for same in self._prepared() if same.study.key == prepared.study.key), prepared
        )

    def _open(self, study: Study, report: Progress) -> Opened:
        if (victim := self._dense(study)) is None:
            self._held.room(
                MAKING * max((held_bytes([open_.victim]) for open_ in self._prepared()), default=0)
            )
        spec = StudySpec(
            **{**study.about["spec"], "data": study.about["data"]}, levels=(0.0,)
        )  # which any pattern has
        try:
            spec = replace(spec, data=data_place(study))
            prepared = self.prepare(spec, report, victim)
            victim = prepared.victim
            if victim_key(prepared.study.identity, 0.5) == victim_key(study.identity, 0.5):
                return Opened(
                    prepared, None
                )  # the same pruned weights; attack or evaluation may differ, see `measure`
            changed = (
                "plan" not in study.identity
                or study.identity["plan"] != prepared.study.identity["plan"]
            )
            what = "The pruner has" if changed else f"The texts of {study.about['data']} have"
            reason = f"{what} changed since the study was made"
        except (DataError, ResourceError):
            reason = f"The texts of {study.about['data']} are not on this machine"
        # Its labels count for nothing, and the victim may call its classes otherwise: they are
        # taken as numbers
        stand_in = replace(
            spec,
            data="embedded",
            text_column=None,
            pair_column=None,
            label_column=None,
            label_map="0=0,1=1",
        )
        notice = (
            f"{reason}, so the pruned model here is calibrated on the embedded reviews; it differs "
            "a little from the one "
            "behind the curves."
        )
        prepared = self.prepare(stand_in, report, victim)
        about = {
            **prepared.study.about,
            "label_names": study.about["label_names"],
        }  # the reviews call theirs otherwise
        return Opened(replace(prepared, study=replace(prepared.study, about=about)), notice)

    def solve(self, prepared: Prepared, sparsity: float, report: Progress = SILENT) -> Pruned:
        """The pruned victim, from memory, the cache, or solved now."""
        key = f"pruned {victim_key(prepared.study.identity, sparsity)}"
        pruned = self._held.get(key)
        if not isinstance(pruned, Pruned):
            self._held.room(held_bytes([prepared.victim]))
            pruned = pruned_at(prepared, sparsity, self.store, report)
            self._held.put(key, pruned)
            give_back()  # so do passes over the calibration text
        return pruned

    def attack(
        self,
        prepared: Prepared,
        text: str,
        label: int | None,
        sparsity: float,
        report: Progress = SILENT,
        watch: Watch = lambda side, step: None,
        budget: Budget | None = None,
    ) -> dict[str, Any]:
        """Attack one text on both victims in lock-step, with the same candidates. `label` None
        takes the dense one's word.

        Raises InputError for a text that cannot be attacked.
        """
        text = checked_text(text)
        dense = prepared.victim
        if label is not None and not 0 <= label < dense.num_labels:
            raise SettingError(
                f"The label {label} is outside 0..{dense.num_labels - 1}, the victim's range."
            )
        pruned = self.solve(prepared, sparsity, report)
        truth = label if label is not None else int(dense.read([text])[0].argmax())
        name = prepared.spec.attack if prepared.spec.attack != "none" else "deepwordbug"
        tokens = len(dense.tokenizer(text)["input_ids"])
        victims = {"dense": dense, "pruned": pruned.victim}
        sides = attack_sides(
            victims,
            name,
            text,
            truth,
            prepared.spec.seed,
            prepared.spec.resources,
            report,
            watch,
            budget,
        )
        return {
            "text": text,
            "truth": truth,
            "truth_given": label is not None,
            "sparsity": sparsity,
            "attack": name,
            "achieved": pruned.achieved,
            "label_names": prepared.study.about["label_names"],
            "sides": sides,
            "cut_at": dense.max_tokens if tokens > dense.max_tokens else None,
        }

    def look(
        self,
        prepared: Prepared,
        text: str,
        adversarial: str | None,
        sparsity: float,
        report: Progress = SILENT,
    ) -> dict[str, Any]:
        """A look inside the dense and the pruned victim while they read a text, see
        `prunescope.engine.evaluation.inside`.
        """
        pruned = self.solve(prepared, sparsity, report)
        report("look inside", 0, 1)
        found = look_inside(
            prepared.victim,
            pruned.victim,
            checked_text(text),
            checked_text(adversarial) if adversarial else None,
        )
        return {**found, "sparsity": sparsity, "label_names": prepared.study.about["label_names"]}

    def time(
        self, prepared: Prepared, study: Study, sparsity: float, report: Progress = SILENT
    ) -> None:
        """Time a level as CSR against the dense model, in turn, and keep it beside the study."""
        pruned = self.solve(prepared, sparsity, report)
        texts = prepared.evaluation.take(range(min(TIMED, len(prepared.evaluation))))
        found = compare_latency(
            [(prepared.victim, "dense"), (pruned.victim, "csr")],
            texts.texts,
            texts.pairs,
            report=report,
        )
        keep_timed(self.store, study, Timed.of(sparsity, found))

    def export(
        self, prepared: Prepared, study: Study, sparsity: float, report: Progress = SILENT
    ) -> dict[str, Any]:
        """Write the pruned model as one file into the user's folder: {path, bytes, sentence,
        achieved}. The newest ones stay.
        """
        pruned = self.solve(prepared, sparsity, report)
        path = self.store.root / EXPORTS / f"{study.key[:12]}-at-{100 * sparsity:g}.zip"
        size = zip_packed(pruned.victim, path, study_provenance(prepared.study, pruned), report)
        for old in sorted(path.parent.glob("*.zip"), key=lambda path: path.stat().st_mtime)[
            :-EXPORTED
        ]:
            old.unlink(missing_ok=True)
        return {
            "path": str(path),
            "bytes": path.stat().st_size,
            "sentence": size.sentence(),
            "achieved": pruned.achieved,
        }

    def measure(
        self, prepared: Prepared, study: Study, sparsity: float, report: Progress = SILENT
    ) -> None:
        """Measure one level of a study and keep it in the store. Raises SettingError where it would
        not belong to it.
        """
        if prepared.study.key != study.key:
            raise SettingError(
                f"A level measured here would not belong to the study {study.key[:12]}: its data, "
                "or what its "
                "attack uses (TextAttack's version, stop words), differ on this machine."
            )
        if self.store.study(prepared.study.key) is None:
            self.store.save_study(prepared.study)
        measure_level(prepared, sparsity, self.store, report)


def checked_text(text: str) -> str:
    """The text without surrounding space. Raises InputError where it is empty, too long, without
    words or not whole.
    """
    text = " ".join(text.split())
    if not is_whole(text):
        raise InputError(
            "The text holds half a character, as of a terminal that is not UTF-8; type it whole."
        )
    if not any(character.isalnum() for character in text):
        raise InputError("There are no words to attack; type a sentence.")
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"The text has {len(text)} characters; shorten it to {MAX_CHARACTERS} or fewer."
        )
    return text


def check_typed(text: str, victims: Mapping[str, Victim]) -> None:
    """Raises InputError for a text that one of the victims cannot read."""
    try:
        for victim in victims.values():
            check_read(text, victim)
    except NotAttackable as error:
        raise InputError(f"{str(error).rstrip('.')}; type another text.") from error


def attack_sides(
    victims: Mapping[str, Victim],
    name: str,
    text: str,
    truth: int,
    seed: int,
    resources: str | None = None,
    report: Progress = SILENT,
    watch: Watch = lambda side, step: None,
    budget: Budget | None = None,
) -> list[dict[str, Any]]:
    """Attack one text on several victims in lock-step, with the same candidates: what came of it,
    one entry a victim.

    Raises InputError for a text that cannot be attacked.
    """
    check_typed(text, victims)
    attackers = Attackers(victims, name, seed, resources, budget)
    outcomes: dict[str, Outcome] = {}
    for side, found in attackers.watch(
        Example(text, None, truth), lambda: report("attack", len(outcomes), len(victims))
    ):
        if isinstance(found, Outcome):
            if found.record.outcome == "error" or found.record.untried:
                raise InputError(f"{found.record.reason.rstrip('.')}; type another text.")
            outcomes[side] = found
        else:
            watch(side, found)
    return [
        {"name": side, **told(outcomes[side], victim, truth)} for side, victim in victims.items()
    ]


def told(outcome: Outcome, victim: Victim, truth: int) -> dict[str, Any]:
    """An outcome as plain values, with what the victim says of the text before and after."""
    before, after = (
        victim.read([outcome.original, outcome.perturbed])[0]
        .double()
        .softmax(dim=1)[:, truth]
        .tolist()
    )
    return {
        **asdict(outcome.record),
        "perturbed": outcome.perturbed,
        "label_before": outcome.label_before,
        "label_after": outcome.label_after,
        "truth_before": before,
        "truth_after": after,
        "path": [list(point) for point in outcome.path],
        "changes": [
            [piece.before, piece.after]
            for piece in word_changes(outcome.original, outcome.perturbed)
        ],
    }
