"""Measurements that outlive the process: the same to the bit, found by whoever needs the same,
verified, and few.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import write_reviews

from prunescope.engine.export import measurements as kept_module
from prunescope.engine.export.measurements import (
    keep_measurements,
    load_measurements,
    measurements_key,
)
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning import layerwise
from prunescope.engine.pruning.measurements import SharedMeasurements
from prunescope.engine.pruning.pipeline import prune_levels
from prunescope.engine.pruning.plan import Plan
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store
from prunescope.engine.store.maintenance import clean_store, store_sizes
from prunescope.engine.studies import examples
from prunescope.engine.studies.prepare import PreparedStudy, prepare
from prunescope.engine.studies.pruned import pruned_at

IDENTITY = {"schema": 1, "victim": "aa", "calibration": "bb", "max_tokens": 64, "plan": {}}
TEXTS = [
    f"{word} film of a {word} plot and a {word} cast"
    for word in "good bad dull slow warm cold".split()
] * 3


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "user", tmp_path / "bundled", tmp_path / "shared")


@pytest.fixture
def measured(victim: Victim) -> SharedMeasurements:
    shared = SharedMeasurements()
    list(prune_levels(victim, TEXTS, None, Plan.named("adaptive"), (0.5,), shared=shared))
    assert shared.importance is not None and shared.losses is not None
    return shared


def key(_plan: Plan, **other: Any) -> str:
    return measurements_key({**IDENTITY, **other}, _plan)


def test_what_is_read_is_what_was_measured_to_the_bit(
    store: Store, victim: Victim, measured: SharedMeasurements
) -> None:
    name = key(Plan.named("adaptive"))
    keep_measurements(store, name, measured)
    found = load_measurements(store, name, victim)
    assert store.notices == [] and found.losses == measured.losses
    assert found.importance is not None and measured.importance is not None
    assert found.importance.scale == measured.importance.scale
    for layer, metric in measured.importance.outputs.items():
        own = found.importance.outputs[layer]
        assert torch.equal(own.diagonal, metric.diagonal)
        assert (own.matrix is None) == (metric.matrix is None)
        if metric.matrix is not None and own.matrix is not None:
            assert torch.equal(own.matrix, metric.matrix)
            assert torch.equal(metric.matrix, metric.matrix.T)
    for layer, kinds in measured.importance.kinds.items():
        assert torch.equal(found.importance.kinds[layer], kinds)


def test_victim_text_and_what_the_curves_come_from_decide_the_key_and_nothing_else_does() -> None:
    usual = key(Plan.named("adaptive"))
    for same in ("adaptive:refit=none", "adaptive:residual=off", "adaptive:solver=obc"):
        assert key(Plan.named(same)) == usual, same
    assert key(Plan.named("adaptive", "row")) == key(Plan.named("adaptive", "2:4")) == usual
    assert key(Plan.named("adaptive", layers="0=0")) == usual
    assert key(Plan.named("adaptive"), plan="another", seed=3) == usual
    others = [
        key(Plan.named("adaptive"), victim="cc"),
        key(Plan.named("adaptive"), calibration="cc"),
        key(Plan.named("adaptive"), max_tokens=32),
        key(Plan.named("adaptive:damping=0.02")),
        key(Plan.named("adaptive:centre=on")),
        key(Plan.named("adaptive:importance=off")),
        key(Plan.named("adaptive", precision="bf16")),
    ]
    assert len({usual, *others}) == 1 + len(others)


@pytest.fixture
def spec(model_folder: Path, data_folder: Path) -> StudySpec:
    return StudySpec(
        model=str(model_folder),
        data=str(data_folder),
        levels=(0.0,),
        calibration=40,
        held_out=10,
        eval_examples=20,
        attack="none",
        device="cpu",
    )


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, whoever measures fails."""
    monkeypatch.setattr(layerwise, "measure_importance", None)
    monkeypatch.setattr(layerwise, "loss_curves", None)


def weights(prepared: PreparedStudy, sparsity: float, store: Store) -> dict[str, torch.Tensor]:
    return pruned_at(prepared, sparsity, store).victim.prunable()


