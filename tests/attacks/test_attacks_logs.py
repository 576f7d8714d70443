"""TextAttack's CSV log in and out, and JSON: what was written is read again, and a published log
gives the published figures.
"""

import csv
import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.engine.attacks.csv_log import from_cells, neutral, restored, to_cells
from prunescope.engine.attacks.logs import COLUMNS, read_log, read_rows, write_log
from prunescope.engine.attacks.metrics import OUTCOMES, attack_summary
from prunescope.engine.attacks.resources import find_resources
from prunescope.engine.attacks.textattack_import import textattack
from prunescope.engine.attacks.texts import AttackText
from prunescope.engine.errors import DataError, SettingError
from prunescope.engine.records import AttackRecord

PIECES = (
    "[[b]]",
    "[[",
    "]]",
    "<SPLIT>",
    "Text_a: ",
    "Text_b: ",
    "good film",
    " ",
    "'",
    *'=+-@\t\r\n\x00\x1b,;"\ud800ab',
)
CHARACTERS = st.lists(st.characters() | st.sampled_from(PIECES), max_size=8).map("".join)
SHARES = st.floats(0, 1)
RECORDS = st.builds(
    AttackRecord,
    st.integers(0, 9),
    st.sampled_from(OUTCOMES),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 9),
    SHARES,
    SHARES,
)
SINGLE = st.builds(
    AttackText,
    RECORDS,
    st.integers(0, 3),
    CHARACTERS,
    CHARACTERS,
    st.integers(0, 3),
    st.integers(0, 3),
    SHARES,
)
DOUBLE = st.builds(
    AttackText,
    RECORDS,
    st.integers(0, 3),
    CHARACTERS,
    CHARACTERS,
    st.none(),
    st.none(),
    st.none(),
    CHARACTERS,
    CHARACTERS,
)


def example(original: str, perturbed: str, outcome: str = "broken", **more: Any) -> AttackText:
    return AttackText(
        AttackRecord(3, outcome, 9, 1, 4, 0.75, 0.25), 1, original, perturbed, 1, 0, 0.25, **more
    )


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(SINGLE | DOUBLE, max_size=4), st.sampled_from([".csv", ".json"]))
def test_what_was_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, texts: list[AttackText], suffix: str
) -> None:
    path = tmp_path_factory.mktemp("log") / f"log{suffix}"
    write_log(path, texts)
    if texts or suffix == ".json":
        assert list(read_log(path)) == texts
    else:
        with pytest.raises(DataError, match="no rows"):
            read_log(path)


@given(st.text(st.sampled_from("'=+-@ \t\ra[＝"), max_size=6))
def test_no_cell_is_a_formula_and_each_is_restored(text: str) -> None:
    cell = neutral(text)
    assert restored(cell) == text
    assert not cell.strip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "＝"))


@given(CHARACTERS, CHARACTERS)
def test_a_cell_is_one_line_of_visible_characters(original: str, perturbed: str) -> None:
    for cell in to_cells((original, None), (perturbed, None)):
        assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in cell)


def test_the_nine_columns_are_textattacks(tmp_path: Path) -> None:
    path = write_log(
        tmp_path / "log.csv",
        [
            example("a good film .", "a goood film ."),
            example("=1+1 is\nfine", "=1+1 is\nfien", "exhausted"),
        ],
    )
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0][:9]) == COLUMNS
    assert rows[1][:9] == [
        "a [[good]] film .",
        "a [[goood]] film .",
        "0.25",
        "0.75",
        "1",
        "0",
        "1",
        "9",
        "Successful",
    ]
    assert '"texts"' not in rows[1][9]  # the nine columns tell them
    assert (
        rows[2][:2] == ["'=1+1 is<SPLIT>[[fine]]", "'=1+1 is<SPLIT>[[fien]]"]
        and rows[2][8] == "Failed"
    )


def test_a_pair_is_written_as_textattack_does_and_read() -> None:
    cells = to_cells(("a man sleeps", "a man rests"), ("a man sleeps", "a man rsets"))
    assert cells[1] == "[[[[Text_a]]]]: a man sleeps<SPLIT>[[[[Text_b]]]]: a man [[rsets]]"
    assert from_cells(*cells) == (("a man sleeps", "a man rests"), ("a man sleeps", "a man rsets"))
    plain = "Premise: one\ntwo<SPLIT>Hypothesis: three"
    assert from_cells(plain, plain) == (("one\ntwo", "three"),) * 2
    assert from_cells("Note: one<SPLIT>Also: two", "x") == (
        ("Note: one\nAlso: two", None),
        ("x", None),
    )


