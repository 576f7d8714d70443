"""The sentence under the slider says what was measured, and only that."""

from dataclasses import replace

from made_up_studies import made_up_study

from prunescope.engine import Rate, Study
from prunescope.engine.reading.sentence import comparison, comparison_text


def with_acc(study: Study, hits: dict[float, int]) -> Study:
    """The study with other accuracies of some levels."""
    levels = tuple(
        replace(level, acc=Rate.of(hits[level.sparsity], level.acc.n))
        if level.sparsity in hits
        else level
        for level in study.levels
    )
    return replace(study, levels=levels)


def test_a_measured_level_is_told_with_its_counts() -> None:
    study = made_up_study()
    level, dense = study.level(0.5), study.level(0.0)
    assert level is not None and level.aua is not None
    assert dense is not None and dense.aua is not None
    kept, whole = (100 * (one.acc.value or 0) for one in (level, dense))
    sentence = comparison_text([study], 0.5)
    assert f"keeps {kept:.1f} of {whole:.1f}% accuracy" in sentence
    assert (
        f"withstands {level.aua.hits} of {level.aua.n} attacks (dense: {dense.aua.hits})."
        in sentence
    )
    assert "≈" not in sentence


def test_a_value_between_two_levels_is_marked() -> None:
    study = made_up_study((0.0, 0.4, 0.6))
    assert "≈ " in comparison_text([study], 0.5)
    assert "was not measured beyond 60%" in comparison_text([study], 0.9)


def test_at_zero_it_describes_the_dense_model() -> None:
    study = made_up_study()
    dense = study.level(0.0)
    assert dense is not None
    sentence = comparison_text([study, study], 0.0)
    assert sentence.startswith("Nothing is pruned at 0%: the dense model classifies")
    assert f"of {dense.acc.n} texts correctly" in sentence


def test_a_collapsed_model_says_so_and_claims_no_robustness() -> None:
    study = made_up_study((0.0, 0.4, 0.6, 0.8))
    n = study.levels[0].acc.n
    fallen = with_acc(study, {0.6: n // 2, 0.8: n // 2})
    assert "has collapsed: 50.0% is near chance." in comparison_text([fallen], 0.6)
    assert "withstands" not in comparison_text([fallen], 0.6)
    assert "collapses somewhere between 40% and 60%" in comparison_text([fallen], 0.5)
    assert "has collapsed at 60% already" in comparison_text([fallen], 0.7)


def test_another_study_of_the_same_dense_model_is_told_in_short() -> None:
    study = made_up_study()
    other = replace(made_up_study(method="magnitude"), identity=study.identity)
    first, second = comparison([study, other], 0.5)[1:]
    assert (first.study, second.study) == (0, 1)
    assert "accuracy" in first.text and "accuracy" not in second.text
    apart = made_up_study(data="another")
    apart = replace(apart, identity={**study.identity, "evaluation": "other texts"})
    assert "accuracy" in comparison([study, apart], 0.5)[2].text


def test_a_study_without_attack_says_nothing_about_attacks() -> None:
    assert "attacks" not in comparison_text([made_up_study(attacked=0)], 0.5)


def test_a_clause_is_in_short_only_after_one_that_says_what_dense_does() -> None:
    study = made_up_study((0.0, 0.4, 0.6))
    fallen = with_acc(replace(made_up_study((0.0, 0.4, 0.6)), identity=study.identity), {0.6: 50})
    short = replace(made_up_study((0.0, 0.4)), identity=study.identity)
    for first in (fallen, short):
        assert " of 20 attacks (dense: 12)." in comparison_text([first, study], 0.6)


def test_a_dense_model_that_has_collapsed_withstands_nothing() -> None:
    study = with_acc(made_up_study(), {0.0: 50})
    assert comparison_text([study], 0.0) == (
        "Nothing is pruned at 0%, and the dense model itself has collapsed: 50.0% is near chance."
    )


def test_nothing_is_interpolated_from_a_collapsed_level_or_below_the_first() -> None:
    study = with_acc(made_up_study((0.0, 0.4, 0.6)), {0.4: 50})
    assert "was not measured between 40%, where it has collapsed, and 60%" in comparison_text(
        [study], 0.5
    )
    assert "was not measured below 40%" in comparison_text([made_up_study((0.4, 0.6))], 0.2)
