"""Models of a study as the live pages open them: with as little as each of them needs."""

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from prunescope.engine.errors import ModelError
from prunescope.engine.export.shipped import save_shipped
from prunescope.engine.live import models as live_models
from prunescope.engine.live.models import LiveModels
from prunescope.engine.live.ready_models import Unready
from prunescope.engine.live.requests import LevelBegun, answer
from prunescope.engine.live.side_result import SideEnded
from prunescope.engine.models.packed import open_packed
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import Rate, Study, StudySpec
from prunescope.engine.store import Store, victim_key
from prunescope.engine.studies.prepare import prepare


@pytest.fixture
def make(model_folder: Path, data_folder: Path, tmp_path: Path) -> Callable[[str], Study]:
    """A study with one method, on its own copies of model and data; nothing is measured."""
    shutil.copytree(model_folder, tmp_path / "model")
    shutil.copytree(data_folder, tmp_path / "data")

    def study(method: str) -> Study:
        spec = StudySpec(
            model=str(tmp_path / "model"),
            data=str(tmp_path / "data"),
            method=method,
            levels=(0.0,),
            calibration=40,
            held_out=10,
            eval_examples=20,
            attack="none",
            device="cpu",
        )
        return prepare(spec).study

    return study


@pytest.fixture
def models(tmp_path: Path) -> LiveModels:
    return LiveModels(Store(tmp_path / "cache", bundled=tmp_path / "bundled"))


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, whoever reads a data set fails."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a data set was read")

    return lambda: monkeypatch.setattr(live_models, "prepare", refuse)


def test_a_dense_model_needs_no_data(
    make: Callable[[str], Study], models: LiveModels, no_data: Callable[[], None]
) -> None:
    study = make("adaptive")
    no_data()
    model = models.dense(study)
    assert model.key == model.victim.fingerprint == study.identity["victim"]
    assert (model.sparsity, model.achieved, model.notice) == (0.0, 0.0, None)
    assert models.sparse(study, 0.0).victim is model.victim and models.ready.has(study, 0.0)


def test_magnitude_needs_no_data_and_is_always_ready(
    make: Callable[[str], Study], models: LiveModels, no_data: Callable[[], None]
) -> None:
    study = make("magnitude")
    expected = models.pruned(models.open(study)[0], 0.5)
    models = LiveModels(models.store)
    no_data()
    assert models.ready.has(study, 0.5)
    model = models.sparse(study, 0.5)
    assert model.notice is None and model.key == victim_key(study.identity, 0.5)
    for name, weight in model.victim.prunable().items():
        assert torch.equal(weight, expected.victim.prunable()[name])


def test_a_model_is_pruned_once_and_then_opens_without_data(
    make: Callable[[str], Study], models: LiveModels, no_data: Callable[[], None]
) -> None:
    study = make("adaptive")
    assert not models.ready.has(study, 0.5)
    first = models.sparse(study, 0.5)
    assert models.ready.has(study, 0.5) and not models.ready.has(study, 0.6)
    no_data()
    assert models.sparse(study, 0.5).victim is first.victim, "from memory"
    again = LiveModels(models.store)
    assert again.ready.has(study, 0.5)
    second = again.sparse(study, 0.5)
    assert (second.key, second.achieved, second.notice) == (first.key, first.achieved, None)
    for name, weight in second.victim.prunable().items():
        assert torch.equal(weight, first.victim.prunable()[name])


def ship(study: Study, models: LiveModels) -> Path:
    """Ship a study's model at 50% in four bits, and forget what was pruned for it."""
    prepared, _ = models.open(study)
    pruned = models.pruned(prepared, 0.5)
    key = victim_key(study.identity, 0.5)
    path = models.store.bundled / "victims" / f"{key}.safetensors"
    rate = asdict(Rate.of(1, 2))
    measured = {"acc": rate, "aua": rate, "asr": rate}
    save_shipped(
        path,
        pruned,
        prepared.victim,
        4,
        study.key,
        {**measured, "predictions_changed": 0, "outcomes_changed": 0},
    )
    shutil.rmtree(models.store.root / "victims")
    return path


