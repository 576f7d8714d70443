"""Judging rows: disjoint from what is trained on and from what is evaluated, the same every time,
and clear refusals.
"""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.engine.data import Classes, Dataset, Examples, load_dataset
from prunescope.engine.errors import DataError, SettingError
from prunescope.engine.models.victim import Victim
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store
from prunescope.engine.studies.prepare import prepare
from prunescope.engine.studies.run import run_study
from prunescope.engine.training.selection import (
    SelectionSpec,
    evaluation_selection,
    load_all_examples,
    selection_from_file,
    split_selection,
    training_split,
)

NO_ATTACK = SelectionSpec(rows=5, attack="none")
COLUMNS: dict[str, str | None] = {"text_column": None, "pair_column": None, "label_column": None}


def dataset(
    train: list[tuple[str, str]], evaluation: list[tuple[str, str]], paired: bool = True
) -> Dataset:
    def examples(rows: list[tuple[str, str]]) -> Examples:
        return Examples(
            tuple(t for t, _ in rows),
            tuple(p for _, p in rows) if paired else None,
            (0, 1) * (len(rows) // 2) + (0,) * (len(rows) % 2),
        )

    return Dataset("made-up", examples(train), examples(evaluation), Classes(), "here")


ROW = st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("wxyz"))


@given(
    st.lists(ROW, min_size=1, max_size=60),
    st.lists(ROW, min_size=1, max_size=5),
    st.booleans(),
    st.integers(1, 30),
    st.integers(0, 3),
)
def test_judging_rows_are_disjoint_by_text(
    train: list[tuple[str, str]],
    evaluation: list[tuple[str, str]],
    paired: bool,
    rows: int,
    seed: int,
):
    data, spec = (
        dataset(train, evaluation, paired),
        SelectionSpec(rows=rows, attack="none", seed=seed),
    )
    assert data.train is not None
    evaluated = set(data.evaluation.row_keys())
    free = set(data.train.row_keys()) - evaluated
    if len(free) < 5:
        with pytest.raises(
            DataError,
            match=f"made-up has {len(train)} training rows, too few to train on and to judge by",
        ):
            split_selection(data, spec, COLUMNS, allow_overlap=True)
        return
    trained, selection = split_selection(data, spec, COLUMNS, allow_overlap=True)
    judged = set(selection.examples.row_keys())
    assert not judged & set(trained.row_keys()) and not judged & evaluated
    assert len(selection.examples) == len(judged) == min(rows, len(free) // 5)
    assert sorted(trained.row_keys()) == sorted(
        key for key in data.train.row_keys() if key not in judged
    )
    assert set(zip(selection.examples.row_keys(), selection.examples.labels, strict=True)) <= set(
        zip(data.train.row_keys(), data.train.labels, strict=True)
    )
    again = split_selection(data, spec, COLUMNS, allow_overlap=True)
    assert again == (trained, selection)


def test_another_seed_judges_by_other_rows(data_folder: Path):
    data = load_dataset(str(data_folder))
    item, two = (
        split_selection(data, SelectionSpec(rows=30, attacked=5, seed=seed), COLUMNS)[1]
        for seed in (0, 1)
    )
    assert item.examples != two.examples and len(item.examples) == len(two.examples) == 30
    assert (
        len(item.attacked) == 5
        and set(item.attacked) <= set(range(30))
        and list(item.attacked) == sorted(set(item.attacked))
    )
    assert split_selection(data, NO_ATTACK, COLUMNS)[1].attacked == ()


def test_overlap_is_counted_with_its_first_row():
    train = [(f"t{n}", "") for n in range(30)]
    train[6] = train[20] = train[21] = ("shared", "")
    data = dataset(train, [("shared", ""), ("e", "")], paired=False)
    with pytest.raises(
        DataError,
        match=r"3 of the 30 training rows of made-up can also be found in its evaluation set "
        r"\(the first is row 7\); .*`allow_overlap`",
    ):
        split_selection(data, NO_ATTACK, COLUMNS)
    assert training_split(data, allow_overlap=True) == data.train
    trained, selection = split_selection(data, NO_ATTACK, COLUMNS, allow_overlap=True)
    assert trained.texts.count("shared") == 3 and "shared" not in selection.examples.texts


def test_a_pair_overlaps_only_as_a_pair():
    data = dataset([(f"t{n}", "same") for n in range(30)], [("t1", "other"), ("x", "same")])
    assert training_split(data) == data.train


def test_without_a_training_split():
    data = Dataset("only", None, Examples(("a",), None, (0,)), None, "here")
    with pytest.raises(
        DataError,
        match="only has no training split; fine-tuning needs one, never the evaluation set",
    ):
        training_split(data)


def tsv(path: Path, rows: list[tuple[str, int]]) -> Path:
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows))
    return path


