"""Load and check everything that a study works with, before any long work begins."""

import os
from dataclasses import dataclass, field, replace

from prunescope.engine.attacks.recipes import check_attack, check_ready
from prunescope.engine.attacks.word_diff import words_of_all
from prunescope.engine.data import Dataset, Examples, check_labels, fit_dataset, load_dataset
from prunescope.engine.data.draw import drawn_rows
from prunescope.engine.data.load import EMBEDDED, looks_like_path, read_source
from prunescope.engine.errors import DataError
from prunescope.engine.evaluation.measure import Predictions
from prunescope.engine.formatting import pluralize
from prunescope.engine.models.files import check_model_path
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.pruning.checks import check_plan, check_tokens
from prunescope.engine.pruning.measurements import SharedMeasurements
from prunescope.engine.pruning.methods import canonical_name
from prunescope.engine.pruning.plan import Plan, Pruned
from prunescope.engine.records import Study, StudySpec
from prunescope.engine.store import key_of
from prunescope.engine.studies.examples import own_texts, split
from prunescope.engine.studies.identity import StudyData, study_about, study_identity


@dataclass(slots=True)
class PreparedStudy:
    """Everything a study works with: loaded once, and what is measured while it runs."""

    spec: StudySpec
    study: Study
    victim: Victim
    plan: Plan
    data: StudyData
    notices: tuple[str, ...] = ()  # of loading
    dense: Predictions | None = None
    known: SharedMeasurements | None = None  # what the pruner measured once, see `studies.pruned`
    in_memory: dict[float, Pruned] = field(default_factory=dict)  # levels of the running group
    seconds: dict[float, dict[str, float]] = field(default_factory=dict)  # of levels, ahead of them

    @property
    def calibration(self) -> Examples:
        """The text that the pruner reads."""
        return self.data.calibration

    @property
    def held_out(self) -> Examples:
        """The text that layer errors are measured on."""
        return self.data.held_out

    @property
    def evaluation(self) -> Examples:
        """The examples that are evaluated."""
        return self.data.evaluation

    @property
    def attacked(self) -> tuple[int, ...]:
        """Rows of the evaluation set that are attacked."""
        return self.data.attacked


LEAST_HELD_OUT = 2  # texts; the error of a single one has no unit


def check_spec(spec: StudySpec) -> Plan:
    """Check settings before anything is loaded. Raises SettingError."""
    plan = Plan.named(
        spec.method, spec.pattern, spec.allocation, spec.layers, spec.precision, spec.force
    )
    for level in spec.levels:
        plan.pattern.check_level(level)
    check_attack(spec.attack)
    check_ready(spec.attack, spec.resources)
    return plan


def check_sources(spec: StudySpec) -> None:
    """Check that a local model exists and local data can be read, without loading the model.

    Raises ModelError or DataError.
    """
    check_model_path(spec.model)
    exists = os.path.exists(os.path.expanduser(spec.data))
    if spec.data == EMBEDDED or exists or looks_like_path(spec.data):
        load_dataset(spec.data, **spec.reading, seed=spec.seed)
    for file in spec.further_files:
        if looks_like_path(file):
            read_source(file)


def prepare(
    spec: StudySpec, report: Progress = SILENT, victim: Victim | None = None
) -> PreparedStudy:
    """Load and check everything, the model only where no `victim` is given.

    Raises an InputError before any long work begins.
    """
    spec = replace(spec, method=canonical_name(spec.method))
    plan = check_spec(spec)
    report("load data", 0, 2)
    dataset = load_dataset(spec.data, **spec.reading, seed=spec.seed)
    report("load model", 1, 2)
    victim = victim or load_victim(spec.model, spec.device)
    check_plan(victim, plan)
    dataset, notices = fit_dataset(dataset, victim.label_names, victim.name)
    # before the draw, so that the message counts rows as the file does
    check_labels(dataset.evaluation, victim.num_labels, f"{dataset.name}, evaluation")
    data = _study_data(dataset, spec)
    _check_held_out(spec, data)
    identity = study_identity(spec, plan, data, victim)
    study = Study(key_of(identity), identity, study_about(spec, plan, data, victim))
    if any(spec.levels) and plan.method.calibrated:
        # before the dense level is measured, not after it
        check_tokens(victim, plan, study.about["calibration_tokens"], len(data.calibration))
    notices = (*victim.notices, *notices, *_unused_files(spec, data), *_one_class(data.evaluation))
    return PreparedStudy(spec, study, victim, plan, data, notices)


def _study_data(dataset: Dataset, spec: StudySpec) -> StudyData:
    calibration, held_out, evaluation = split(dataset, spec)
    count = spec.attack_examples if spec.attack != "none" else 0
    _, attacked = drawn_rows(dataset.evaluation, spec.eval_examples, count, spec.seed)
    if attacked and not any(map(words_of_all, evaluation.take(attacked).row_keys())):
        raise DataError(
            f"None of the {len(attacked)} examples that were drawn to be attacked holds a word; "
            "give other data, or `attack=none`."
        )
    names = tuple(dataset.label_names or ())
    own = own_texts(calibration, dataset)
    return StudyData(dataset.name, names, calibration, held_out, evaluation, tuple(attacked), own)


def _check_held_out(spec: StudySpec, data: StudyData) -> None:
    """Raises DataError where held-out text is to decide something and is too little to vary."""
    decided = [
        name
        for name, used in (
            ("calibration_data", data.own < len(data.calibration)),
            ("recover", spec.recover != "off"),
        )
        if used
    ]
    if decided and len(data.held_out) < LEAST_HELD_OUT:
        raise DataError(
            f"Held-out text decides how far `{decided[-1]}` goes, and {data.name} leaves "
            f"{pluralize(len(data.held_out), 'text')} for it; give more training data, or leave "
            f"`{decided[-1]}` out."
        )


def _unused_files(spec: StudySpec, data: StudyData) -> list[str]:
    """A notice where further files were named and no text of theirs is used."""
    if not spec.further_files or data.own < len(data.calibration):
        return []
    if data.own < spec.calibration:
        return ["The further calibration data has no text that the study's data does not have."]
    return [
        f"The further calibration data is not read: {data.name} has the {data.own:,} calibration "
        "texts that were asked for; ask for more with `calibration`."
    ]


def _one_class(evaluation: Examples) -> list[str]:
    """A notice where all drawn examples have one label.

    A small draw may: that is no fault of the data, but the accuracy is that of one class.
    """
    if len(set(evaluation.labels)) > 1:
        return []
    count = len(evaluation)
    subject = (
        "The one example drawn for the evaluation has"
        if count == 1
        else f"All {count} examples drawn for the evaluation have"
    )
    return [
        f"{subject} the label {evaluation.labels[0]}; the figures say nothing of the model's other "
        "classes, so evaluate more examples."
    ]
