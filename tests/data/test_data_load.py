"""Names: the shipped reviews, one file in two halves, and what is never sent to the hub."""

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import datasets
import pandas as pd
import pytest

import prunescope.engine.data.load
from prunescope.engine import paths
from prunescope.engine.data import load_dataset
from prunescope.engine.errors import DataError


@pytest.fixture(autouse=True)
def no_hub(monkeypatch):
    def refuse(name, choice):
        raise AssertionError(f"{name} was sent to the hub")

    monkeypatch.setattr(prunescope.engine.data.load, "read_hub", refuse)


@pytest.fixture
def bundle(write, tmp_path, monkeypatch):
    """Write the shipped reviews into a temporary bundle, from the rows of each file."""
    monkeypatch.setattr(paths, "BUNDLED", tmp_path)

    def _bundle(**files: str) -> None:
        for stem, rows in files.items():
            write(f"reviews/{stem}.tsv", "text\tlabel\ttopic\tstyle\n" + rows)

    return _bundle


GOOD = "fine\t1\tfilm\tshort\npoor\t0\tfilm\tshort\n"


def test_embedded(bundle):
    bundle(calibration=GOOD, evaluation="dull\t0\tfood\tlong\n" + GOOD)
    data = load_dataset("embedded")
    assert data.train is not None
    assert (data.train.texts, data.evaluation.texts) == (("fine", "poor"), ("dull", "fine", "poor"))
    assert (data.name, data.source, data.label_names) == (
        "embedded",
        "embedded",
        ("negative", "positive"),
    )


@pytest.mark.parametrize("present", ["calibration", "evaluation"])
def test_embedded_with_a_file_missing(bundle, present):
    bundle(**{present: GOOD})
    with pytest.raises(DataError, match=r"installation is incomplete: .*\.tsv is missing"):
        load_dataset("embedded")


def test_embedded_with_a_label_out_of_range(bundle):
    bundle(calibration=GOOD, evaluation=GOOD + "odd\t2\tfood\tlong\n")
    with pytest.raises(DataError, match=r"Row 3 of .*evaluation\.tsv has the label 2"):
        load_dataset("embedded")


def test_embedded_with_a_named_label_column(bundle):
    bundle(calibration=GOOD + "x\t0\tfood\tlong\n", evaluation=GOOD + "y\t0\tfood\tlong\n")
    assert load_dataset("embedded", label_column="topic").label_names == ("film", "food")


@pytest.fixture
def reviews(write):
    """One file of 100 different texts, the first 20 of them twice."""
    numbers = [*range(100), *range(20)]
    return str(
        write("reviews.csv", "text,label\n" + "".join(f"text {n},{n % 2}\n" for n in numbers))
    )


def test_halves_of_one_file_are_disjoint_and_complete(reviews):
    data = load_dataset(reviews)
    assert data.train is not None
    assert (len(data.train), len(data.evaluation)) == (50, 50)
    assert len(set(data.train.texts) | set(data.evaluation.texts)) == 100


def test_halves_keep_text_and_label_together(reviews):
    data = load_dataset(reviews)
    assert all(
        int(text.split()[1]) % 2 == label
        for text, label in zip(data.evaluation.texts, data.evaluation.labels, strict=True)
    )


def test_halves_depend_on_the_seed_alone(reviews):
    assert load_dataset(reviews, seed=1) == load_dataset(reviews, seed=1)
    assert load_dataset(reviews, seed=1).evaluation != load_dataset(reviews, seed=2).evaluation


def test_source_of_one_file_says_that_it_was_halved(reviews):
    data = load_dataset(reviews, seed=7)
    assert data.name == "reviews"
    assert data.source.startswith(
        "file (reviews.csv: 100 distinct texts of 120 rows, shuffled with seed 7"
    )


def test_of_a_repeated_text_the_first_row_is_kept(write):
    data = load_dataset(str(write("a.tsv", "text\tlabel\na\t0\nb\t1\na\t1\n")))
    assert data.train is not None
    stored = {*zip(data.train.texts, data.train.labels, strict=True)}
    stored |= {*zip(data.evaluation.texts, data.evaluation.labels, strict=True)}
    assert stored == {("a", 0), ("b", 1)}