def test_rows_of_a_judging_file_are_not_trained_on(tmp_path: Path):
    file = tsv(
        tmp_path / "judge.tsv", [(f"j{n}", n % 2) for n in range(10)] + [("t3", 1), ("t4", 0)]
    )
    data = dataset([(f"t{n}", "") for n in range(30)], [("e1", ""), ("e2", "")], paired=False)
    spec = SelectionSpec(rows=100, attack="none", data=str(file))
    trained, selection = split_selection(data, spec, COLUMNS)
    assert sorted(selection.examples.texts) == sorted([f"j{n}" for n in range(10)] + ["t3", "t4"])
    assert len(trained) == 28 and not {"t3", "t4"} & set(trained.texts)
    fewer = split_selection(data, SelectionSpec(rows=4, attack="none", data=str(file)), COLUMNS)[1]
    assert len(fewer.examples) == 4


def test_a_judging_file_with_evaluated_rows_is_refused(tmp_path: Path):
    file = tsv(tmp_path / "judge.tsv", [(f"j{n}", n % 2) for n in range(10)] + [("e1", 1)])
    data = dataset([(f"t{n}", "") for n in range(30)], [("e1", ""), ("e2", "")], paired=False)
    with pytest.raises(DataError, match=r"1 rows of .*judge.tsv are in the evaluation set"):
        split_selection(data, SelectionSpec(rows=100, attack="none", data=str(file)), COLUMNS)


def test_all_rows_are_both_halves_of_a_file(tmp_path: Path):
    data = load_all_examples(
        str(tsv(tmp_path / "judge.tsv", [(f"j{n}", n % 2) for n in range(11)])), COLUMNS
    )
    result = data.evaluation
    assert data.train is None and data.classes.values == (0, 1)
    assert sorted(zip(result.texts, result.labels, strict=True)) == sorted(
        (f"j{n}", n % 2) for n in range(11)
    )


@pytest.mark.parametrize("rows", [20, 500])
@pytest.mark.parametrize("seed", [0, 3])
def test_evaluation_rows_are_the_studys(
    model_folder: Path, data_folder: Path, rows: int, seed: int
):
    study = prepare(
        StudySpec(
            model=str(model_folder),
            data=str(data_folder),
            levels=(0.0,),
            eval_examples=rows,
            attack_examples=4,
            seed=seed,
            device="cpu",
        )
    )
    result = evaluation_selection(
        load_dataset(str(data_folder), seed=seed), SelectionSpec(rows, attacked=4, seed=seed)
    )
    assert (result.examples, result.attacked) == (study.evaluation, study.attacked)


def test_a_score_is_the_dense_level_of_a_study(
    model_folder: Path, data_folder: Path, victim: Victim, tmp_path: Path
):
    level = run_study(
        StudySpec(
            model=str(model_folder),
            data=str(data_folder),
            levels=(0.0,),
            eval_examples=30,
            attack_examples=3,
            device="cpu",
        ),
        Store(tmp_path / "c", tmp_path / "n"),
    ).levels[0]
    result = evaluation_selection(
        load_dataset(str(data_folder)), SelectionSpec(30, attacked=3)
    ).score(victim)
    assert (result.acc, result.aua) == (level.acc, level.aua)
    assert (
        evaluation_selection(load_dataset(str(data_folder)), SelectionSpec(30, attack="none"))
        .score(victim)
        .aua
        is None
    )


def test_identity_is_what_decides_a_score(data_folder: Path):
    data = load_dataset(str(data_folder))

    def identity(**changes: Any) -> dict[str, Any]:
        return split_selection(
            data, SelectionSpec(**{"rows": 20, "attacked": 3, **changes}), COLUMNS
        )[1].identity()

    assert identity() == identity()
    for changes in ({"rows": 21}, {"attacked": 4}, {"seed": 1}, {"attack": "none"}):
        assert identity(**changes) != identity()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 0}, "0 examples of which 100 are attacked"),
        ({"attacked": 0}, "500 examples of which 0 are attacked"),
        ({"attack": "shout"}, "'shout'"),
    ],
)
def test_settings_out_of_range(changes: dict[str, Any], message: str):
    with pytest.raises(SettingError, match=message):
        SelectionSpec(**changes)
    SelectionSpec(attack="none", attacked=0)


def test_judging_rows_take_the_numbers_of_the_model_that_they_judge(tmp_path: Path):
    path = str(tsv(tmp_path / "judge.tsv", [(f"j{n}", ("bad", "good")[n % 2]) for n in range(10)]))
    judged = selection_from_file(SelectionSpec(10, attack="none", data=path), COLUMNS)
    turned, notices = judged.fitted(("good", "bad"), "m")
    assert notices == () and turned.classes.names == ("good", "bad")
    assert turned.examples.labels == tuple(1 - label for label in judged.examples.labels)
    with pytest.raises(
        DataError,
        match="calls its classes bad, good, and m calls them cat, dog; nothing says which is which",
    ):
        judged.fitted(("cat", "dog"), "m")
