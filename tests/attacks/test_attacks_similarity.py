"""Similarity of original and perturbed texts: over broken examples alone, 1 for equal texts, lower
for others.
"""

from dataclasses import replace

import pytest

from prunescope.engine.attacks.encoder import sentence_encoder
from prunescope.engine.attacks.similarity import similarity
from prunescope.engine.attacks.texts import AttackText
from prunescope.engine.records import AttackRecord

RECORD = AttackRecord(0, "broken", 10, 1, 5, 0.9, 0.4)
SAME = AttackText(RECORD, 1, "a good film", "a good film", 1, 0, 0.4)
OTHER = replace(SAME, perturbed="the stock market fell")


def test_equal_texts_have_similarity_one_and_others_less() -> None:
    assert similarity([SAME]).value == pytest.approx(1.0, abs=1e-6)
    result = similarity([SAME, OTHER])
    assert result.n == 2 and result.value is not None and result.value < 0.8


def test_it_is_the_cosine_of_the_encoder() -> None:
    first, two = sentence_encoder("cpu").answer(["a good film", "the stock market fell"])
    assert similarity([OTHER]).value == pytest.approx(float(first @ two), abs=1e-6)


def test_examples_that_did_not_break_are_left_out() -> None:
    withstood = [
        replace(OTHER, record=replace(RECORD, outcome=outcome))
        for outcome in ("held", "skipped", "exhausted", "error")
    ]
    assert similarity(withstood).value is None
    assert similarity([*withstood, SAME]).value == pytest.approx(1.0, abs=1e-6)


def test_both_columns_of_a_pair_are_read() -> None:
    pair = replace(SAME, pair="it is dull", perturbed_pair="it is dull")
    changed = replace(pair, perturbed_pair="profits rose sharply")
    assert similarity([pair]).value == pytest.approx(1.0, abs=1e-6)
    assert (similarity([changed]).value or 1) < 0.9
