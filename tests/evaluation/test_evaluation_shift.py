"""Mappings between classes, groups, and the record of a model in and out of distribution."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prunescope.engine.data import Examples
from prunescope.engine.errors import DataError, SettingError
from prunescope.engine.evaluation.shift import (
    Generalisation,
    generalisation,
    load_shifted,
    mapping_for,
    own_set,
    result_of,
)
from prunescope.engine.evaluation.statistics import bits_from_hex
from prunescope.engine.models.victim import Victim

NLI = ("entailment", "neutral", "contradiction")


def write_hans(path: Path, rows: int = 12, labels: tuple[str, str] = ("0", "1")) -> Path:
    lines = ["text_a\ttext_b\tlabel\theuristic\tsubcase"]
    lines += [
        f"the film {row}\tthe scene "
        f"{row}\t{labels[row % 2]}\t{'lexical' if row < 8 else 'sub'}\tcase{row % 3}"
        for row in range(rows)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("task", "classes", "numbers", "mapping"),
    [
        ("hans", NLI, None, (0, 1, 1)),
        ("hans", ("CONTRADICTION", "Entailment", "neutral"), None, (1, 0, 1)),
        ("hans", ("LABEL_0", "LABEL_1", "LABEL_2"), (1, 0, 1), (1, 0, 1)),
        ("hans", ("LABEL_0", "LABEL_1"), None, (0, 1)),
        ("fever-symmetric", ("SUPPORTS", "REFUTES", "NOT ENOUGH INFO"), None, (0, 1, -1)),
        ("paws", ("not_duplicate", "duplicate"), None, (0, 1)),
        ("imdb-counterfactual", ("negative", "positive"), None, (0, 1)),
        (None, ("x", "y"), None, (0, 1)),
    ],
)
def test_the_models_classes_become_the_sets(
    task: str | None, classes: tuple[str, ...], numbers: Any, mapping: tuple[int, ...]
):
    assert mapping_for(task, classes, numbers, "the set", 2) == mapping


@pytest.mark.parametrize(
    ("task", "classes", "numbers", "message"),
    [
        ("hans", ("LABEL_0", "LABEL_1", "LABEL_2"), None, "nothing says which is which"),
        (None, NLI, None, "the set has 2 classes and the model 3"),
        ("paws", ("negative", "positive"), None, "nothing says"),
        (None, NLI, (0, 1), "does not take the model's 3 classes"),
        (None, NLI, (0, 1, 2), "to the 2 of the set"),
    ],
)
def test_classes_without_a_mapping_are_refused(
    task: str | None, classes: tuple[str, ...], numbers: Any, message: str
):
    with pytest.raises((DataError, SettingError), match=message):
        mapping_for(task, classes, numbers, "the set", 2)


def test_contradiction_and_neutral_count_as_non_entailment(tmp_path: Path):
    shifted = load_shifted(str(write_hans(tmp_path / "hans.tsv")), NLI, task="hans", pairs=True)
    predicted = np.array([shifted.mapping[label] for label in (0, 1, 0, 2, 1, 0, 0, 1, 2, 0, 0, 2)])
    result = result_of(shifted, predicted)
    right = [1, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]
    assert result.correct == tuple(map(bool, right))
    assert result.accuracy.value == pytest.approx(8 / 12)
    found_groups = {
        name: (share.value, share.n) for name, share in result.groups["heuristic"].items()
    }
    assert found_groups == {"lexical": (6 / 8, 8), "sub": (0.5, 4)}
    assert sum(first.n for first in result.groups["subcase"].values()) == 12


def test_labels_that_are_names_are_the_tasks_whatever_their_order(tmp_path: Path):
    """Sorted, REFUTES would come before SUPPORTS."""
    path = write_hans(tmp_path / "symmetric.tsv", labels=("SUPPORTS", "REFUTES"))
    result = load_shifted(
        str(path), ("SUPPORTS", "REFUTES", "NOT ENOUGH INFO"), task="fever-symmetric"
    )
    assert result.examples.labels[:2] == (0, 1)
    assert result_of(result, np.array([result.mapping[2]] * 12)).accuracy.value == 0
    with pytest.raises(
        DataError,
        match="calls its classes REFUTES, SUPPORTS, and the task hans calls them entailment",
    ):
        load_shifted(str(path), NLI, task="hans")


def test_a_set_that_does_not_suit_the_model_is_refused(tmp_path: Path, data_folder: Path):
    with pytest.raises(DataError, match="holds single texts and the model was trained on pairs"):
        load_shifted(str(data_folder), ("a", "b"), pairs=True)
    with pytest.raises(
        DataError, match=r"Row 2 of .*x.tsv has the label 2, outside the 0\.\.1 of the task hans"
    ):
        load_shifted(str(write_hans(tmp_path / "x.tsv", labels=("0", "2"))), NLI, task="hans")
    with pytest.raises(SettingError, match="The task 'snli' is unknown"):
        load_shifted(str(data_folder), NLI, task="snli")
    with pytest.raises(DataError, match="no folder or file"):
        load_shifted(str(tmp_path / "none.tsv"), NLI)


def test_the_f1_of_one_class_needs_two_classes():
    """HANS has two, and a model of NLI three: its own rows have no such figure, and so there is no
    gap.
    """
    rows = Examples(("good film", "bad plot", "dull scene"), None, (1, 0, 2))
    with pytest.raises(
        SettingError,
        match="f1_binary is the F1 of class 1 of two, and ID has 3 classes; choose accuracy or",
    ):
        own_set("ID", rows, 3, "f1_binary")
    assert own_set("ID", rows.take([0, 1]), 2, "f1_binary").metric == "f1_binary"
    with pytest.raises(DataError, match="ID has no column 'colour' to draw rows by; it has none"):
        own_set("ID", rows, 3).column("colour")


def test_both_kinds_of_rows_stand_in_one_record(victim: Victim, tmp_path: Path):
    rows = Examples(("good film", "bad plot", "dull scene"), None, (1, 0, 1))
    inside = own_set("ID", rows, 2)
    outside = replace(inside, name="turned", mapping=(1, 0))
    result = generalisation(victim, inside, [outside])
    assert isinstance(result, Generalisation)
    assert result.outside[0].accuracy.value == pytest.approx(
        1 - (result.inside.accuracy.value or 0)
    )
    payload = result.payload()
    assert payload["gaps"]["turned"]["value"] == pytest.approx(
        2 * (result.inside.accuracy.value or 0) - 1
    )
    assert bits_from_hex(payload["id"]["correct"], 3) == list(result.inside.correct)


def named_rows(path: Path, *labels: str) -> Path:
    path.write_text(
        "text\tlabel\n" + "".join(f"text {row}\t{label}\n" for row, label in enumerate(labels))
    )
    return path


def test_a_set_without_a_task_is_read_by_the_models_own_names(tmp_path: Path):
    path = named_rows(tmp_path / "set.tsv", "bad", "good", "bad")
    result = load_shifted(str(path), ("good", "bad"))
    assert result.examples.labels == (1, 0, 1) and result.mapping == (0, 1) and result.classes == 2
    assert load_shifted(
        str(named_rows(tmp_path / "one.tsv", "good", "good")), ("bad", "good")
    ).examples.labels == (1, 1)
    for own in (("cat", "dog"), ("LABEL_0", "LABEL_1")):
        with pytest.raises(
            DataError,
            match=r"calls its classes bad, good, and the model calls them .*; nothing says",
        ):
            load_shifted(str(path), own)
        # the set's class for each of the model's
        assert load_shifted(str(path), own, label_map=(1, 0)).mapping == (
            1,
            0,
        )
        assert load_shifted(str(path), own, label_map="bad=1,good=0").examples.labels == (1, 0, 1)
