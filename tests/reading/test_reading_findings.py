"""Verdicts follow from the figures, by the rule that the results state."""

from pathlib import Path

import pytest

from prunescope.engine.errors import StoreError
from prunescope.engine.reading import findings
from prunescope.engine.reading.findings import ClaimTest, Verdict, compare, judge, unmeasured


def _pair(*, only_first: int, only_second: int, both: int = 50) -> tuple[list[bool], list[bool]]:
    """Two models' outcomes with that many discordant examples."""
    first = [True] * both + [True] * only_first + [False] * only_second
    second = [True] * both + [False] * only_first + [True] * only_second
    return first, second


def _verdict(*tests: ClaimTest) -> Verdict:
    return judge("?", {"A claim.": tests}).claims[0].verdict


def test_a_significant_difference_as_claimed_supports_and_its_opposite_does_not() -> None:
    pair = _pair(only_first=2, only_second=30)
    assert _verdict(compare("here", *pair, "Acc")) is Verdict.SUPPORTED
    assert _verdict(compare("here", *pair, "Acc", claimed=-1)) is Verdict.NOT_SUPPORTED
    assert _verdict(compare("here", *reversed(pair), "Acc")) is Verdict.NOT_SUPPORTED


def test_what_is_not_significant_shows_no_difference_in_either_direction() -> None:
    pair = _pair(only_first=8, only_second=12)
    for claimed in (1, -1):
        assert _verdict(compare("here", *pair, "Acc", claimed=claimed)) is Verdict.NO_DIFFERENCE


def test_p_values_are_adjusted_over_all_tests_of_a_question() -> None:
    pair = _pair(only_first=3, only_second=13)  # p = .021 by itself
    assert _verdict(compare("here", *pair, "Acc")) is Verdict.SUPPORTED
    others = [compare("there", *_pair(only_first=5, only_second=5), "Acc")] * 4
    claims = judge("?", {"A claim.": [compare("here", *pair, "Acc")], "Others.": others}).claims
    assert [claim.verdict for claim in claims] == [Verdict.NO_DIFFERENCE] * 2


def test_the_settings_of_a_claim_make_one_verdict() -> None:
    yes = compare("a", *_pair(only_first=0, only_second=40), "Acc")
    no = compare("b", *_pair(only_first=40, only_second=0), "Acc")
    neither = compare("c", *_pair(only_first=5, only_second=5), "Acc")
    absent = unmeasured("d", "not run")
    assert _verdict(yes, neither) is Verdict.PARTLY
    assert _verdict(yes, absent) is Verdict.SUPPORTED
    assert _verdict(yes, neither, no) is Verdict.NOT_SUPPORTED
    assert _verdict(neither, absent) is Verdict.NO_DIFFERENCE
    assert _verdict(absent) is Verdict.NOT_MEASURED
    assert _verdict() is Verdict.NOT_MEASURED
    (claim,) = judge("?", {"A claim.": [yes, neither, absent]}).claims
    assert claim.verdict_text == "supported in 1 of 2"


def test_an_interval_decides_where_only_an_interval_is_stored() -> None:
    def test(direction: int, outside: bool) -> ClaimTest:
        return ClaimTest("here", "ρ −0.9", direction=direction, outside=outside)

    assert _verdict(test(1, True)) is Verdict.SUPPORTED
    assert _verdict(test(-1, True)) is Verdict.NOT_SUPPORTED
    assert _verdict(test(1, False)) is Verdict.NO_DIFFERENCE


def test_every_test_shows_its_p_value_and_a_significant_difference_is_bold() -> None:
    tests = [
        compare("SST-2", *_pair(only_first=2, only_second=30), "Acc"),
        compare("IMDB", *_pair(only_first=5, only_second=5), "Acc"),
    ]
    (claim,) = judge("?", {"A claim.": tests}).claims
    assert (
        claim.evidence_text.startswith("SST-2: **+34.1 [") and "(p < .001)" in claim.evidence_text
    )
    assert claim.evidence_text.endswith("in Acc (p = 1.000)")
    assert claim.short_text == "SST-2: **+34.1**; IMDB: 0.0"


def test_every_verdict_is_explained() -> None:
    assert set(findings.MEANING) == set(Verdict)


def test_findings_are_read_as_they_were_written(tmp_path: Path) -> None:
    entry = judge("Is it?", {"It is.": [unmeasured("here", "not run")]}, ["A note."])
    findings.write_findings([entry], path := tmp_path / "findings.json")
    assert findings.read_findings(path) == (entry,)
    assert findings.read_findings(tmp_path / "nothing.json") == ()


@pytest.mark.parametrize("text", ["", "[{}]", '{"question": 1}', "[3]"])
def test_damaged_findings_are_an_error_that_says_what_writes_them(
    tmp_path: Path, text: str
) -> None:
    (path := tmp_path / "findings.json").write_text(text)
    with pytest.raises(StoreError, match=r"scripts/results\.py"):
        findings.read_findings(path)


def test_a_table_has_a_row_for_each_claim() -> None:
    test = compare("SST-2", *_pair(only_first=2, only_second=30), "Acc")
    finding = judge("?", {"A claim.": [test], "Another.": [unmeasured("", "not run")]})
    rows = findings.claims_table(finding).splitlines()[2:]
    assert rows == [
        "| A claim. | supported | SST-2: **+34.1** |",
        "| Another. | not measured | not run |",
    ]
    assert "[" in findings.claims_table(finding, intervals=True)
