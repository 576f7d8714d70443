"""Classes in somebody else's order: the same predictions, by name."""

from pathlib import Path

import pytest
import torch

from prunescope.engine.errors import ModelError
from prunescope.engine.models.classes import check_classes, in_order
from prunescope.engine.models.victim import Victim, load_victim

TEXTS = ("a rich film", "dull and weak", "the music of grim scenes")


@pytest.fixture
def named(model_folder: Path) -> Victim:
    found = load_victim(str(model_folder), "cpu")
    found.label_names = ("bad", "good")
    return found


def test_the_rows_of_the_last_layer_follow_the_names(named: Victim):
    turned = in_order(named, ("Good", "BAD"))
    assert turned.label_names == ("Good", "BAD") and turned.model.config.id2label == {
        0: "Good",
        1: "BAD",
    }
    assert torch.equal(turned.read(TEXTS)[0], named.read(TEXTS)[0].flip(1))
    assert turned.fingerprint != named.fingerprint
    assert torch.equal(in_order(turned, ("bad", "good")).read(TEXTS)[0], named.read(TEXTS)[0])


@pytest.mark.parametrize(
    "names",
    [
        ("bad", "good"),
        ("BAD", "Good"),
        ("poor", "good"),
        ("good",),
        ("LABEL_1", "LABEL_0"),
        ("good", "bad", "neutral"),
    ],
)
def test_where_the_names_do_not_tell_the_numbers_count(named: Victim, names: tuple[str, ...]):
    assert in_order(named, names) is named


def test_a_model_that_names_other_classes_is_refused(named: Victim):
    with pytest.raises(
        ModelError,
        match="m calls its classes bad, good, and the data calls them poor, fine; nothing says which is which",
    ):
        check_classes(named, ("poor", "fine"), "m")
    check_classes(named, ("good", "bad"), "m")
    check_classes(named, ("LABEL_0", "LABEL_1"), "m")
    named.label_names = ("LABEL_0", "LABEL_1")
    check_classes(named, ("poor", "fine"), "m")