@pytest.mark.parametrize(
    "marked",
    ["a [[dull]] film", "a \x1b[91mdull\x1b[0m film", "a <font color = red>dull</font> film"],
)
def test_the_marks_of_all_styles_are_taken_off(marked: str) -> None:
    assert from_cells("a [[good]] film", marked) == (("a good film", None), ("a dull film", None))


def test_brackets_in_a_text_that_was_not_changed_stay() -> None:
    assert from_cells("see [[this]]", "see [[this]]")[0] == ("see [[this]]", None)


def row(**changes: Any) -> dict[str, Any]:
    values = ("a [[good]] film", "a [[goood]] film", 0.25, 0.75, 1.0, 0.0, 1.0, 9.0, "Successful")
    return {**dict(zip(COLUMNS, values, strict=True)), **changes}


def test_a_row_of_textattack_becomes_an_example() -> None:
    (result,) = read_rows([row()], "log")
    assert result == AttackText(
        AttackRecord(0, "broken", 9, 1, 3, 0.75, 0.25), 1, "a good film", "a goood film", 1, 0, 0.25
    )


def test_only_our_own_cells_are_restored() -> None:
    same = row(
        original_text="'-ing",
        perturbed_text="'-ing",
        original_output=0,
        perturbed_output=0,
        result_type="Skipped",
    )
    assert read_rows([same], "log")[0].original == "'-ing"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"result_type": "Won"}, "'Won', which TextAttack does not write"),
        ({"result_type": "Maximized"}, "neither success"),
        ({"result_type": "Failed"}, "mean 'Successful'"),
        ({"original_output": 0.5}, "0.5 in 'original_output', not a whole"),
        ({"perturbed_score": 3}, "outside"),
        ({"num_queries": "many"}, "'many' in 'num_queries', not a number"),
        ({"original_text": None}, "no text in 'original_text'"),
        ({"ground_truth_output": float("nan")}, "not a number"),
        ({"prunescope": "[]"}, "cannot be read"),
        ({"prunescope": "{"}, "cannot be read"),
        ({"prunescope": '{"record": {}}'}, "truth_perturbed"),
        (
            {"prunescope": '{"record": {"outcome": "held"}, "truth_perturbed": 1}'},
            "'held' in its record",
        ),
        (
            {"prunescope": '{"record": {"outcome": "broken"}, "truth_perturbed": 1}'},
            "no attacked example",
        ),
    ],
    ids=str,
)
def test_a_row_that_cannot_be_used_is_named(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match="Row 2 of log ") as caught:
        read_rows(
            [
                row(**{"prunescope": json.dumps(own())} if "prunescope" in changes else {}),
                row(**changes),
            ],
            "log",
        )
    assert says in str(caught.value)


def own() -> dict[str, Any]:
    return {
        "record": {
            "example": 0,
            "outcome": "broken",
            "queries": 9,
            "words_changed": 1,
            "words": 3,
            "truth_before": 0.75,
            "truth_after": 0.25,
        },
        "truth_perturbed": 0.25,
    }


def test_a_column_that_is_missing_is_named() -> None:
    with pytest.raises(DataError, match="no column 'num_queries', it has original_text"):
        read_rows([{name: value for name, value in row().items() if name != "num_queries"}], "log")


@pytest.mark.parametrize(
    "content",
    ["{}", "[1]", "[{}]", "nonsense", '[{"record": null}]', '[{"record": {"example": "x"}}]'],
)
def test_json_that_is_no_log_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "log.json").write_text(content)
    with pytest.raises(DataError, match=r"log\.json"):
        read_log(tmp_path / "log.json")


@pytest.mark.parametrize(
    ("field", "value"), [("truth", "1"), ("original", None), ("truth_perturbed", "high")]
)
def test_json_with_a_wrong_type_is_refused(tmp_path: Path, field: str, value: Any) -> None:
    path = write_log(tmp_path / "log.json", [example("a", "b")])
    rows = json.loads(path.read_text())
    rows[0][field] = value
    path.write_text(json.dumps(rows))
    with pytest.raises(DataError, match=rf"Row 1 of .*\({field} is"):
        read_log(path)


def test_a_log_has_one_of_two_suffixes(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"'\.txt'"):
        write_log(tmp_path / "log.txt", [])


