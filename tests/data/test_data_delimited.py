r"""Tables parted by signs: what was written comes back, or the file is refused; rows are never
merged.
"""

import csv
import io
from collections.abc import Sequence

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.engine.data.delimited import read_delimited
from prunescope.engine.errors import DataError

Row = tuple[str, str]


def table(content: str, tabs: bool = True) -> list[Row]:
    return [tuple(row) for row in read_delimited(content, "films", tabs).values.tolist()]


def written(rows: Sequence[Row], **dialect: object) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, **dialect).writerows([("text", "label"), *rows])  # type: ignore[arg-type]
    return file.getvalue()


def rows(signs: str) -> st.SearchStrategy[list[Row]]:
    text = st.text(alphabet=signs, min_size=1, max_size=7).filter(str.strip)
    return st.lists(st.tuples(text, st.sampled_from("01")), min_size=1, max_size=5)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    rows('ab "\t\r\n,;|\\1é'),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from("\t,;|"),
)
def test_what_a_writer_quoted_comes_back_or_is_refused(texts, quoting, line_end, delimiter):
    content = written(texts, quoting=quoting, lineterminator=line_end, delimiter=delimiter)
    try:
        result = table(content, delimiter == "\t")
    except DataError as error:
        assert "read in two ways" in str(error) or "carriage return" in str(error)
    else:
        assert result == texts


@settings(max_examples=200, deadline=None, derandomize=True)
@given(rows('ab "\t\n,\\é'), st.sampled_from("\t,"))
def test_what_pandas_wrote_comes_back_or_is_refused(texts, delimiter):
    content = pd.DataFrame(texts, columns=["text", "label"]).to_csv(sep=delimiter, index=False)
    try:
        assert table(content, delimiter == "\t") == texts
    except DataError as error:
        assert "read in two ways" in str(error)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    rows('ab "\t\n,\\é'),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONE]),
    st.sampled_from("\t,"),
)
def test_what_a_writer_escaped_comes_back_or_is_refused(texts, quoting, delimiter):
    # a quote with a backslash before it, which shows the dialect
    texts = [
        ('say "x" now', "1"),
        *texts,
    ]
    content = written(
        texts,
        quoting=quoting,
        delimiter=delimiter,
        escapechar="\\",
        doublequote=False,
        lineterminator="\n",
    )
    try:
        assert table(content, delimiter == "\t") == texts
    except DataError as error:
        assert "read in two ways" in str(error)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(rows('ab ",;|\\1é'))
def test_texts_without_quoting_stay_as_they_are(texts):
    texts = [('" x " is better', "1"), *texts]  # a quote that no writer of quotes leaves so
    assert table("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in texts)) == texts


@settings(max_examples=200, deadline=None, derandomize=True)
@given(rows('ab"'))
def test_rows_of_a_file_without_quoting_are_never_merged(texts):
    content = "text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in texts)
    try:
        assert len(table(content)) == len(texts)
    except DataError as error:
        assert "read in two ways" in str(error)


def test_tabs_quotes_as_pandas_writes_them():
    texts = ['He said "x" twice', "two\nlines", "a\ttab", "plain"]
    content = pd.DataFrame({"text": texts, "label": [0, 1, 0, 1]}).to_csv(sep="\t", index=False)
    assert [text for text, _ in table(content)] == texts


@pytest.mark.parametrize(
    "text",
    ['" spider-man " is better', '"bye"', 'say "hi', '"I love it', 'so nice"', '5" screen', '"'],
)
def test_stray_quotes_of_glue_stay(text):
    content = f'text\tlabel\nsay "hi" now\t1\n{text}\t0\n'
    assert table(content) == [('say "hi" now', "1"), (text, "0")]


def test_a_lone_text_in_quotes_keeps_them():
    assert table('text\tlabel\nfine\t1\n"bye"\t0\n') == [("fine", "1"), ('"bye"', "0")]


@pytest.mark.parametrize("header", ["text\tlabel", '"text"\t"label"'])
def test_a_column_that_is_quoted_throughout_loses_its_quotes(header):
    assert table(f'{header}\n"a"\t1\n"b"\t0\n') == [("a", "1"), ("b", "0")]


def test_what_r_writes():
    assert table('"text"\t"label"\n"say \\"x\\""\t1\n"b"\t0\n') == [('say "x"', "1"), ("b", "0")]


def test_two_rows_or_one_text_of_two_lines_is_refused_with_the_line():
    with pytest.raises(DataError, match="two ways: line 3 is a row of its own, or part"):
        table('text\tlabel\nfine\t1\n"I love it\t1\nso nice"\t0\n')
    with pytest.raises(DataError, match="two ways: line 2"):
        table('text\tlabel\n"I love it\tpos\nso nice"\tneg\n')
    with pytest.raises(DataError, match="two ways: line 2"):
        table('text,label\n"I love it,1\nso nice",0\n', tabs=False)
    with pytest.raises(DataError, match="two ways: line 3"):
        table('n\ttext\tlabel\n\n1\t"I love it\t1\n2\tso nice"\t0\n')


def test_rows_are_not_merged_where_another_line_is_broken():
    rows = [f"text {number}\t1" for number in range(9)]
    content = "\n".join(
        ["text\tlabel", '"I love it\t1', *rows, "one\ttoo many\t1", *rows, 'so nice"\t0', ""]
    )
    with pytest.raises(DataError, match="two ways: line 2"):
        table(content)


def test_a_stray_quote_elsewhere_shows_that_they_are_two_rows():
    content = 'text\tlabel\n"I love it\t1\nso nice"\t0\nsay "hi" now\t1\n'
    assert [text for text, _ in table(content)] == ['"I love it', 'so nice"', 'say "hi" now']


def test_a_quoted_text_of_several_lines_with_commas_is_one_text():
    assert table('text,label\n"Hello, dear\nfriends",1\n', tabs=False) == [
        ("Hello, dear\nfriends", "1")
    ]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (r'"He said \"x\" twice"', 'He said "x" twice'),
        (r'"say \"x\", C:\\dir"', r'say "x", C:\dir'),
        (r'"say \"x\" to AC\DC"', r'say "x" to AC\DC'),
        (r'"say \"x\"\n"', r'say "x"' + r"\n"),
        (r"AC\DC", r"AC\DC"),
        (r"C:\new\file", r"C:\new\file"),
        ('"C:\\dir\\"', "C:\\dir\\"),
        (r'"AC\DC, ""live"""', r'AC\DC, "live"'),
        (r"a\, b", "a, b"),
    ],
)
def test_backslashes_of_a_csv(cell, text):
    assert table(f"text,label\n{cell},1\n", tabs=False) == [(text, "1")]


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_other_delimiters(mark):
    content = f'text{mark}label\n"gut, aber{mark} lang"{mark}1\nschlecht, sehr{mark}0\n'
    assert table(content, tabs=False) == [(f"gut, aber{mark} lang", "1"), ("schlecht, sehr", "0")]