def test_a_model_that_ships_is_ready_and_is_the_studys_though_its_texts_are_not_here(
    make: Callable[[str], Study],
    models: LiveModels,
    no_data: Callable[[], None],
    tmp_path: Path,
) -> None:
    study = make("adaptive")
    ship(study, models)
    shutil.rmtree(tmp_path / "data")
    no_data()
    again = LiveModels(models.store)
    assert again.ready.has(study, 0.5) and not again.ready.has(study, 0.6)
    model = again.sparse(study, 0.5)
    assert model.notice is None and model.shipped is not None and model.shipped.weight_bits == 4
    assert model.key == model.shipped.victim_key != victim_key(study.identity, 0.5)
    assert again.sparse(study, 0.5).victim is model.victim, "from memory"
    weight = model.victim.prunable()["0.query"]
    assert len(weight[0].unique()) <= 2**4 + 1, "sixteen values and zero"


def test_a_damaged_model_that_ships_is_pruned_instead_and_said(
    make: Callable[[str], Study], models: LiveModels
) -> None:
    study = make("adaptive")
    path = ship(study, models)
    path.write_bytes(path.read_bytes()[:-1])
    again = LiveModels(models.store)
    model = again.sparse(study, 0.5)
    assert model.shipped is None and model.key == victim_key(study.identity, 0.5)
    assert "cannot be opened" in again.store.notices[0]


def test_what_stands_in_says_so_and_is_ready_once_it_was_pruned(
    make: Callable[[str], Study], models: LiveModels, tmp_path: Path
) -> None:
    study = make("adaptive")
    shutil.rmtree(tmp_path / "data")
    assert not models.ready.has(study, 0.5)
    model = models.sparse(study, 0.5)
    assert model.notice is not None and model.notice.startswith("The texts of data are not on")
    assert model.key != victim_key(study.identity, 0.5)
    assert models.ready.has(study, 0.5) and LiveModels(models.store).ready.has(study, 0.5)
    assert not models.ready.has(study, 0.6)


def test_the_next_sparser_model_is_the_nearest_above_that_is_ready(
    make: Callable[[str], Study], models: LiveModels
) -> None:
    study = make("adaptive")
    assert models.ready.next_sparser(study, 0.3) is None
    ship(study, models)  # at 50%
    assert models.ready.next_sparser(study, 0.3) == 0.5
    assert models.ready.next_sparser(study, 0.5) is None, "it is sparser, not the same"
    for sparsity in (0.4, 0.8):
        models.sparse(study, sparsity)
    assert models.ready.next_sparser(study, 0.3) == 0.4
    assert models.ready.next_sparser(study, 0.6) == 0.8
    other = replace(study, identity={**study.identity, "calibration": "another"})
    assert models.ready.next_sparser(other, 0.6) is None, "another study's model"


def test_a_stand_in_on_the_reviews_is_the_next_sparser_one_where_the_data_is_not_here(
    make: Callable[[str], Study], models: LiveModels, tmp_path: Path
) -> None:
    study = make("adaptive")
    shutil.rmtree(tmp_path / "data")
    models.sparse(study, 0.8)
    assert LiveModels(models.store).ready.next_sparser(study, 0.6) == 0.8


def asked(study: Study, models: LiveModels, do: str, **other: Any) -> dict[str, Any]:
    models.store.save_study(study)
    return answer(models, {"do": do, "study": study.key, **other}, SILENT)


def test_a_look_at_once_is_inside_a_sparser_model_and_says_which(
    make: Callable[[str], Study], models: LiveModels
) -> None:
    study = make("adaptive")
    look = {"sparsity": 0.3, "text": "a good film", "adversarial": None}
    assert asked(study, models, "look", **look, at_once=True) == {"sparsity": None}
    models.sparse(study, 0.7)
    meanwhile = asked(study, models, "look", **look, at_once=True)
    exact = asked(study, models, "look", **look)
    assert (meanwhile["sparsity"], exact["sparsity"]) == (0.7, 0.3)
    assert meanwhile["distances"] != exact["distances"]
    assert asked(study, models, "look", **look, at_once=True) == exact, "it is ready now"


