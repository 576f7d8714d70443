"""Members: finished ones are not done again, ones that diverge or guess are listed and left out,
names suit the labels.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from prunescope.engine.data import Classes, Dataset, Examples, fit_dataset, load_dataset
from prunescope.engine.errors import DataError, InterruptedStudy, SettingError
from prunescope.engine.progress import Progress, ProgressState
from prunescope.engine.records import Rate
from prunescope.engine.training import members as room
from prunescope.engine.training.class_names import named_data, names_of
from prunescope.engine.training.members import run_members
from prunescope.engine.training.recipe import read_recipe
from prunescope.engine.training.records import Score
from prunescope.engine.training.selection import Selection, SelectionSpec

ONE = {"name": "one", "seed": 1, "learning_rate": 0.01, "rank": 2, "epochs": 0.1}
TWO = {
    "name": "two",
    "seed": 2,
    "learning_rate": 0.01,
    "rank": 0,
    "epochs": 0.1,
    "adversarial": "freelb",
}
SELECT = SelectionSpec(rows=20, attack="none")
Run = Callable[..., dict[str, Any]]


def write(folder: Path, *members: Any, **shared: Any) -> Path:
    path = folder / "recipe.json"
    path.write_text(json.dumps({**shared, "max_tokens": 32, "members": list(members)}))
    return path


@pytest.fixture
def run(body: Path, data_folder: Path, tmp_path: Path) -> Run:
    def run(
        *members: Any,
        select: SelectionSpec = SELECT,
        data: Path = data_folder,
        recipe: Any = None,
        **more: Any,
    ) -> Any:
        return run_members(
            write(tmp_path, *members, **(recipe or {})),
            str(data),
            tmp_path / "out",
            base=str(body),
            select=select,
            device="cpu",
            **more,
        )

    return run


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders that `finetune` is called for."""
    calls: list[str] = []
    real = room.finetune

    def spy(spec: Any, shared: Any, out: Path, **rest: Any) -> Any:
        calls.append(out.name)
        return real(spec, shared, out, **rest)

    monkeypatch.setattr(room, "finetune", spy)
    return calls


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every member is judged well; returns the names of those that were judged anew."""
    judged: list[str] = []

    def score(_self: Selection, victim: Any, _report: Any) -> Score:
        judged.append(victim.name)
        return Score(Rate.of(18, 20), None)

    monkeypatch.setattr(Selection, "score", score)
    return judged


def test_a_second_run_trains_and_judges_nothing(
    run: Run, tmp_path: Path, trained: list[str], good: list[str]
):
    first = run(ONE, TWO)
    manifest = (tmp_path / "out" / "members.json").read_bytes()
    assert json.loads(manifest) == first and trained == good == ["one", "two"]
    assert run(ONE, TWO) == first
    assert (
        trained == good == ["one", "two"]
        and (tmp_path / "out" / "members.json").read_bytes() == manifest
    )
    assert len(list((tmp_path / "out" / "scores").iterdir())) == 2


def test_the_manifest_says_what_was_done(
    run: Run, tmp_path: Path, data_folder: Path, body: Path, good: list[str]
):
    result = run(ONE, TWO, recipe={"about": "made up", "head_seed": 4})
    assert (result["data"], result["data_name"], result["base"], result["about"]) == (
        str(data_folder),
        "tiny",
        str(body),
        "made up",
    )
    assert (result["rows"], result["selection"]["n"], result["label_names"]) == (
        180,
        20,
        ["LABEL_0", "LABEL_1"],
    )
    specs = read_recipe(tmp_path / "recipe.json").members
    for entry, spec in zip(result["members"], specs, strict=True):
        assert entry["spec"] == json.loads(json.dumps(asdict(spec))) and entry["name"] == spec.name
        assert (entry["status"], entry["reason"], entry["averaged"], entry["aua"]) == (
            "trained",
            "",
            True,
            None,
        )
        assert entry["acc"]["value"] == 0.9 and (entry["rows"], entry["steps"]) == (180, 1)
    assert json.loads((tmp_path / "out" / "one" / "member.json").read_text())["head_seed"] == 4


def test_a_run_goes_on_with_what_is_missing(
    run: Run, trained: list[str], good: list[str], tmp_path: Path
):
    def stop(state: ProgressState) -> None:
        if state.stage.startswith("2 of 2"):
            raise InterruptedStudy("now")

    with pytest.raises(InterruptedStudy):
        run(ONE, TWO, report=Progress(stop))
    assert [
        entry["name"]
        for entry in json.loads((tmp_path / "out" / "members.json").read_text())["members"]
    ] == ["one"]
    assert [entry["name"] for entry in run(ONE, TWO)["members"]] == ["one", "two"]
    assert trained == ["one", "two", "two"] and good == ["one", "two"]


@pytest.mark.parametrize(
    ("members", "more"),
    [
        ([{**ONE, "seed": 3}], {}),
        ([{**ONE, "rank": 3}], {}),
        ([ONE], {"recipe": {"head_seed": 9}}),
        ([ONE], {"select": SelectionSpec(rows=21, attack="none")}),
        ([ONE], {"label_names": ("no", "yes")}),
    ],
)
def test_a_folder_with_other_settings_is_refused(
    run: Run, good: list[str], members: list[Any], more: dict[str, Any]
):
    run(ONE)
    with pytest.raises(
        SettingError,
        match=r"one holds a member made with other settings, rows or base; name another folder",
    ):
        run(*members, **more)


def test_a_member_trained_on_another_machine_counts(
    run: Run, trained: list[str], good: list[str], tmp_path: Path
):
    run(ONE)
    file = tmp_path / "out" / "one" / "member.json"
    file.write_text(
        json.dumps({**json.loads(file.read_text()), "device": "cuda", "precision": "bf16"})
    )
    assert [entry["name"] for entry in run(ONE)["members"]] == ["one"] and trained == ["one"]
    file.write_text(json.dumps({**json.loads(file.read_text()), "device": "cpu"}))
    with pytest.raises(SettingError, match="other settings"):
        # made here, and not as it is asked for now
        run(ONE)


def test_a_member_that_diverges_is_listed_and_left_out(run: Run, good: list[str]):
    messages: list[str] = []
    wild = {**TWO, "name": "wild", "learning_rate": 1e6, "epochs": 20, "warmup": 0.0}
    result = run(wild, ONE, say=messages.append)
    first, second = result["members"]
    assert (first["status"], first["averaged"], first["acc"], second["averaged"]) == (
        "diverged",
        False,
        None,
        True,
    )
    assert "wild diverged at step" in first["reason"] and messages == [
        f"wild is left out: {first['reason']}"
    ]


def test_a_member_that_only_guesses_is_left_out(run: Run, monkeypatch: pytest.MonkeyPatch):
    hits: list[int] = []

    def score(self: Selection, _victim: Any, _report: Any) -> Score:
        most = max(map(self.examples.labels.count, (0, 1)))
        hits.append(most + len(hits))  # as many as the commonest label, then one more
        return Score(Rate.of(hits[-1], 20), None)

    monkeypatch.setattr(Selection, "score", score)
    first, second = run(ONE, {**ONE, "name": "two", "seed": 2})["members"]
    assert (first["status"], first["averaged"]) == ("guessing", False)
    assert f"accuracy of {5 * hits[0]:.1f} %, no better than always guessing" in first["reason"]
    assert (second["status"], second["averaged"]) == ("trained", True)


def test_a_second_pass_replays_and_leaves_judging_rows_out(
    run: Run, tmp_path: Path, data_folder: Path, trained: list[str], good: list[str]
):
    finish = {"data": str(data_folder), "epochs": 0.1, "replay": 7}
    result = run(ONE, recipe={"finish": finish})
    assert trained == ["one-first-pass", "one"]
    assert result["members"][0]["rows"] == 180 + 7  # of the 200 further rows, 20 judge
    record = json.loads((tmp_path / "out" / "one" / "member.json").read_text())
    assert record["start"] is not None and record["spec"]["learning_rate"] == 0.0003
    assert run(ONE, recipe={"finish": finish}) == result and len(trained) == 2


def by_name(path: Path, rows: list[tuple[str, int]], names: tuple[str, str]) -> None:
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{names[label]}\n" for text, label in rows))


def test_a_second_pass_is_numbered_like_the_first_and_never_sees_evaluated_rows(
    run: Run, tmp_path: Path, data_folder: Path, good: list[str], monkeypatch: pytest.MonkeyPatch
):
    """The further rows call their classes by names whose sorted order is the other way round."""
    evaluated = load_dataset(str(data_folder)).evaluation
    further = [(f"a rich film {row}", row % 2) for row in range(10)]
    (tmp_path / "more").mkdir()
    by_name(
        tmp_path / "more" / "train.tsv",
        [*further, *zip(evaluated.texts[:5], evaluated.labels[:5], strict=True)],
        ("z", "a"),
    )
    by_name(tmp_path / "more" / "validation.tsv", [("x", 0), ("y", 1)], ("z", "a"))
    mixed: list[Examples] = []
    monkeypatch.setattr(room, "_mixture", lambda more, data, *_: (mixed.append(more), data)[1])
    run(
        ONE,
        recipe={"finish": {"data": str(tmp_path / "more"), "epochs": 0.1, "replay": 7}},
        label_names=("z", "a"),
    )
    assert list(zip(mixed[0].texts, mixed[0].labels, strict=True)) == further


def test_a_member_that_diverged_in_its_second_pass_is_tried_again_with_another(
    run: Run, data_folder: Path, good: list[str]
):
    wild = {"data": str(data_folder), "epochs": 4.0, "replay": 7, "learning_rate": 1e30}
    assert run(ONE, recipe={"finish": wild})["members"][0]["status"] == "diverged"
    assert (
        run(ONE, recipe={"finish": {**wild, "learning_rate": 1e-4}})["members"][0]["status"]
        == "trained"
    )


# Label names


def rows(*labels: int) -> Examples:
    return Examples(tuple(f"t{n}" for n in range(len(labels))), None, labels)


def data(*labels: int, names: tuple[str, ...] | None = None) -> Dataset:
    return Dataset(
        "made-up",
        rows(*labels),
        rows(*labels),
        Classes(names, False, tuple(sorted(set(labels)))),
        "here",
    )


def test_names_of_labels():
    assert names_of("here", None, rows(0, 2, 1)) == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert names_of("here", ("a", "b"), rows(0, 1)) == ("a", "b")
    assert names_of("here", ("a", "b"), rows(1, 0), ("c", "d")) == ("c", "d")
    with pytest.raises(
        DataError, match="here has the labels 'Pos' and 'pos', which differ in capitals alone"
    ):
        names_of("here", ("Pos", "neg", "pos"), rows(0, 1, 2))


def test_given_names_that_the_data_has_too_say_the_order():
    result, names, notices = named_data(data(0, 1, 1, names=("bad", "good")), ("Good", "bad"))
    assert (result.train, result.evaluation, names, notices) == (
        rows(1, 0, 0),
        rows(1, 0, 0),
        ("Good", "bad"),
        (),
    )
    assert named_data(data(0, 1, names=("neg", "pos")), ("positive", "negative"))[0].train == rows(
        1, 0
    )
    result, names, notices = named_data(data(0, 1, names=("no", "yes")), ("cat", "dog"))
    assert (result.train, names) == (rows(0, 1), ("cat", "dog"))
    assert notices == (
        "The classes of made-up get the names that were given: no is called cat, yes is called "
        "dog.",
    )


@pytest.mark.parametrize(
    ("labels", "names"), [((-1, 1), ("-1", "1")), ((1, 2, 3), ("1", "2", "3"))]
)
def test_labels_that_do_not_count_from_zero_name_the_classes(
    labels: tuple[int, ...], names: tuple[str, ...]
):
    """So that the model reads the same labels rightly afterwards."""
    result, called, _ = named_data(data(*labels))
    assert called == names and result.train == rows(*range(len(labels)))
    assert fit_dataset(data(*labels), names, "m")[0].evaluation == result.evaluation


@pytest.mark.parametrize(
    ("labels", "inputs", "message"),
    [
        (
            (0, 2),
            None,
            r"No training row has the label 1, of 3 from 0 to 2 \(present: 0, 2\); number the "
            r"labels without a gap",
        ),
        ((1, 2), None, "No training row has the label 0"),
        ((0, 1), ("a", "b", "c"), "No training row has the label 2"),
        (
            (0, 1, 2),
            ("a", "b"),
            r"A training row has the label 2 and there are 2 label names \(a, b\); name all",
        ),
        ((1, 1), None, "All 2 training rows have the label 1; give rows of at least two classes"),
    ],
)
def test_labels_that_do_not_suit_their_names(
    labels: tuple[int, ...], inputs: tuple[str, ...] | None, message: str
):
    with pytest.raises(DataError, match=message):
        names_of("here", None, rows(*labels), inputs)
