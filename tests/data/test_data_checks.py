"""Labels against a model, and seeded samples."""

import pytest

from engine.data import Examples, check_labels, sample
from engine.errors import DataError, SettingError


def labelled(*labels: int) -> Examples:
    return Examples(tuple(f"text {n}" for n in range(len(labels))), None, labels)


def test_fitting_labels_pass():
    check_labels(labelled(0, 2), 3, "here")


def test_empty_set():
    with pytest.raises(DataError, match="here has no examples"):
        check_labels(labelled(), 2, "here")


@pytest.mark.parametrize("label", [2, -1])
def test_label_outside_the_model(label):
    with pytest.raises(DataError, match=rf"Row 3 of here has the label {label}, outside the model's 0\.\.1"):
        check_labels(labelled(0, 1, label), 2, "here")


def test_one_class_only():
    with pytest.raises(DataError, match=r"one class only: rows 1 to 2 all have the label 1 of 0\.\.2"):
        check_labels(labelled(1, 1), 3, "here")


def test_sample_is_sorted_without_repeats():
    drawn = sample(labelled(*[0] * 100), 20, seed=3)
    assert len(set(drawn)) == 20
    assert drawn == tuple(sorted(drawn))


def test_sample_depends_on_the_seed_alone():
    examples = labelled(*[0] * 100)
    assert sample(examples, 20, seed=3) == sample(examples, 20, seed=3) != sample(examples, 20, seed=4)


def test_sample_larger_than_the_set_is_all_of_it():
    assert sample(labelled(0, 1, 0), 10, seed=0) == (0, 1, 2)


def test_sample_of_nothing():
    with pytest.raises(SettingError, match="A sample of 0"):
        sample(labelled(0, 1), 0, seed=0)
