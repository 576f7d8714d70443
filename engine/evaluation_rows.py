"""Which rows are evaluated and which of them are attacked, and the texts of a study's evaluation set. Light to import."""

import os

from engine.data import Examples, fit_labels, load_dataset, sample
from engine.data.checks import drawn_to_attack
from engine.data.load import EMBEDDED
from engine.errors import DataError
from engine.paths import expanded
from engine.records import Study, StudySpec


def drawn_rows(examples: Examples, evaluated: int, attacked: int, seed: int) -> tuple[Examples, tuple[int, ...]]:
    """(the rows that are evaluated, which of these are attacked): the one draw of every command and page.

    A study, `attack --data`, `evaluate`, members, averages and tables of subnetworks with the same sizes and seed read and attack
    the same examples; of two numbers of attacked rows, the smaller one's are among the larger one's. Raises SettingError where
    nothing is to be evaluated.
    """
    evaluation = examples.take(sample(examples, evaluated, seed))
    return evaluation, drawn_to_attack(len(evaluation), attacked, seed)


def data_place(study: Study) -> str:
    """Where a study's data is; a bundled study of a local copy looks for a folder of that name in PRUNESCOPE_DATA.

    Raises DataError where that is not set: no network is asked for data that was a local copy.
    """
    given, root = study.about["spec"]["data"], os.environ.get("PRUNESCOPE_DATA")
    if given is not None:
        return str(given)
    if not root:
        raise DataError(f"The study was made on a local copy of {study.about['data']}; name its folder in PRUNESCOPE_DATA.")
    return str((expanded(root) / study.about["data"]).resolve())


def evaluation_texts(study: Study) -> Examples:
    """The evaluation set of a study, row by row as its records count them.

    Raises DataError where the texts are not on this machine, or are not those of the study; nothing is fetched.
    """
    place, spec = data_place(study), StudySpec(**{**study.about["spec"], "data": study.about["data"]}, levels=(0.0,))
    if place != EMBEDDED and not os.path.exists(os.path.expanduser(place)):
        raise DataError(f"The texts of {study.about['data']} are not on this machine; put a local copy into the folder that "
                        "PRUNESCOPE_DATA names.")  # fmt: skip
    data = load_dataset(place, **spec.reading, seed=spec.seed)
    data, _ = fit_labels(data, study.about["label_names"], study.about["model"])
    found, _ = drawn_rows(data.evaluation, spec.eval_examples, 0, spec.seed)
    if found.fingerprint() != study.identity.get("evaluation"):
        raise DataError(f"The texts of {study.about['data']} on this machine are not those of the study, so its rows cannot be "
                        "shown; give it the data that the study was made on.")  # fmt: skip
    return found
