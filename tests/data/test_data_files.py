"""Reading one file: every format, and every way a file can be unusable."""

import math
from pathlib import Path

import pytest

from prunescope.engine.data.files import read_file
from prunescope.engine.errors import DataError


def test_tsv_does_not_treat_quotes_as_quotes(write):
    frame = read_file(write("a.tsv", 'text\tlabel\nsay "hi\t1\n"bye"\t0\n'))
    assert frame["text"].tolist() == ['say "hi', '"bye"']


def test_csv_has_ordinary_quoting(write):
    frame = read_file(write("a.csv", 'text,label\n"a, b\nc ""d""",1\n'))
    assert frame["text"].tolist() == ['a, b\nc "d"']


@pytest.mark.parametrize("mark", [";", "\t"])
def test_csv_may_be_parted_by_what_its_header_is_parted_by(write, mark):
    frame = read_file(
        write("a.csv", f'text{mark}label\n"gut, aber{mark} lang"{mark}1\nschlecht, sehr{mark}0\n')
    )
    assert frame["text"].tolist() == [f"gut, aber{mark} lang", "schlecht, sehr"] and frame[
        "label"
    ].tolist() == ["1", "0"]


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".json"])
def test_json_lines_keep_types(write, suffix):
    frame = read_file(
        write(f"a{suffix}", '{"text": "a\u2028b", "label": 1}\n\n{"text": "c", "label": "2"}\n')
    )
    assert frame.to_dict("list") == {"text": ["a\u2028b", "c"], "label": [1, "2"]}


def test_json_line_without_a_key_has_a_missing_value(write):
    assert math.isnan(
        read_file(write("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b"}\n'))["label"][1]
    )


@pytest.mark.parametrize("compression", ["snappy", "zstd"])
def test_parquet(write_parquet, compression):
    path = write_parquet("a.parquet", compression, text=["a", None], label=[1, 0])
    assert read_file(path).to_dict("list") == {"text": ["a", None], "label": [1, 0]}


@pytest.mark.parametrize("word", ["NA", "null", "nan", "None", "1.50"])
def test_words_that_pandas_would_reinterpret_stay_texts(write, word):
    assert read_file(write("a.tsv", f"text\tlabel\n{word}\t1\n"))["text"].tolist() == [word]


def test_hans_own_file(write):
    content = (
        'gold_label\tsentence1_binary_parse\tsentence1\tsentence2\npopular\t( ( a ) b )\ta "b\tc\n'
    )
    assert read_file(write("heuristics_evaluation_set.txt", content)).values.tolist() == [
        ["popular", "( ( a ) b )", 'a "b', "c"]
    ]


def test_suffix_is_case_insensitive(write):
    assert len(read_file(write("A.TSV", "text\tlabel\na\t1\n"))) == 1


def test_byte_order_mark_is_not_part_of_the_first_column(write):
    assert list(read_file(write("a.tsv", "\ufefftext\tlabel\na\t1\n")).columns) == ["text", "label"]


def test_windows_line_ends(write):
    assert read_file(write("a.tsv", "text\tlabel\r\na\t1\r\n")).to_dict("list") == {
        "text": ["a"],
        "label": ["1"],
    }


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        read_file(tmp_path / "a.tsv")


def test_unreadable_file(tmp_path):
    (tmp_path / "a.tsv").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        read_file(tmp_path / "a.tsv")


def test_unknown_suffix_lists_the_known_ones(write):
    with pytest.raises(DataError, match=r"'\.doc'; use one of \.tsv, .*\.parquet"):
        read_file(write("a.doc", "a"))


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl", "a.parquet"])
@pytest.mark.parametrize("content", ["", " \n\n", "\ufeff"])
def test_empty_file(write, name, content):
    with pytest.raises(DataError, match="is empty"):
        read_file(write(name, content))


def test_header_without_rows(write):
    with pytest.raises(DataError, match="has no rows"):
        read_file(write("a.tsv", "text\tlabel\n"))


def test_first_line_with_a_number_is_no_header(write):
    with pytest.raises(DataError, match="no header row: its first line holds the number '1'"):
        read_file(write("a.tsv", "a fine film\t1\na bad film\t0\n"))


def test_repeated_column_name(write):
    with pytest.raises(DataError, match="two columns called 'text'"):
        read_file(write("a.csv", "text,text\na,b\n"))


@pytest.mark.parametrize("row", ["a\t1\textra", "a"])
def test_row_of_another_width_names_the_line(write, row):
    with pytest.raises(DataError, match=r"Line 3 of .* fields where the header has 2"):
        read_file(write("a.tsv", f"text\tlabel\nfine\t1\n{row}\n"))


def test_lone_carriage_return_is_not_read_silently(write):
    with pytest.raises(DataError, match=r"Line 2 of"):
        read_file(write("a.tsv", "text\tlabel\na\rb\t1\n"))


def test_csv_with_an_open_quote(write):
    with pytest.raises(DataError, match="damaged"):
        read_file(write("a.csv", 'text,label\n"a,1\nb,0\n'))


@pytest.mark.parametrize(("mark", "offset"), [(b"", 14), (b"\xef\xbb\xbf", 17)])
def test_not_utf8_names_line_and_byte(tmp_path: Path, mark: bytes, offset: int):
    (tmp_path / "a.tsv").write_bytes(mark + b"text\tlabel\ncaf\xe9\t1\n")
    with pytest.raises(DataError, match=f"line 2 has the byte 0xe9 at offset {offset}"):
        read_file(tmp_path / "a.tsv")


def test_json_line_that_is_not_json(write):
    with pytest.raises(DataError, match=r"Line 2 of .* is not JSON"):
        read_file(write("a.jsonl", '{"text": "a"}\n{"text": \n'))


def test_damaged_parquet(write):
    with pytest.raises(DataError, match="not a readable Parquet file"):
        read_file(write("a.parquet", "PAR1 this is not Parquet"))


def test_cut_off_parquet(write_parquet):
    path = write_parquet("a.parquet", text=["a"], label=[1])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="not a readable Parquet file"):
        read_file(path)
