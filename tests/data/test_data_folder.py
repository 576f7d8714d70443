"""A local folder: which file is which split."""

import os

import pytest

from engine.data import load_dataset
from engine.errors import DataError

ROWS = "text\tlabel\n{0} one\t0\n{0} two\t1\n"


@pytest.fixture
def split(write):
    """Write a small file whose texts start with its own name."""
    return lambda name: write(f"films/{name}", ROWS.format(name))


def test_train_and_validation(split, tmp_path):
    split("train.tsv"), split("validation.tsv")
    data = load_dataset(str(tmp_path / "films"))
    assert data.train is not None
    assert (data.train.texts[0], data.evaluation.texts[0]) == ("train.tsv one", "validation.tsv one")
    assert (data.name, data.source) == ("films", "local folder (train.tsv, validation.tsv)")


def test_train_may_be_missing(split, tmp_path):
    split("test.tsv")
    assert load_dataset(str(tmp_path / "films")).train is None


@pytest.mark.parametrize("better", range(4))
def test_order_of_the_evaluation_names(split, tmp_path, better):
    stems = ["validation", "valid", "dev", "val", "test"]
    for stem in reversed(stems[better:]):
        split(f"{stem}.tsv")
    assert load_dataset(str(tmp_path / "films")).evaluation.texts[0] == f"{stems[better]}.tsv one"


def test_no_evaluation_file_lists_what_is_there(split, tmp_path):
    split("train.tsv"), split("validation_old.tsv"), split("notes.txt")
    with pytest.raises(
        DataError, match=r"has no evaluation file, it has notes\.txt, train\.tsv, validation_old\.tsv"
    ):
        load_dataset(str(tmp_path / "films"))


def test_empty_folder(tmp_path):
    with pytest.raises(DataError, match="it has no files"):
        load_dataset(str(tmp_path))


def test_only_exact_stems_count(split, tmp_path):
    for name in ("train.tsv", "train_sentences.tsv", "train-00000-of-00001.tsv", "dev.tsv"):
        split(name)
    data = load_dataset(str(tmp_path / "films"))
    assert data.train is not None
    assert data.train.texts == ("train.tsv one", "train.tsv two")


def test_shards_are_joined_in_order(split, tmp_path):
    for name in ("train-00001-of-00002.tsv", "train-00000-of-00002.tsv", "test-00000-of-00001.tsv"):
        split(name)
    data = load_dataset(str(tmp_path / "films"))
    assert data.train is not None
    assert [text.split(".")[0] for text in data.train.texts[::2]] == [
        "train-00000-of-00002",
        "train-00001-of-00002",
    ]


@pytest.mark.parametrize("present", [["00001-of-00002"], ["00000-of-00002", "00001-of-00003"]])
def test_missing_shard(split, tmp_path, present):
    split("test.tsv")
    for number in present:
        split(f"train-{number}.tsv")
    with pytest.raises(DataError, match="exactly one file for each of 2 shards"):
        load_dataset(str(tmp_path / "films"))


def test_two_files_for_one_split(split, write, tmp_path):
    split("test.tsv"), write("films/test.csv", "text,label\na,1\n")
    with pytest.raises(DataError, match=r"test\.csv and test\.tsv for one split"):
        load_dataset(str(tmp_path / "films"))


def test_splits_may_have_different_formats(split, write, tmp_path):
    split("train.tsv"), write("films/test.jsonl", '{"Sentence": "a", "class": 1}')
    assert load_dataset(str(tmp_path / "films")).evaluation.labels == (1,)


def test_label_names_are_shared_by_the_splits(write, tmp_path):
    write("train.tsv", "text\tlabel\na\tbad\nb\tgood\n")
    write("test.tsv", "text\tlabel\nc\tfair\nd\tgood\n")
    data = load_dataset(str(tmp_path))
    assert data.label_names == ("bad", "fair", "good")
    assert data.train is not None
    assert (data.train.labels, data.evaluation.labels) == ((0, 2), (1, 2))


def test_named_columns_reach_the_files(write, tmp_path):
    write("test.tsv", "q\ta\ty\nwho\tme\t1\n")
    data = load_dataset(str(tmp_path), text_column="q", pair_column="a", label_column="y")
    assert (data.evaluation.texts, data.evaluation.pairs, data.evaluation.labels) == (("who",), ("me",), (1,))


def test_folder_that_is_a_link(split, tmp_path):
    split("test.tsv")
    (tmp_path / "link").symlink_to(tmp_path / "films", target_is_directory=True)
    assert load_dataset(str(tmp_path / "link")).name == "link"


def test_home_is_expanded(split, tmp_path, monkeypatch):
    split("test.tsv")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(load_dataset("~/films").evaluation) == 2


def test_a_dot_is_named_after_its_folder(split, tmp_path, monkeypatch):
    split("test.tsv")
    monkeypatch.chdir(tmp_path / "films")
    assert load_dataset(".").name == "films"


@pytest.mark.skipif(
    "PRUNESCOPE_DATA" not in os.environ, reason="PRUNESCOPE_DATA names no folder with real data"
)
@pytest.mark.parametrize(
    ("name", "classes", "paired"),
    [("sst2", 2, False), ("ag_news", 4, False), ("imdb", 2, False), ("qqp", 2, True)],
)
def test_real_data(name, classes, paired):
    data = load_dataset(os.path.join(os.environ["PRUNESCOPE_DATA"], name))
    assert data.train is not None
    assert set(data.train.labels) == set(data.evaluation.labels) == set(range(classes))
    assert (data.evaluation.pairs is not None) is paired
