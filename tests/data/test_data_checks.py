"""Labels against a model, and seeded samples."""

import pytest

from engine.data import Dataset, Examples, check_labels, fit_labels, sample
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


def named(*names: str) -> Dataset:
    return Dataset("news", labelled(1, 0), labelled(0, 1, 1), names, "news.csv")


def test_names_that_the_model_has_take_its_numbers():
    fitted, notices = fit_labels(named("business", "Sci/Tech"), ("World", "Sci/Tech", "Business"), "m")
    assert fitted.evaluation.labels == (2, 1, 1) and fitted.train is not None and fitted.train.labels == (1, 2)
    assert fitted.label_names == ("World", "Sci/Tech", "Business") and notices == ()
    assert fit_labels(named("neg", "pos"), ("neg", "pos"), "m") == (named("neg", "pos"), ())


def test_names_that_do_not_tell_leave_the_labels_and_are_said():
    fitted, notices = fit_labels(named("neg", "pos"), ("LABEL_0", "LABEL_1"), "m")
    assert fitted == named("neg", "pos")
    assert notices == ("m calls its classes LABEL_0, LABEL_1; they are taken for neg, pos, in this order. Where that is wrong, "
                       "name the labels in the data as the model does.",)  # fmt: skip
    assert fit_labels(named("a", "A"), ("a", "b"), "m")[0] == named("a", "A")  # two classes of one name


def test_a_label_without_a_name_is_refused_by_its_row():
    odd = Dataset("news", None, labelled(0, 2, 1), ("a", "b"), "news.csv")
    with pytest.raises(DataError, match=r"Row 2 of news, evaluation has the label 2, outside the task's 0\.\.1"):
        fit_labels(odd, ("b", "a"), "m")


def test_ratings_are_read_by_the_numbers_that_the_model_calls_its_classes():
    stars = Dataset("stars", labelled(1, 2, 5), labelled(4, 3), None, "stars.csv")
    fitted, notices = fit_labels(stars, ("1", "2", "3", "4", "5"), "m")
    assert fitted.train is not None and fitted.train.labels == (0, 1, 4) and fitted.evaluation.labels == (3, 2) and notices == ()
    counted = Dataset("stars", labelled(0, 4), labelled(4, 3), None, "stars.csv")  # 0 is none of its names
    assert fit_labels(counted, ("1", "2", "3", "4", "5"), "m") == (counted, ())


def test_labels_that_are_counted_from_one_are_told():
    with pytest.raises(DataError, match=r"the label 3, outside the model's 0..2; .* counted from 1, and classes count from 0"):
        check_labels(labelled(1, 3, 2), 3, "here")


def test_numbers_stay_what_they_are():
    plain = Dataset("news", None, labelled(0, 1), None, "news.csv")
    assert fit_labels(plain, ("World", "Sports"), "m") == (plain, ())


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
