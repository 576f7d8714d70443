"""Recipes: what a recipe file may hold, and that a finished member is not trained again."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from engine.models.finetune import MemberSpec
from engine.models.recipe import read_recipe, run_recipe

from engine.data import Examples
from engine.errors import SettingError
from engine.models import recipe as recipe_module

ONE = {"name": "one", "seed": 1, "learning_rate": 0.01}
TWO = {"name": "two", "seed": 2, "learning_rate": 0.01, "adversarial": "freelb"}
ROWS = Examples(("good film", "bad film"), None, (1, 0))


class Trainer:
    """Stands in for `finetune`: remembers what it was asked to train."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, MemberSpec, Examples, dict[str, Any]]] = []

    def __call__(
        self, spec: MemberSpec, _base: object, _tokenizer: object, data: Examples, _labels: int, out: Path, **settings: Any
    ) -> dict[str, object]:
        self.calls.append((out.name, spec, data, settings))
        out.mkdir(parents=True, exist_ok=True)
        return {"rows": len(data), "steps": 1, "final_loss": 0.5}

    def take(self) -> list[str]:
        """The folders trained since the last look."""
        names = [call[0] for call in self.calls]
        self.calls.clear()
        return names


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    found = Trainer()
    monkeypatch.setattr(recipe_module, "finetune", found)
    return found


def write(folder: Path, *members: Any, **shared: Any) -> Path:
    path = folder / "recipe.json"
    path.write_text(json.dumps({**shared, "members": list(members)}))
    return path


def run(path: Path, data: Examples = ROWS, base_hash: str = "base") -> list[dict[str, Any]]:
    return run_recipe(path, "base", base_hash, None, data, 2, path.parent / "out")  # type: ignore[arg-type]


def test_members_are_read(tmp_path: Path):
    shared, members = read_recipe(write(tmp_path, ONE, TWO, head_seed=7))
    assert shared["head_seed"] == 7
    assert members == [MemberSpec(**ONE), MemberSpec(**TWO)]  # type: ignore[arg-type]


def test_missing_recipe(tmp_path: Path):
    with pytest.raises(SettingError, match=r"nothing.json is not a recipe"):
        read_recipe(tmp_path / "nothing.json")


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"members": 3}', '{"members": [3]}', '{"members": {"a": 1}}'])
def test_file_that_is_no_recipe(tmp_path: Path, content: str):
    (tmp_path / "recipe.json").write_text(content)
    with pytest.raises(SettingError, match="is not a recipe"):
        read_recipe(tmp_path / "recipe.json")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "members need names"),
        ([ONE, ONE], "each its own"),
        ([{**ONE, "colour": 1}], "unknown setting 'colour'"),
        ([{**ONE, "name": "../out"}], "cannot name a member"),
        ([{**ONE, "name": 5}], "cannot name a member"),
        ([{"seed": 1, "learning_rate": 0.01}], "cannot name a member"),
        ([{"name": "one"}], "needs name, seed and learning_rate"),
        ([{**ONE, "rank": "wide"}], "cannot be used"),
        ([{**ONE, "rank": 0}], "must be above 0"),
    ],
)
def test_members_that_cannot_be_used(tmp_path: Path, members: list[dict[str, Any]], message: str):
    with pytest.raises(SettingError, match=message):
        read_recipe(write(tmp_path, *members))


def test_every_member_is_trained_with_the_shared_settings(tmp_path: Path, trainer: Trainer):
    run(write(tmp_path, ONE, TWO, head_seed=7, max_tokens=33))
    assert [(call[0], call[1].seed) for call in trainer.calls] == [("one", 1), ("two", 2)]
    assert [(call[3]["head_seed"], call[3]["max_tokens"]) for call in trainer.calls] == [(7, 33), (7, 33)]


def test_second_run_trains_nothing_and_says_the_same(tmp_path: Path, trainer: Trainer):
    path = write(tmp_path, ONE, TWO)
    first = run(path)
    trainer.take()
    assert run(path) == first
    assert trainer.take() == []


def test_run_goes_on_with_the_members_that_are_missing(tmp_path: Path, trainer: Trainer):
    run(write(tmp_path, ONE))
    trainer.take()
    run(write(tmp_path, ONE, TWO))
    assert trainer.take() == ["two"]


