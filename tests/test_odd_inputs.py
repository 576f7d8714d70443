"""Models, labels and files as people bring them: right numbers, or one sentence. Some of the cases
of `odd_inputs`; all are run by `benchmarks/odd_inputs.py`, whose figures stand in
docs/benchmarks.md.
"""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from odd_inputs import (
    Bench,
    Case,
    file_cases,
    junk_cases,
    label_cases,
    model_cases,
    pair_cases,
    verdict,
)

from prunescope.engine.cli.main import main

EACH = 9  # of encodings × files, for every kind of model


@pytest.fixture
def judged(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> Callable[[Iterator[Case]], dict[str, str]]:
    """Runs cases in this process: case → what is wrong with it."""

    def judge(cases: Iterator[Case]) -> dict[str, str]:
        wrong = {}
        for case in cases:
            stored = (
                []
                if case.arguments[0] in ("evaluate", "ood", "finetune", "average")
                else ["--cache", str(tmp_path / "cache")]
            )
            capfd.readouterr()
            try:
                code = main([*case.arguments, "--device", "cpu", "--json", "--quiet", *stored])
            except SystemExit as leaving:
                code = int(leaving.code or 0)
            result = verdict(case, code, *capfd.readouterr())
            if result not in ("works", "refuses"):
                wrong[case.name] = result
        return wrong

    return judge


@pytest.mark.parametrize(
    "part",
    [label_cases, junk_cases, pair_cases, file_cases, model_cases],
    ids=lambda part: part.__name__,
)
def test_right_numbers_or_one_sentence(part: Callable[..., Iterator[Case]], judged, tmp_path: Path):
    with warnings.catch_warnings():
        # of the library that writes some of the files
        warnings.filterwarnings("ignore", module="datasets")
        bench = Bench(tmp_path / "bench")
        cases = label_cases(bench, EACH) if part is label_cases else part(bench)
        chosen = (
            case
            for number, case in enumerate(cases)
            if part in (label_cases, pair_cases) or number % 3 == 0
        )
        assert judged(chosen) == {}
