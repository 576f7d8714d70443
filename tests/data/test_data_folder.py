"""A local folder: which file is which split."""

import gzip
import os

import datasets
import pytest

import prunescope.engine.data.folder
from prunescope.engine.data import load_dataset
from prunescope.engine.data.columns import Choice
from prunescope.engine.data.folder import evaluation_table
from prunescope.engine.data.records import Classes
from prunescope.engine.errors import DataError

ROWS = "text\tlabel\n{0} one\t0\n{0} two\t1\n"


@pytest.fixture
def split(write):
    """Write a small file whose texts start with its own name."""
    return lambda name: write(f"films/{name}", ROWS.format(name))


def test_train_and_validation(split, tmp_path):
    split("train.tsv"), split("validation.tsv")
    data = load_dataset(str(tmp_path / "films"))
    assert data.train is not None
    assert (data.train.texts[0], data.evaluation.texts[0]) == (
        "train.tsv one",
        "validation.tsv one",
    )
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
        DataError,
        match=r"has no evaluation file, it has notes\.txt, train\.tsv, validation_old\.tsv",
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
    assert (data.evaluation.texts, data.evaluation.pairs, data.evaluation.labels) == (
        ("who",),
        ("me",),
        (1,),
    )


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


def test_shards_of_the_hub_have_a_hash(split, tmp_path):
    for name in (
        "test-00000-of-00002-b42a775f407cee45.tsv",
        "test-00001-of-00002-0123456789abcdef.tsv",
    ):
        split(name)
    assert len(load_dataset(str(tmp_path / "films")).evaluation) == 4
    split("test-00001-of-00002-ffff456789abcdef.tsv")
    with pytest.raises(DataError, match="exactly one file for each of 2 shards"):
        load_dataset(str(tmp_path / "films"))


def test_a_row_of_a_shard_is_named_by_its_file(split, write, tmp_path):
    (
        split("test-00000-of-00002.tsv"),
        write("films/test-00001-of-00002.tsv", "text\tlabel\nfine\t1\n\t0\n"),
    )
    table = evaluation_table(tmp_path / "films", Choice())
    assert [rows for _, rows in table.parts] == [2, 2]
    assert table.place(4) == f"Row 2 of {tmp_path / 'films' / 'test-00001-of-00002.tsv'}"


def test_shards_with_other_columns_or_class_names_are_refused(split, write, tmp_path):
    (
        split("test-00000-of-00002.tsv"),
        write("films/test-00001-of-00002.tsv", "text\tlabel\tid\nfine\t1\t2\n"),
    )
    with pytest.raises(DataError, match="only one has the column 'id'"):
        load_dataset(str(tmp_path / "films"))
    for number, names in enumerate((["a", "b"], ["b", "a"])):
        features = datasets.Features(
            {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)}
        )
        rows = datasets.Dataset.from_dict(
            {"text": ["fine", "poor"], "label": [0, 1]}, features=features
        )
        rows.to_parquet(str(tmp_path / f"test-0000{number}-of-00002.parquet"))
    with pytest.raises(DataError, match="name their classes differently"):
        load_dataset(str(tmp_path))


@pytest.mark.parametrize("below", ["data", "sst2", "snapshots/0123abc/data", "snapshots/0123abc"])
def test_the_only_folder_below_with_splits_is_read(split, write, tmp_path, below):
    split(f"{below}/train-00000-of-00001.tsv"), split(f"{below}/validation-00000-of-00001.tsv")
    (
        write("films/README.md", "a card"),
        write("films/.git/train.tsv", ROWS),
        write("films/pictures/a.csv", "a"),
    )
    data = load_dataset(str(tmp_path / "films"))
    assert (
        data.train is not None
        and data.evaluation.texts[0] == f"{below}/validation-00000-of-00001.tsv one"
    )
    assert (data.name, f"{below}/train-00000-of-00001.tsv" in data.source) == ("films", True)


def test_several_configs_are_listed_and_each_can_be_named(split, tmp_path):
    split("sst2/validation.tsv"), split("cola/validation.tsv"), split("mnli/validation_matched.tsv")
    with pytest.raises(
        DataError,
        match=r"several data sets: cola, mnli, sst2; name one of them, as in .*films/cola",
    ):
        load_dataset(str(tmp_path / "films"))
    assert (
        load_dataset(str(tmp_path / "films" / "mnli")).evaluation.texts[0]
        == "mnli/validation_matched.tsv one"
    )