def test_changed_member_is_trained_again(tmp_path: Path, trainer: Trainer):
    run(write(tmp_path, ONE, TWO))
    trainer.take()
    run(write(tmp_path, ONE, {**TWO, "seed": 3}))
    assert trainer.take() == ["two"]


def test_other_rows_base_or_head_train_all_again(tmp_path: Path, trainer: Trainer):
    path = write(tmp_path, ONE, TWO)
    run(path)
    run(path, data=ROWS.take([1, 0]))
    run(path, data=ROWS.take([1, 0]), base_hash="another")
    run(write(tmp_path, ONE, TWO, head_seed=1), data=ROWS.take([1, 0]), base_hash="another")
    assert trainer.take() == ["one", "two"] * 4


def test_interrupted_member_is_trained_again(tmp_path: Path, trainer: Trainer):
    (tmp_path / "out" / "one").mkdir(parents=True)  # weights without the record that closes a training
    (tmp_path / "out" / "one" / "adapter_model.safetensors").write_bytes(b"half")
    run(write(tmp_path, ONE))
    assert trainer.take() == ["one"]


def test_manifest_lists_members_as_averaged(tmp_path: Path, trainer: Trainer):
    run(write(tmp_path, ONE, TWO))
    manifest = json.loads((tmp_path / "out" / "members.json").read_text())
    assert manifest["members"] == [{"name": "one", "averaged": True}, {"name": "two", "averaged": True}]
    assert (manifest["base_sha256"], manifest["data"]) == ("base", ROWS.fingerprint())


def test_record_holds_what_decided_the_member(tmp_path: Path, trainer: Trainer):
    run(write(tmp_path, ONE))
    record = json.loads((tmp_path / "out" / "one" / "member.json").read_text())
    assert record["spec"] == asdict(MemberSpec(**ONE))  # type: ignore[arg-type]
    assert (record["rows"], record["steps"], record["final_loss"]) == (2, 1, 0.5)


def test_second_pass_starts_from_the_first_and_replays_its_rows(tmp_path: Path, data_folder: Path, trainer: Trainer):
    finish = {"data": str(data_folder), "epochs": 3.0, "learning_rate": 0.002, "replay": 1}
    run(write(tmp_path, ONE, finish=finish))
    (first, _, first_rows, _), (second, spec, rows, settings) = trainer.calls
    assert (first, second) == ("one-first-pass", "one")
    assert settings["start"] == tmp_path / "out" / "one-first-pass"
    assert (spec.epochs, spec.learning_rate, spec.seed) == (3.0, 0.002, 1)
    assert first_rows == ROWS
    assert len(rows) == 201
    assert rows.texts[-1] in ROWS.texts


def test_finished_second_pass_is_not_redone(tmp_path: Path, data_folder: Path, trainer: Trainer):
    path = write(tmp_path, ONE, finish={"data": str(data_folder)})
    first = run(path)
    trainer.take()
    assert run(path) == first
    assert trainer.take() == []


def test_second_pass_with_an_unknown_setting(tmp_path: Path, trainer: Trainer):
    with pytest.raises(SettingError, match=r"`finish` cannot be used .*colour"):
        run(write(tmp_path, ONE, finish={"data": "x", "colour": 1}))


@pytest.mark.parametrize("pairs", [("the end", "first"), None])
def test_second_pass_keeps_pairs(tmp_path: Path, trainer: Trainer, pairs: tuple[str, str] | None):
    (tmp_path / "more").mkdir()
    for split in ("train", "validation"):
        lines = ["premise\thypothesis\tlabel", "good\tplot\t1", "bad\tcast\t0"]
        (tmp_path / "more" / f"{split}.tsv").write_text("\n".join(lines) + "\n")
    path = write(tmp_path, ONE, finish={"data": str(tmp_path / "more"), "replay": 2})
    data = Examples(ROWS.texts, pairs, ROWS.labels)
    if pairs is None:
        with pytest.raises(SettingError, match="only one of them holds pairs"):
            run(path, data)
    else:
        run(path, data)
        assert sorted(trainer.calls[-1][2].pairs or ()) == ["cast", "first", "plot", "the end"]