def test_what_is_pruned_ahead_is_the_first_that_is_not_ready(
    make: Callable[[str], Study], models: LiveModels
) -> None:
    study, near = make("adaptive"), [0.6, 0.7, 0.5]
    begun: list[object] = []
    for due in (0.6, 0.7, 0.5, None):
        models.store.save_study(study)
        request = {"do": "ahead", "study": study.key, "sparsities": near}
        result = answer(models, request, Progress(on_event=begun.append))
        assert result == {"sparsity": due}
        assert due is None or models.ready.has(study, due)
    assert begun == [LevelBegun(0.6), LevelBegun(0.7), LevelBegun(0.5)]


def test_a_sparser_victim_is_attacked_in_place_of_one_that_must_be_pruned(
    make: Callable[[str], Study], models: LiveModels
) -> None:
    study = make("adaptive")
    models.sparse(study, 0.7)
    victims = [
        {"name": name, "study": study.key, "sparsity": sparsity}
        for name, sparsity in (("Dense", 0.0), ("Tiny, 30%", 0.3))
    ]
    events: list[Any] = []
    models.store.save_study(study)
    text = {"text": "a very good film of the slow cast", "label": None}
    request = {"do": "attack", "victims": victims, "attack": "deepwordbug", **text}
    result = answer(models, request, Progress(on_event=events.append))
    assert events[0] == Unready(("Tiny, 30%",), {"Tiny, 30%": "Tiny, 70%"})
    assert [side["name"] for side in result["sides"]] == ["Dense"]
    ended = {event.side: event.result for event in events if isinstance(event, SideEnded)}
    assert set(ended) == {"Dense", "Tiny, 70%"} and ended["Tiny, 70%"]["sparsity"] == 0.7
    victims.append({"name": "Tiny, 70%", "study": study.key, "sparsity": 0.7})
    events.clear()
    answer(models, request, Progress(on_event=events.append))
    assert events[0] == Unready(("Tiny, 30%",), {}), "it is attacked as itself already"


def test_a_model_that_has_changed_since_the_study_says_so(
    make: Callable[[str], Study], models: LiveModels, tmp_path: Path
) -> None:
    study = make("adaptive")
    models.sparse(study, 0.5)
    changed = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    with torch.no_grad():
        changed.classifier.bias += 1
    changed.save_pretrained(tmp_path / "model")
    again = LiveModels(models.store)
    dense = again.dense(study)
    assert dense.notice == "model has changed since the study was made."
    assert again.sparse(study, 0.5).key != victim_key(study.identity, 0.5)


def test_studies_that_differ_in_nothing_but_the_attack_share_their_models(
    make: Callable[[str], Study], models: LiveModels
) -> None:
    study = make("adaptive")
    other = replace(study, key="0" * 64, identity={**study.identity, "seed": 1})
    assert models.sparse(study, 0.5).victim is models.sparse(other, 0.5).victim


def test_a_model_that_ships_is_looked_into_and_given_out_as_what_it_is_without_data(
    make: Callable[[str], Study], models: LiveModels, no_data: Callable[[], None]
) -> None:
    study = make("adaptive")
    ship(study, models)
    no_data()
    again = LiveModels(models.store)
    looked = again.look(study, "a good film", None, 0.5)
    assert (looked["notice"], looked["weight_bits"]) == (None, 4)
    export = again.export(study, 0.5)
    said = "Its remaining weights are rounded to 4 bits."
    assert export["sentence"].endswith(said) and export["achieved"] == pytest.approx(0.5, abs=1e-3)
    with zipfile.ZipFile(export["path"]) as archive:
        archive.extractall(models.store.root / "out")
    (folder,) = (models.store.root / "out").iterdir()
    packed, info = open_packed(folder)
    assert info.provenance["notices"][-1] == said
    shipped = again.sparse(study, 0.5).victim.model.state_dict()
    for name, value in packed.state_dict().items():
        assert torch.equal(value, shipped[name]), name


def test_a_bundled_study_of_a_model_that_does_not_ship_says_so(tmp_path: Path):
    models = LiveModels(Store(tmp_path))
    studies = [
        study
        for study in models.store.studies()
        if not study.about["spec"]["model"].startswith("embedded")
    ]
    assert studies
    for study in studies:
        with pytest.raises(ModelError, match="does not ship: its figures alone do"):
            models.dense(study)
