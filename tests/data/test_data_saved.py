"""Folders of `save_to_disk`: with and without splits, in several files, and damaged."""

import json
import os
from pathlib import Path

import datasets
import pytest

from prunescope.engine.data import load_dataset
from prunescope.engine.data.columns import Choice
from prunescope.engine.data.folder import evaluation_table
from prunescope.engine.data.saved import is_saved, read_saved
from prunescope.engine.data.tables import labelled_rows
from prunescope.engine.errors import DataError

datasets.disable_progress_bars()
NAMES = ("pos", "neg")


def rows(start: int, count: int = 6) -> datasets.Dataset:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=list(NAMES))}
    )
    numbers = range(start, start + count)
    columns = {"text": [f"text {n}" for n in numbers], "label": [n % 2 for n in numbers]}
    return datasets.Dataset.from_dict(columns, features=features)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows(0).save_to_disk(tmp_path / "one", num_shards=3)
    return tmp_path / "one"


@pytest.fixture
def splits(tmp_path: Path) -> Path:
    tables = {
        "train": rows(0),
        "validation": rows(10, 4).shuffle(seed=1).select(range(3)),
        "test": rows(20),
    }
    datasets.DatasetDict(tables).save_to_disk(
        tmp_path / "splits", num_shards={"train": 2, "validation": 1, "test": 1}
    )
    return tmp_path / "splits"


def test_a_table_in_several_files(folder):
    table = read_saved(folder)
    assert table.frame["text"].tolist() == [
        f"text {n}" for n in range(6)
    ] and table.class_names == {"label": NAMES}
    assert table.place(3) == f"Row 1 of {folder / 'data-00001-of-00003.arrow'}"
    assert (
        len(evaluation_table(folder, Choice()).frame)
        == len(labelled_rows(str(folder)).examples)
        == 6
    )


def test_a_table_is_one_file_for_every_command(folder):
    data = load_dataset(str(folder))
    assert data.train is not None and len(data.train) + len(data.evaluation) == 6
    assert data.name == "one"


def test_splits(splits):
    data = load_dataset(str(splits))
    assert data.train is not None and (len(data.train), len(data.evaluation)) == (6, 3)
    assert data.source == "local folder (train, validation)"
    table = evaluation_table(splits, Choice())
    expected = datasets.load_from_disk(str(splits))["validation"]
    assert (table.frame["text"].tolist(), table.class_names) == (
        expected["text"][:],
        {"label": NAMES},
    )


def test_splits_that_were_saved_one_by_one(tmp_path):
    rows(0).save_to_disk(tmp_path / "train"), rows(10).save_to_disk(tmp_path / "test")
    data = load_dataset(str(tmp_path))
    assert data.train is not None and data.evaluation.texts[0] == "text 10"


def test_the_description_of_the_folder_counts_as_the_package_reads_it(folder):
    info = json.loads((folder / "dataset_info.json").read_text())
    info["features"]["label"]["names"] = ["bad", "good"]
    (folder / "dataset_info.json").write_text(json.dumps(info))
    assert datasets.load_from_disk(str(folder)).features["label"].names == ["bad", "good"]
    assert read_saved(folder).class_names == {"label": ("bad", "good")}
    (folder / "dataset_info.json").unlink()
    assert read_saved(folder).class_names == {"label": NAMES}


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("state.json", "{", "cannot be read"),
        ("state.json", "[]", "holds no JSON object"),
        ("state.json", "{}", "does not list the files"),
        (
            "state.json",
            '{"_data_files": [{"filename": "../../etc/passwd"}]}',
            "does not list files of its folder",
        ),
        (
            "state.json",
            '{"_data_files": [{"filename": "gone.arrow"}]}',
            "There is no file .*gone.arrow",
        ),
        (
            "state.json",
            '{"_data_files": [], "_indices_data_files": [1]}',
            "saved by an old version",
        ),
        ("dataset_info.json", "nothing", "cannot be read"),
        ("data-00001-of-00003.arrow", "text", "is not a readable Arrow file"),
    ],
)
def test_a_damaged_folder_is_refused(folder, file, content, says):
    (folder / file).write_text(content)
    with pytest.raises(DataError, match=says):
        load_dataset(str(folder))


def test_a_cut_off_file_is_refused(folder):
    path = folder / "data-00001-of-00003.arrow"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match="is not a readable Arrow file"):
        load_dataset(str(folder))


def test_a_split_that_is_gone_is_refused(splits):
    os.rename(splits / "test", splits / "elsewhere")
    with pytest.raises(
        DataError, match=r"dataset_dict\.json names splits that are not in its folder"
    ):
        load_dataset(str(splits))
    assert not is_saved(splits)
