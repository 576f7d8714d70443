"""Labels against a model, and seeded samples."""

import pytest

from prunescope.engine.data import Classes, Dataset, Examples, check_labels, fit_dataset, sample
from prunescope.engine.data.records import Origin
from prunescope.engine.errors import DataError, SettingError


def labelled(*labels: int) -> Examples:
    return Examples(tuple(f"text {n}" for n in range(len(labels))), None, labels)


def test_fitting_labels_pass():
    check_labels(labelled(0, 2), 3, "here")


def test_empty_set():
    with pytest.raises(DataError, match="here has no examples"):
        check_labels(labelled(), 2, "here")


@pytest.mark.parametrize("label", [2, -1])
def test_label_outside_the_model(label):
    with pytest.raises(
        DataError, match=rf"Row 3 of here has the label {label}, outside the model's 0\.\.1"
    ):
        check_labels(labelled(0, 1, label), 2, "here")


def test_one_class_only():
    with pytest.raises(
        DataError,
        match=r"one class only: rows 1 to 2 all have the label 1 of 0\.\.2; add rows of",
    ):
        check_labels(labelled(1, 1), 3, "here")


def named(*names: str) -> Dataset:
    return Dataset(
        "news",
        labelled(1, 0),
        labelled(0, 1, 1),
        Classes(names, False, (0, 1)),
        "news.csv",
        ("said before",),
    )


def test_fitted_labels_are_in_the_numbering_of_the_model():
    fitted, notices = fit_dataset(
        named("business", "Sci/Tech"), ("World", "Sci/Tech", "Business"), "m"
    )
    assert (
        fitted.evaluation.labels == (2, 1, 1)
        and fitted.train is not None
        and fitted.train.labels == (1, 2)
    )
    assert fitted.label_names == ("World", "Sci/Tech", "Business") and notices == ("said before",)
    again, notices = fit_dataset(fitted, ("World", "Sci/Tech", "Business"), "m")
    assert again == fitted and notices == ()


def test_all_splits_decide_how_labels_are_counted():
    data = Dataset(
        "stars", labelled(1, 2, 3), labelled(1, 2), Classes(values=(1, 2, 3)), "stars.csv"
    )
    fitted, (notice,) = fit_dataset(data, ("a", "b", "c"), "m")
    assert fitted.evaluation.labels == (0, 1) and "1 for a, 2 for b, 3 for c" in notice


def test_splits_that_may_count_differently_are_refused():
    data = Dataset(
        "stars", labelled(0, 1, 2), labelled(1, 2), Classes(values=(0, 1, 2)), "stars.csv"
    )
    with pytest.raises(
        DataError,
        match=r"The labels of stars are 1, 2: m's 3 classes .* may be counted from 0 or from 1",
    ):
        fit_dataset(data, ("a", "b", "c"), "m")


def test_names_that_do_not_tell_are_refused():
    with pytest.raises(
        DataError,
        match="news calls its classes neg, pos, and m calls them LABEL_0, LABEL_1; nothing says",
    ):
        fit_dataset(named("neg", "pos"), ("LABEL_0", "LABEL_1"), "m")


def test_a_label_outside_the_model_is_refused_by_its_row_in_the_file():
    rows = Examples(("a", "b"), None, (0, 3), origin=Origin("f.tsv", (4, 9)))
    data = Dataset("f", None, rows, Classes(values=(0, 3)), "f")
    with pytest.raises(
        DataError, match=r"Row 9 of f\.tsv has the label 3, outside the 0\.\.1 of m \(bad, good\)"
    ):
        fit_dataset(data, ("bad", "good"), "m")
    odd = Dataset(
        "news", None, labelled(0, 2, 1), Classes(("a", "b"), False, (0, 1, 2)), "news.csv"
    )
    with pytest.raises(
        DataError, match=r"Row 2 of news has the label 2, outside the 0\.\.1 of the names a, b"
    ):
        fit_dataset(odd, ("b", "a"), "m")


def test_sample_is_sorted_without_repeats():
    sample_rows = sample(labelled(*[0] * 100), 20, seed=3)
    assert len(set(sample_rows)) == 20
    assert sample_rows == tuple(sorted(sample_rows))


def test_sample_depends_on_the_seed_alone():
    examples = labelled(*[0] * 100)
    assert (
        sample(examples, 20, seed=3) == sample(examples, 20, seed=3) != sample(examples, 20, seed=4)
    )


def test_sample_larger_than_the_set_is_all_of_it():
    assert sample(labelled(0, 1, 0), 10, seed=0) == (0, 1, 2)


def test_sample_of_nothing():
    with pytest.raises(SettingError, match="A sample of 0"):
        sample(labelled(0, 1), 0, seed=0)