def test_another_process_prunes_with_what_this_one_measured_and_alike(
    store: Store, tmp_path: Path, spec: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = weights(prepare(spec), 0.6, Store(tmp_path / "other", tmp_path / "bundled"))
    pruned_at(prepare(spec), 0.5, store)
    forbid(monkeypatch)
    again = weights(prepare(spec), 0.6, store)
    assert all(torch.equal(again[layer], weight) for layer, weight in alone.items())
    pruned_at(prepare(replace(spec, pattern="row")), 0.5, store)  # another plan, the same curves


def test_what_a_stopped_run_has_measured_is_kept(
    store: Store, spec: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepare(spec)
    with monkeypatch.context() as patch:
        patch.setattr(layerwise, "loss_curves", None)
        with pytest.raises(TypeError):
            pruned_at(prepared, 0.5, store)
    name = measurements_key(prepared.study.identity, prepared.plan)
    found = load_measurements(store, name, prepared.victim)
    assert found.importance is not None and found.losses is None


def test_a_study_on_further_texts_measures_on_its_own_as_the_study_without_them_does(
    store: Store, spec: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    further = str(write_reviews(tmp_path / "further.tsv", 200, seed=7))
    many = replace(spec, calibration=300)
    alone, more = prepare(many), prepare(replace(many, calibration_data=further))
    assert more.data.own == len(alone.calibration) < len(more.calibration)
    monkeypatch.setattr(examples, "FIRST", 10)
    pruned_at(alone, 0.5, store)
    forbid(monkeypatch)
    pruned_at(more, 0.5, store)


def test_a_method_that_measures_nothing_keeps_nothing(store: Store, spec: StudySpec) -> None:
    pruned_at(prepare(replace(spec, method="sparsegpt")), 0.5, store)
    assert not (store.root / "measurements").exists()


def test_every_layer_is_searched_and_only_the_users_own_is_written(
    store: Store, victim: Victim, measured: SharedMeasurements
) -> None:
    name = key(Plan.named("adaptive"))
    for layer in (store.bundled, store.shared):
        assert layer is not None
        path = keep_measurements(Store(layer, store.bundled), name, measured)
        assert load_measurements(store, name, victim).losses == measured.losses
        path.unlink()
    assert load_measurements(store, name, victim).importance is None


@pytest.mark.parametrize("layer", ["root", "shared", "bundled"])
def test_no_flipped_byte_is_used(
    store: Store, victim: Victim, measured: SharedMeasurements, layer: str
) -> None:
    name = key(Plan.named("adaptive"))
    path = keep_measurements(Store(getattr(store, layer), store.bundled), name, measured)
    whole = path.read_bytes()
    for position in (*range(8, len(whole), len(whole) // 40), len(whole) - 1):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert load_measurements(store, name, victim).importance is None, position
        assert "are damaged" in store.notices[-1]
        assert path.is_file() == (layer != "root"), "the user's own is measured and written again"


def test_measurements_of_another_victim_are_refused(
    store: Store, victim: Victim, measured: SharedMeasurements
) -> None:
    path = keep_measurements(store, key(Plan.named("adaptive")), measured)
    path.rename(path.with_name(f"{'0' * 64}.safetensors"))
    assert load_measurements(store, "0" * 64, victim).importance is None


def test_the_least_recently_used_make_room(
    store: Store, victim: Victim, measured: SharedMeasurements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_module, "MOST", 2)
    for age, name in ((30, "aa"), (20, "bb")):
        path = keep_measurements(store, name, measured)
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    load_measurements(store, "aa", victim)
    keep_measurements(store, "cc", measured)
    left = sorted(path.stem for path in (store.root / "measurements").iterdir())
    assert left == ["aa", "cc"]


def test_clean_up_knows_their_size_and_removes_them_before_studies(
    store: Store, measured: SharedMeasurements
) -> None:
    path = keep_measurements(store, "aa", measured)
    assert store_sizes(store)["measurements"] == path.stat().st_size
    (item,) = clean_store(store, total=0)
    assert (item.kind, item.path) == ("measured", path) and not path.exists()
