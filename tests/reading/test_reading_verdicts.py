"""Sentences about a study follow from its figures; every measure is described once and fully."""

from dataclasses import replace

import pytest
from made_up_studies import made_up_study

from prunescope.engine import Rate, SafeSparsity
from prunescope.engine.reading import verdicts
from prunescope.engine.reading.glossary import MEASURES, measure


def test_the_safe_sparsity_is_one_sentence_with_its_confidence_and_its_tolerance() -> None:
    safe = SafeSparsity(0.8, 0.35, 0.9, 3.0, ("acc", "aua"))
    assert verdicts.safe_sentence(safe) == (
        "Safe up to 35% with 95% confidence; best guess 80%: accuracy and accuracy under attack "
        "stay within 3 points of the dense model."
    )
    assert verdicts.safe_headline(replace(safe, sure=0.8)) == "Safe up to 80% with 95% confidence"
    assert verdicts.safe_headline(replace(safe, sure=0.0)) == (
        "No sparsity is confirmed as safe with 95% confidence; best guess 80%"
    )
    alone = replace(safe, points=1.0, checked=("acc",))
    assert verdicts.safe_sentence(alone).endswith(
        ": accuracy stays within 1 point of the dense model."
    )


def test_a_study_that_is_safe_nowhere_is_not_called_safe() -> None:
    safe = SafeSparsity(0, 0, 0.0, 3.0, ("acc", "aua"))
    why = (
        "accuracy or accuracy under attack falls more than 3 points below the dense model at the "
        "lowest one measured."
    )
    assert verdicts.safe_sentence(safe) == (
        f"No measured sparsity is safe, with 95% confidence: {why}"
    )
    assert verdicts.safe_sentence(replace(safe, possible=0.5)) == (
        f"No sparsity is confirmed as safe with 95% confidence; best guess none: {why}"
    ), "the loss may be noise"


def test_what_a_level_keeps_stands_beside_dense() -> None:
    study = made_up_study()
    assert verdicts.level_sentence(study, 0.5) == SENTENCE
    assert verdicts.level_sentence(study, 0.0).startswith("Dense has 90.0% accuracy and withstands")
    assert verdicts.level_sentence(study, 0.55) == "", "nothing was measured there"
    assert " attacks" not in verdicts.level_sentence(made_up_study(attacked=0), 0.5)


SENTENCE = (
    "At 50%, Adaptive keeps 70.0 of 90.0% accuracy and withstands 8 of 20 attacks (dense: 12)."
)


def test_a_collapsed_model_is_said_to_have_collapsed_and_not_to_withstand_anything() -> None:
    study = made_up_study()
    last = replace(study.levels[-1], acc=Rate.of(51, 100))
    collapsed = replace(study, levels=(*study.levels[:-1], last))
    assert verdicts.has_collapsed(collapsed, last)
    assert not verdicts.has_collapsed(study, study.levels[0])
    assert verdicts.level_sentence(collapsed, 0.9) == (
        "At 90%, Adaptive has collapsed: 51.0% is near chance."
    )


def test_every_measure_is_described_fully_and_once() -> None:
    assert len({entry.key for entry in MEASURES}) == len(MEASURES)
    for entry in MEASURES:
        assert entry.meaning.endswith(".") and entry.not_meaning.startswith("It is not ")
        assert len(entry.meaning) < 200, "one sentence"


def test_a_measure_has_its_unit_on_an_axis_and_its_direction_in_a_tooltip() -> None:
    assert measure("aua").axis == "Accuracy under attack (Aua), %"
    assert measure("cls_error").axis == "Relative error of the last [CLS] embedding"
    assert measure("packed_bytes").head == "Packed size, MB"
    assert " Lower is better. It is not " in measure("asr").help and measure("asr").less_is_better
    assert "is better" not in measure("sparsity").help
    with pytest.raises(KeyError):
        measure("beauty")


def test_every_column_of_the_curves_that_is_a_measure_is_in_the_glossary() -> None:
    for name in ("sparsity", "acc", "aua", "asr", "cls_error", "layer_error_median", "latency"):
        assert measure(name).meaning