def test_splits_of_its_own_hide_what_lies_below(split, tmp_path):
    split("test.tsv"), split("original/validation.tsv")
    assert load_dataset(str(tmp_path / "films")).evaluation.texts[0] == "test.tsv one"


def test_a_folder_for_each_split(split, tmp_path):
    split("test/0000.tsv"), split("test/0001.tsv"), split("train/part.tsv")
    data = load_dataset(str(tmp_path / "films"))
    assert data.train is not None and (len(data.train), len(data.evaluation)) == (2, 4)


def test_a_snapshot_of_the_hubs_cache_is_links(write, tmp_path):
    blob = write("hub/blobs/0123", ROWS)
    snapshot = tmp_path / "hub" / "snapshots" / "abc" / "data"
    snapshot.mkdir(parents=True)
    (snapshot / "test-00000-of-00001.tsv").symlink_to(blob)
    for folder in (tmp_path / "hub", snapshot.parent, snapshot):
        assert len(load_dataset(str(folder)).evaluation) == 2
    blob.unlink()
    with pytest.raises(
        DataError, match=r"test-00000-of-00001\.tsv is a link to a file that is gone"
    ):
        load_dataset(str(snapshot))


def test_a_very_wide_folder_is_not_searched_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(prunescope.engine.data.folder, "_MOST_FOLDERS", 3)
    for number in range(4):
        (tmp_path / str(number)).mkdir()
    with pytest.raises(DataError, match="more than 3 folders below it"):
        load_dataset(str(tmp_path))


def test_matched_rows_of_mnli_are_evaluated(split, tmp_path):
    for name in ("train", "dev_matched", "dev_mismatched", "test_matched", "test_mismatched"):
        split(f"{name}.tsv")
    assert load_dataset(str(tmp_path / "films")).evaluation.texts[0] == "dev_matched.tsv one"


@pytest.mark.parametrize("blank", ["-1", ""])
def test_a_split_with_labels_goes_before_one_without(split, write, tmp_path, blank):
    write("films/dev.tsv", f"text\tlabel\na\t{blank}\nb\t{blank}\n"), split("test.tsv")
    data = load_dataset(str(tmp_path / "films"))
    assert data.evaluation.texts[0] == "test.tsv one" and data.source == "local folder (test.tsv)"


def test_where_no_split_has_labels_the_usual_one_is_refused(write, tmp_path):
    for name in ("dev", "test"):
        write(f"films/{name}.tsv", "text\tlabel\na\t-1\nb\t-1\n")
    with pytest.raises(DataError, match=r"dev\.tsv"):
        load_dataset(str(tmp_path / "films"))


def test_minus_one_beside_other_labels_is_a_label_like_any(split, write, tmp_path):
    write("films/dev.tsv", "text\tlabel\na\t-1\nb\t1\n"), split("test.tsv")
    assert evaluation_table(tmp_path / "films", Choice()).frame["text"].tolist() == ["a", "b"]


@pytest.mark.parametrize("beside", ["test.txt", "test.tsv.gz"])
def test_a_text_or_packed_copy_is_no_second_claim(split, write, tmp_path, beside):
    split("test.tsv"), write(f"films/{beside}", "anything")
    assert load_dataset(str(tmp_path / "films")).evaluation.texts[0] == "test.tsv one"


def test_packed_splits(tmp_path):
    (tmp_path / "test.tsv.gz").write_bytes(gzip.compress(ROWS.encode()))
    assert len(load_dataset(str(tmp_path)).evaluation) == 2


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


CARD = """---
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': bad
          '1': good
---
# Films
"""


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("README.md", CARD),
        (
            "dataset_infos.json",
            '{"plain": {"features": {"label": {"names": ["bad", "good"], "_type": "ClassLabel"}}}}',
        ),
    ],
)
def test_a_card_names_the_classes(write, name, card):
    write("set/validation.csv", "text,label\na film,1\nb film,0\n")
    folder = write(f"set/{name}", card).parent
    assert load_dataset(str(folder)).classes == Classes(("bad", "good"), True, (0, 1))


@pytest.mark.parametrize(
    "card", ["# Films", "---\n[", "---\ndataset_info: 3\n---", CARD.replace("names:", "nothing:")]
)
def test_a_page_that_is_no_card_names_nothing(write, card):
    write("set/validation.csv", "text,label\na film,1\nb film,0\n")
    assert load_dataset(str(write("set/README.md", card).parent)).label_names is None
