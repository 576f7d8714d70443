"""Which examples a study works with, and where its data is. Light to import."""

import os
import random

from prunescope.engine.data import Dataset, Examples, drawn_rows, fit_dataset, load_dataset
from prunescope.engine.data.columns import Choice
from prunescope.engine.data.load import EMBEDDED
from prunescope.engine.data.unlabelled import further_texts
from prunescope.engine.errors import DataError
from prunescope.engine.paths import expanded
from prunescope.engine.records import Study, StudySpec

# Texts of further files are added in rounds, see `prunescope.engine.studies.adding`.
FACTOR = 2  # texts of a round, as a multiple of the round before
FIRST = 512  # texts of the first round at least, where a study has fewer of its own
LEAST_GAIN = 0.02  # by which the error has to fall for another round
RULE: dict[str, float] = {"factor": FACTOR, "first": FIRST, "least_gain": LEAST_GAIN}


def split(data: Dataset, spec: StudySpec) -> tuple[Examples, Examples, Examples]:
    """(calibration, held-out, evaluation), pairwise disjoint by text.

    Calibration text that also occurs in the evaluation set is dropped first. Where there is less
    text than requested, a fifth of it is held out and the rest calibrates, and the texts of
    `calibration_data` follow. Raises DataError for fewer than two calibration texts.
    """
    if data.train is None:
        raise DataError(
            f"{data.name} has no training split, and calibration text must not come from the "
            "evaluation set; add a train file, or name one file to have it divided in two."
        )
    evaluation, _ = drawn_rows(data.evaluation, spec.eval_examples, 0, spec.seed)
    evaluated, keys = set(evaluation.row_keys()), data.train.row_keys()
    free = [row for row in data.train.distinct() if keys[row] not in evaluated]
    if len(free) < 2:
        raise DataError(
            f"{data.name} leaves {len(free)} calibration texts that are not in the evaluation set; "
            "at least 2 are needed."
        )
    random.Random(spec.seed).shuffle(free)
    held_out = min(spec.held_out, max(1, len(free) // 5))
    calibration = sorted(free[held_out : held_out + spec.calibration])
    own, apart = data.train.take(calibration), data.train.take(sorted(free[:held_out]))
    return _filled_up(own, spec, evaluated | set(apart.row_keys())), apart, evaluation


def _filled_up(own: Examples, spec: StudySpec, exclude: set[tuple[str, str]]) -> Examples:
    """A study's own calibration texts, and after them as many of its further files' as are lacking.
    Where none is lacking, the files are not read.
    """
    lacking = spec.calibration - len(own)
    if not spec.further_files or lacking <= 0:
        return own
    choice = Choice.of(spec.text_column, spec.pair_column)
    further = further_texts(spec.further_files, own, exclude, choice, spec.seed)
    return Examples.join([own, further.take(range(min(lacking, len(further))))])


def rounds_of(own: int, texts: int) -> list[int]:
    """How many texts each round reads: the study's own, then `FACTOR` times as many, up to all."""
    counts = [min(texts, max(own, FIRST))]
    while counts[-1] < texts:
        counts.append(min(texts, FACTOR * counts[-1]))
    return counts


def own_texts(calibration: Examples, data: Dataset) -> int:
    """How many calibration texts are of the study's data; those of further files follow them."""
    known = set() if data.train is None else set(data.train.row_keys())
    return sum(key in known for key in calibration.row_keys())


def data_place(study: Study) -> str:
    """Where a study's data is; a bundled study of a local copy looks for a folder of that name in
    PRUNESCOPE_DATA.

    Raises DataError where that is not set: data that was a local copy is never downloaded.
    """
    data, root = study.about["spec"]["data"], os.environ.get("PRUNESCOPE_DATA")
    if data is not None:
        return str(data)
    if not root:
        raise DataError(
            f"The study was made on a local copy of {study.about['data']}; name its folder in "
            "PRUNESCOPE_DATA."
        )
    return str((expanded(root) / study.about["data"]).resolve())


def evaluation_texts(study: Study) -> Examples:
    """The evaluation set of a study, row by row as its records count them.

    Raises DataError where the texts are not on this machine, or are not those of the study; nothing
    is fetched.
    """
    path, spec = (
        data_place(study),
        StudySpec(**{**study.about["spec"], "data": study.about["data"]}, levels=(0.0,)),
    )
    if path != EMBEDDED and not os.path.exists(os.path.expanduser(path)):
        raise DataError(
            f"The texts of {study.about['data']} are not on this machine; put a local copy into "
            "the folder that PRUNESCOPE_DATA names."
        )
    data = load_dataset(path, **spec.reading, seed=spec.seed)
    data, _ = fit_dataset(data, study.about["label_names"], study.about["model"])
    evaluation, _ = drawn_rows(data.evaluation, spec.eval_examples, 0, spec.seed)
    if evaluation.fingerprint() != study.identity.get("evaluation"):
        raise DataError(
            f"The texts of {study.about['data']} on this machine are not those of the study, so "
            "its rows cannot be shown; give it the data that the study was made on."
        )
    return evaluation
