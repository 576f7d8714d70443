"""What the shipped studies say: questions, claims, and a verdict on each that a rule decides.

A claim is tested wherever it was measured, one `ClaimTest` a setting: McNemar's exact test on the
same examples, the p-values adjusted by Holm's method over all tests of a question. Where only an
interval is stored, the interval decides. `overall` states the rule for the verdict.

`scripts/results.py` writes the file together with docs/results.md; the About page reads it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from prunescope.engine.errors import StoreError
from prunescope.engine.evaluation.statistics import holm, mcnemar, paired_difference
from prunescope.engine.paths import BUNDLED
from prunescope.engine.reading.changes import ALPHA, p_text

FILE = BUNDLED / "findings.json"


class Verdict(StrEnum):
    """What the figures say about a claim."""

    SUPPORTED = "supported"
    PARTLY = "supported in part"
    NOT_SUPPORTED = "not supported"
    NO_DIFFERENCE = "no difference shown"
    NOT_MEASURED = "not measured"


MEANING = {
    Verdict.SUPPORTED: "wherever it was measured, a significant difference, as the claim says",
    Verdict.PARTLY: "a significant difference as the claim says in that many of the settings that "
    "were measured, and none against it in the others",
    Verdict.NOT_SUPPORTED: "a significant difference in the opposite direction in at least one "
    "setting",
    Verdict.NO_DIFFERENCE: "no significant difference in any setting; that does not prove that "
    "there is none",
    Verdict.NOT_MEASURED: "nothing to test: it was not run, outcomes of single examples are not "
    "stored, or, in claims about attacks and about debiasing, a model is near chance",
}


@dataclass(frozen=True, slots=True)
class ClaimTest:
    """A claim in one setting, before it is judged.

    `short` is the figure without its interval. `direction` is 1 where the figures point as the
    claim says, −1 where they point the other way. `p` is the unadjusted p-value. Where an interval
    decides, `p` is None and `outside` says whether the interval excludes "no difference"; where
    both are None, nothing was measured.
    """

    setting: str
    figures: str
    short: str = ""
    direction: int = 0
    p: float | None = None
    outside: bool | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A claim in one setting, judged."""

    setting: str
    verdict: Verdict
    figures: str  # Markdown, with the interval
    short: str = ""  # Markdown, the figure alone


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence that is right or wrong, and what was measured about it."""

    statement: str
    verdict: Verdict
    evidence: tuple[Evidence, ...]

    @property
    def verdict_text(self) -> str:
        """The verdict, with the number of settings where it holds only in some."""
        if self.verdict is not Verdict.PARTLY:
            return self.verdict.value
        measured = [part for part in self.evidence if part.verdict is not Verdict.NOT_MEASURED]
        supported = sum(part.verdict is Verdict.SUPPORTED for part in measured)
        return f"supported in {supported} of {len(measured)}"

    @property
    def evidence_text(self) -> str:
        """The figures of every setting with their adjusted p-values; bold where significant."""
        return "; ".join(_placed(part.setting, part.figures) for part in self.evidence)

    @property
    def short_text(self) -> str:
        """The same without intervals and p-values."""
        return "; ".join(
            _placed(part.setting, part.short or part.figures) for part in self.evidence
        )


def _placed(setting: str, figures: str) -> str:
    return f"{setting}: {figures}" if setting else figures


@dataclass(frozen=True, slots=True)
class Finding:
    """A question, and the claims that answer it."""

    question: str
    claims: tuple[Claim, ...]
    notes: tuple[str, ...] = ()  # figures beside them that no test was made of


def claims_table(finding: Finding, *, intervals: bool = False) -> str:
    """The claims of a finding as a Markdown table, with or without intervals and p-values."""
    lines = [
        f"| {claim.statement} | {claim.verdict_text} | "
        f"{claim.evidence_text if intervals else claim.short_text} |\n"
        for claim in finding.claims
    ]
    return (
        f"| claim | verdict | {'tests' if intervals else 'measured'} |\n|---|---|---|\n"
        + "".join(lines)
    )


def compare(
    setting: str, first: Sequence[bool], second: Sequence[bool], measure: str, *, claimed: int = 1
) -> ClaimTest:
    """Two models on the same examples: `second` minus `first`, by McNemar's exact test.

    Args:
        setting: Where it was measured, as in "SST-2".
        first: Whether the first model is right (or withstands), example by example.
        second: The same of the second model, in the same order.
        measure: What is compared, as in "Acc".
        claimed: 1 where the claim says that the second has more, −1 where it says fewer.
    """
    difference = paired_difference([first], [second])
    if difference.value is None:
        return unmeasured(setting, "not run")
    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    low, high = difference.interval
    return ClaimTest(
        setting,
        f"{signed(difference.value)} [{signed(low)}, {signed(high)}] in {measure}",
        signed(difference.value),
        claimed * ((only_second > only_first) - (only_second < only_first)),
        mcnemar(only_first, only_second),
    )


def signed(share: float) -> str:
    """A difference of shares in points: −0.034 → "−3.4"."""
    text = f"{100 * share:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def unmeasured(setting: str, reason: str) -> ClaimTest:
    """A setting in which there is nothing to test, with the reason."""
    return ClaimTest(setting, reason)


def judge(
    question: str, claims: Mapping[str, Sequence[ClaimTest]], notes: Iterable[str] = ()
) -> Finding:
    """The claims of a question with their verdicts; Holm's family is every test of the question."""
    tests = [test for tests in claims.values() for test in tests if test.p is not None]
    adjusted = iter(holm([test.p for test in tests if test.p is not None]))
    judged = []
    for statement, comparisons in claims.items():
        evidence = tuple(
            _judged(test, None if test.p is None else next(adjusted)) for test in comparisons
        )
        verdict = overall([part.verdict for part in evidence])
        judged.append(Claim(statement, verdict, evidence))
    return Finding(question, tuple(judged), tuple(notes))


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on a claim from those of its settings; `MEANING` says it in words."""
    measured = [verdict for verdict in verdicts if verdict is not Verdict.NOT_MEASURED]
    if not measured:
        return Verdict.NOT_MEASURED
    if Verdict.NOT_SUPPORTED in measured:
        return Verdict.NOT_SUPPORTED
    if Verdict.SUPPORTED not in measured:
        return Verdict.NO_DIFFERENCE
    return Verdict.PARTLY if Verdict.NO_DIFFERENCE in measured else Verdict.SUPPORTED


def _judged(test: ClaimTest, adjusted: float | None) -> Evidence:
    """One setting, with its adjusted p-value where there is one."""
    if adjusted is None and test.outside is None:
        return Evidence(test.setting, Verdict.NOT_MEASURED, test.figures)
    tested = "" if adjusted is None else f" ({p_text(adjusted)})"
    significant = test.outside if adjusted is None else adjusted < ALPHA
    if not significant or not test.direction:
        return Evidence(test.setting, Verdict.NO_DIFFERENCE, test.figures + tested, test.short)
    verdict = Verdict.SUPPORTED if test.direction > 0 else Verdict.NOT_SUPPORTED
    short = f"**{test.short}**" if test.short else ""
    return Evidence(test.setting, verdict, f"**{test.figures}**{tested}", short)


def read_findings(path: Path = FILE) -> tuple[Finding, ...]:
    """The findings of the shipped studies; none without the file. Raises StoreError for a file that
    is damaged.
    """
    if not path.is_file():
        return ()
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return tuple(
            Finding(
                str(entry["question"]),
                tuple(map(_claim, entry["claims"])),
                tuple(map(str, entry["notes"])),
            )
            for entry in entries
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path} is damaged ({type(error).__name__}); write it with scripts/results.py."
        ) from error


def _claim(entry: Mapping[str, Any]) -> Claim:
    evidence = tuple(
        Evidence(
            str(part["setting"]),
            Verdict(part["verdict"]),
            str(part["figures"]),
            str(part["short"]),
        )
        for part in entry["evidence"]
    )
    return Claim(str(entry["statement"]), Verdict(entry["verdict"]), evidence)


def write_findings(findings: Iterable[Finding], path: Path = FILE) -> None:
    """Write the file that `read_findings` reads."""
    path.write_text(findings_text(findings), encoding="utf-8")


def findings_text(findings: Iterable[Finding]) -> str:
    """The findings as the file holds them."""
    entries = [asdict(finding) for finding in findings]
    return json.dumps(entries, ensure_ascii=False, indent=1) + "\n"