def results_of_textattack(package: Any) -> list[Any]:
    """A broken, a held and a skipped example, and a broken pair, as TextAttack hands them to its
    loggers.
    """
    from collections import OrderedDict

    import torch
    from textattack.attack_results import (
        FailedAttackResult,
        SkippedAttackResult,
        SuccessfulAttackResult,
    )
    from textattack.goal_function_results import ClassificationGoalFunctionResult

    def said(text: Any, output: int, score: float, queries: int = 7) -> Any:
        attacked = (
            package.shared.AttackedText(text) if isinstance(text, str | OrderedDict) else text
        )
        return ClassificationGoalFunctionResult(
            attacked, torch.tensor([0.5, 0.5]), output, 0, score, queries, 1
        )

    film = package.shared.AttackedText("This is a good film, isn't it?")
    pair = package.shared.AttackedText(
        OrderedDict(premise="A man sleeps.\nLong.", hypothesis="A person rests.")
    )
    return [
        SuccessfulAttackResult(
            said(film, 1, 0.1), said(film.replace_word_at_index(3, "goood"), 0, 0.8)
        ),
        FailedAttackResult(
            said(film, 1, 0.1), said(film.replace_word_at_index(4, "fil m"), 1, 0.3)
        ),
        SkippedAttackResult(said(film, 0, 0.9, 1)),
        SuccessfulAttackResult(
            said(pair, 1, 0.1), said(pair.replace_word_at_index(6, "reads"), 0, 0.6)
        ),
    ]


@pytest.mark.parametrize("style", ["file", "ansi", "html", None])
def test_a_log_that_textattack_wrote_is_read(tmp_path: Path, style: str | None) -> None:
    package = textattack(find_resources(None))
    logger = package.loggers.CSVLogger(str(tmp_path / "log.csv"), style)
    for result in results_of_textattack(package):
        logger.log_attack_result(result)
    logger.flush()
    outcome = read_log(tmp_path / "log.csv")
    good = "This is a good film, isn't it?"
    assert [(text.original, text.perturbed) for text in outcome] == [
        (good, good.replace("good", "goood")),
        (good, good.replace("film", "fil m")),
        (good, good),
        ("A man sleeps.\nLong.", "A man sleeps.\nLong."),
    ]
    assert (outcome[3].pair, outcome[3].perturbed_pair) == ("A person rests.", "A person reads.")
    assert [text.record.outcome for text in outcome] == ["broken", "held", "skipped", "broken"]
    assert outcome[0].record == AttackRecord(0, "broken", 7, 1, 7, 0.9, 0.2)
    frame = pd.read_csv(write_log(tmp_path / "ours.csv", outcome))
    if style == "file":
        stock = pd.read_csv(tmp_path / "log.csv")
        singles = frame.iloc[:3][list(COLUMNS)]
        pd.testing.assert_frame_equal(singles, stock.iloc[:3], check_dtype=False)


def published() -> Path:
    folder = Path(os.environ.get("PRUNESCOPE_DATA") or ".") / "published_attacks"
    if not (folder / "textattack_search_benchmark_bert_mr.parquet").is_file():
        pytest.skip("PRUNESCOPE_DATA names no folder with published_attacks/")
    return folder


def test_published_logs_give_the_published_figures(tmp_path: Path) -> None:
    """10 runs of TextAttack: rates, queries and words as it printed them, and the same examples
    after a round trip.
    """
    folder = published()
    runs = pd.read_parquet(folder / "textattack_search_benchmark_bert_mr.parquet").groupby("run")
    with (folder / "textattack_search_benchmark_summary.tsv").open(encoding="utf-8") as file:
        printed = {row["run"]: row for row in csv.DictReader(file, delimiter="\t")}
    assert len(runs) == 10
    for run, frame in runs:
        texts = read_rows(frame.to_dict("records"), str(run))
        expected, result = (
            printed[str(run).replace(".csv", ".txt")],
            attack_summary([text.record for text in texts]),
        )
        assert (result.n, result.errors) == (603, 0)
        for value, name in (
            (100 * (result.acc.value or 0), "original_accuracy_pct"),
            (100 * (result.aua.value or 0), "accuracy_under_attack_pct"),
            (100 * (result.asr.value or 0), "attack_success_rate_pct"),
            (result.queries.value, "avg_queries"),
            (100 * (result.words_changed.value or 0), "avg_perturbed_word_pct"),
            (sum(text.record.words for text in texts) / 603, "avg_words"),
        ):
            assert value == pytest.approx(float(expected[name]), abs=0.00501), (run, name)
        assert read_log(write_log(tmp_path / "log.csv", texts)) == texts