def test_pairs_with_one_text_in_common_are_different_examples(write):
    rows = "premise\thypothesis\tlabel\na\tx\t0\na\ty\t1\na\tx\t0\n"
    data = load_dataset(str(write("a.tsv", rows)))
    assert data.train is not None
    assert sorted((data.train.pairs or ()) + (data.evaluation.pairs or ())) == ["x", "y"]


def test_one_distinct_text_has_no_halves(write):
    with pytest.raises(DataError, match="1 distinct text, too few"):
        load_dataset(str(write("a.tsv", "text\tlabel\na\t0\na\t0\n")))


@pytest.mark.parametrize(
    "name",
    [
        "./nope",
        "../nope",
        "/nope/nope",
        "~/nope",
        "~nobody-here/x",
        "a\\b",
        "nope.tsv",
        "x/y.PARQUET",
        "x/y.csv.gz",
        "hans.txt",
        "a/b/c",
    ],
)
def test_what_looks_like_a_path_is_never_sent_to_the_hub(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(DataError, match="There is no folder or file"):
        load_dataset(name)


def test_a_pipe_is_no_data_set(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="neither a folder nor an ordinary file"):
        load_dataset(str(tmp_path / "pipe"))


def test_the_shipped_reviews_are_read_as_ever():
    data = load_dataset("embedded")
    assert data.train is not None
    assert (data.train.fingerprint()[:16], data.evaluation.fingerprint()[:16]) == (
        "606ad2c150a9a4b5",
        "a14dbf23ccc4920a",
    )


def test_blank_name():
    with pytest.raises(DataError, match="is blank"):
        load_dataset(" ")


def test_importing_the_data_room_is_light():
    heavy = "{'torch', 'transformers', 'datasets'}"
    code = f"import sys, prunescope.engine.data; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


TEXTS = [
    'He said "x" twice',
    "two, commas; and | bars",
    r"AC\DC, C:\new",
    "plain",
    '"quoted"',
    "naïve",
    "tab\tinside",
]


def in_every_format(folder: Path) -> Iterator[str]:
    """The same rows in every kind of file and folder that can be read."""
    frame = pd.DataFrame({"text": TEXTS, "label": [0, 1, 0, 1, 0, 1, 0]})
    (
        frame.to_csv(folder / "a.csv", index=False),
        frame.to_csv(folder / "b.csv", sep=";"),
        frame.to_csv(folder / "c.csv", sep="|"),
    )
    (
        frame.to_csv(folder / "d.csv.gz"),
        frame.to_csv(folder / "e.csv.zip"),
        frame.to_csv(folder / "f.txt", sep="\t"),
    )
    (
        frame.to_csv(folder / "g.tsv", sep="\t", quoting=csv.QUOTE_ALL),
        frame.to_csv(folder / "h.tsv", sep="\t", encoding="utf-16"),
    )
    frame.to_csv(folder / "i.csv", escapechar="\\", doublequote=False, index=False)
    (
        frame.to_json(folder / "j.json"),
        frame.to_json(folder / "k.jsonl", orient="records", lines=True),
    )
    (
        frame.to_json(folder / "l.json", orient="records"),
        frame.to_json(folder / "m.json", orient="split"),
    )
    frame.to_parquet(folder / "n.parquet"), frame.to_feather(folder / "o.feather")
    datasets.Dataset.from_pandas(frame).save_to_disk(folder / "p", num_shards=2)
    (
        (folder / "q").mkdir(),
        frame.to_parquet(folder / "q" / "test-00000-of-00001-0123456789abcdef.parquet"),
    )
    yield from sorted(str(path) for path in folder.iterdir())


def test_the_same_rows_are_the_same_examples_in_every_format(tmp_path):
    datasets.disable_progress_bars()
    prints = {
        name: load_dataset(name, divide=False).evaluation for name in in_every_format(tmp_path)
    }
    assert len(prints) == 17
    for name, examples in prints.items():
        assert (name, examples.texts, examples.labels) == (
            name,
            tuple(TEXTS),
            (0, 1, 0, 1, 0, 1, 0),
        )
    assert len({examples.fingerprint() for examples in prints.values()}) == 1