def test_the_delimiter_is_what_parts_every_line():
    content = "id, number;text;label\n1;gut, aber lang, sehr;1\n2;schlecht;0\n"
    assert list(read_delimited(content, "f", False).columns) == ["id, number", "text", "label"]
    assert table("text, in full;label\na, b;1\nc, d;0\n", tabs=False) == [
        ("a, b", "1"),
        ("c, d", "0"),
    ]


def test_two_delimiters_that_both_part_every_line_are_refused():
    with pytest.raises(DataError, match="parted by commas and by semicolons alike"):
        table("a,b;c\nd,e;f\n", tabs=False)


def test_the_first_line_by_which_excel_names_the_delimiter():
    assert table("sep=;\r\ntext;label\r\na, b;1\r\n", tabs=False) == [("a, b", "1")]
    with pytest.raises(DataError, match="Line 3 of films has 3 fields"):
        table("sep=;\ntext;label\na;b;1\n", tabs=False)


def test_empty_columns_and_rows_of_a_spreadsheet():
    content = "text,label,,\r\nfine,1,,\r\n,,,\r\npoor,0,,\r\n,,,\r\n\r\n"
    assert table(content, tabs=False) == [("fine", "1"), ("poor", "0")]
    assert table("text,label\nfine,1,,\n", tabs=False) == [("fine", "1")]


def test_a_column_without_a_name_that_holds_something_stays():
    assert list(read_delimited("text,label,\nfine,1,x\n", "f", False).columns) == [
        "text",
        "label",
        "",
    ]
    assert list(read_delimited(",text,label\n0,fine,1\n", "f", False).columns) == [
        "",
        "text",
        "label",
    ]


def test_line_ends_of_an_old_mac():
    assert table("text\tlabel\rfine\t1\rpoor\t0\r") == [("fine", "1"), ("poor", "0")]
    assert table('text,label\r"two\nlines",1\r', tabs=False) == [("two\nlines", "1")]


def test_a_carriage_return_inside_a_line_names_it():
    with pytest.raises(DataError, match="Line 2 of films has a carriage return inside"):
        table("text\tlabel\n\rfine\t1\n")


def test_ten_thousand_columns():
    names = ["text", "label", *(f"c{number}" for number in range(9_998))]
    frame = read_delimited("\t".join(names) + "\n" + "\t".join("x" * 10_000) + "\n", "f", True)
    assert list(frame.columns) == names


def test_a_cell_of_a_million_words():
    text = "ab " * 1_000_000
    assert table(f'text,label\n"{text}",1\n', tabs=False) == [(text, "1")]


@pytest.mark.parametrize("tabs", [True, False])
def test_a_file_of_one_line_or_blank_cells_has_no_rows(tabs):
    assert table("text\n", tabs) == [] and table('""\n""\n', tabs=False) == []
