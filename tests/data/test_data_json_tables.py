"""JSON in the shapes that people, pandas and published sets have."""

import json
import math

import pandas as pd
import pytest

from prunescope.engine.data.json_tables import read_json
from prunescope.engine.errors import DataError

ROWS = [{"text": "fine", "label": 1}, {"text": "poor", "label": 0}]
FRAME = pd.DataFrame(ROWS)


def table(value: object) -> list[dict[str, object]]:
    text = value if isinstance(value, str) else json.dumps(value)
    return read_json(text, "films").to_dict("records")


@pytest.mark.parametrize(
    "value",
    [
        ROWS,
        json.dumps(ROWS, indent=2),
        "\n".join(map(json.dumps, ROWS)),
        "\r\n".join(map(json.dumps, ROWS)) + "\r\n\r\n",
        FRAME.to_dict("list"),
        json.dumps(FRAME.to_dict("list"), indent=1),
        FRAME.to_json(),
        FRAME.to_json(orient="index"),
        FRAME.to_json(orient="split"),
        FRAME.to_json(orient="table", index=False),
        FRAME.to_json(orient="records"),
        FRAME.to_json(orient="records", lines=True),
        {"version": 1, "data": ROWS},
        {"rows": ROWS, "columns": ["text", "label"]},
        {"about": {"by": "us"}, "examples": ROWS},
        {"sst2": ROWS},
    ],
    ids=str,
)
def test_every_usual_shape(value):
    assert table(value) == ROWS


@pytest.mark.parametrize(
    "text", ['{"text": "fine", "label": 1}', '{\n"text": "fine",\n"label": 1\n}']
)
def test_one_object_is_one_row(text):
    assert table(text) == ROWS[:1]


def test_values_beside_text_and_label_may_be_lists_and_objects():
    row = {
        "text": "fine",
        "label": 1,
        "tokens": ["fine"],
        "about": {"by": "us"},
        "spans": [{"from": 0}],
    }
    assert table([row]) == table(row) == [row]


def test_values_keep_their_types_and_a_missing_key_is_missing():
    (first, second) = table('{"text": "a", "label": true}\n{"text": "b"}\n')
    assert first["label"] is True and math.isnan(second["label"])


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ('{"text": "a"}\n{"text": \n', "Line 2 of films is not JSON"),
        ('{"text": \n{"text": "a"}\n', "Line 1 of films is not JSON"),
        ('[{"text": "a"},\n{"text": }]', "Line 2 of films is not JSON"),
        ('["a", 1]\n["b", 0]\n', "Line 1 of films holds a list, not an object"),
        (["a", "b"], "Row 1 of films is a str, not an object"),
        ([ROWS], "Row 1 of films is a list, not an object"),
        ('{"text": "a", "text": "b", "label": 1}', "two values called 'text'"),
        ('{"a": 1}\n{"text": "a", "text": "b"}', "Line 2 of films has two values called 'text'"),
        ({"text": ["a"], "label": [1, 0]}, "'text' has 1, 'label' has 2"),
        ({"text": {"0": "a"}, "label": {"1": 1}}, "column 'label' of films has other rows"),
        ({"text": {"a": "x"}, "label": {"a": 1}}, "neither level is numbered"),
        (
            {"columns": ["text"], "data": [["a", 1]]},
            "Row 1 of films has not one value for each of its 1 columns",
        ),
        ({"version": 1, "data": []}, "none is a list of rows"),
        ({"train": ROWS, "test": ROWS}, "several lists of rows: 'train', 'test'"),
        (
            {"version": "1.1", "data": [{"title": "a", "paragraphs": [{"context": "b"}]}]},
            "rows, under 'paragraphs'",
        ),
        ("[" * 100_000, "is not JSON"),
    ],
    ids=str,
)
def test_what_is_no_table_is_refused_in_a_sentence(value, says):
    with pytest.raises(DataError) as caught:
        table(value)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_lists_of_several_tasks_as_advglue_has_them():
    tasks = {
        "sst2": [{"sentence": "a", "label": 1}],
        "qqp": [{"question1": "b", "question2": "c", "label": 0}],
    }
    frame = read_json(json.dumps(tasks), "dev", several=True)
    assert frame["task"].tolist() == ["sst2", "qqp"] and frame["question2"].tolist()[1] == "c"
