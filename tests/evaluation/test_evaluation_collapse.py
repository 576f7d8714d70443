"""The rule for a collapsed model."""

import pytest
import torch

from prunescope.engine.evaluation.collapse import is_collapsed, majority_share
from prunescope.engine.evaluation.measure import Predictions, above_chance
from prunescope.engine.records import Rate


@pytest.mark.parametrize(
    ("hits", "classes", "collapsed"),
    [(55, 2, True), (56, 2, False), (38, 3, True), (39, 3, False), (55, 1, True), (0, 2, True)],
)
def test_five_points_above_one_in_the_number_of_classes(hits: int, classes: int, collapsed: bool):
    assert is_collapsed(Rate.of(hits, 100), classes) is collapsed


def test_the_share_of_the_most_common_label_is_chance_where_it_is_known():
    majority = majority_share([0, 1, 1, 1, 2])
    assert majority == 0.6
    assert is_collapsed(Rate.of(65, 100), majority=majority)
    assert not is_collapsed(Rate.of(66, 100), majority=majority)


def test_a_model_that_read_nothing_is_not_called_collapsed():
    assert not is_collapsed(Rate.of(0, 0), 2)


@pytest.mark.parametrize(
    ("predicted", "labels", "above"),
    [
        ([1] * 10, [1] * 9 + [0], 0.0),  # one answer to everything, however often it is right
        ([1] * 9 + [0], [1] * 9 + [0], 0.5),
        ([0, 1, 2], [0, 1, 2], 2 / 3),
        ([0, 0, 0, 2], [0, 0, 1, 2], 2 / 3 - 1 / 3),
        ([1, 1], [1, 1], None),  # one class occurs: nothing can be told
    ],
)
def test_a_common_class_does_not_lift_a_model_above_chance(predicted, labels, above):
    reading = Predictions(tuple(predicted), torch.zeros(len(labels), 1))
    assert above_chance(reading, labels) == (None if above is None else pytest.approx(above))
