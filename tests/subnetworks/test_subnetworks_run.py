"""Whole searches: what changes and what never does, exact sparsity, the same bytes after a stop,
and folders others open.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from prunescope.engine.errors import (
    DataError,
    InterruptedStudy,
    ModelError,
    SettingError,
    StoreError,
)
from prunescope.engine.export.folder import export_model
from prunescope.engine.models.classes import in_order
from prunescope.engine.models.victim import load_victim
from prunescope.engine.pruning.patterns import zeros_of
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store
from prunescope.engine.studies.run import run_study
from prunescope.engine.subnetworks.bias import BiasPredictions
from prunescope.engine.subnetworks.run import find_subnetwork
from prunescope.engine.subnetworks.search_inputs import SearchInputs, matrices_of
from prunescope.engine.subnetworks.snapshots import snapshot_at
from prunescope.engine.subnetworks.spec import SubnetworkSpec, check_smoothing
from prunescope.engine.training.finetune import TrainingSetup
from prunescope.engine.training.spec import TrainSpec

TRAIN = TrainSpec(
    "x", seed=1, learning_rate=0.02, epochs=2, batch_size=8, rank=0, weight_decay=0.0, adv_steps=2
)
KINDS: dict[
    str, tuple[dict[str, Any], dict[str, Any]]
] = {  # name → (of the subnetwork, of the training)
    "mask, hard": ({"method": "mask", "sparsity": 0.6, "every": 0.3}, {}),
    "mask, gradual, poe": (
        {
            "method": "mask",
            "sparsity": 0.9,
            "first": 0.5,
            "growth": "gradual",
            "init": "soft",
            "loss": "poe",
        },
        {},
    ),
    "mask, head trained, early stopping": (
        {"method": "mask", "sparsity": 0.5, "head": "trained", "keep_from": 0.3},
        {"patience": 9, "checks": 3.0},
    ),
    "imp, reweight": ({"method": "imp", "sparsity": 0.7, "loss": "reweight"}, {}),
    "imp, rewound, freelb": (
        {"method": "imp", "sparsity": 0.5, "rewind": True},
        {"adversarial": "freelb"},
    ),
    "hard-concrete, pgd": ({"method": "hard-concrete", "sparsity": 0.5}, {"adversarial": "pgd"}),
    "full, poe": ({"method": "full", "loss": "poe"}, {}),
}


def given(
    shared: TrainingSetup, bias: BiasPredictions, spec: SubnetworkSpec, **more: Any
) -> SearchInputs:
    return SearchInputs(shared, bias=None if spec.loss == "ce" else bias, **more)


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_that_was_stopped_ends_with_the_same_bytes(
    shared: TrainingSetup,
    bias: BiasPredictions,
    tmp_path: Path,
    stop_after: Callable[[int], Any],
    kind: str,
):
    spec, train = SubnetworkSpec(**KINDS[kind][0]), replace(TRAIN, **KINDS[kind][1])
    inputs = given(shared, bias, spec)
    find_subnetwork(spec, train, inputs, tmp_path / "whole")
    for step in (3, 7):
        with pytest.raises(InterruptedStudy):
            find_subnetwork(spec, train, inputs, tmp_path / "out", stop_after(step))
        torch.manual_seed(step)  # the state of the process does not matter
    steps: list[int] = []
    find_subnetwork(
        spec, train, inputs, tmp_path / "out", lambda _stage, done, _total: steps.append(done)
    )
    assert steps[0] == 7
    assert written(tmp_path / "out") == written(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_sparsity_is_exact_and_what_is_frozen_has_not_moved(
    shared: TrainingSetup, bias: BiasPredictions, model_folder: Path, tmp_path: Path, kind: str
):
    spec, train = SubnetworkSpec(**KINDS[kind][0]), replace(TRAIN, **KINDS[kind][1])
    pruned, record = find_subnetwork(spec, train, given(shared, bias, spec), tmp_path / "out")
    result = load_victim(str(tmp_path / "out"), "cpu")
    start = load_victim(str(model_folder), "cpu")
    masked, trained = matrices_of(result, spec.head)
    own = matrices_of(start, spec.head)[0]
    for name, weight in masked.items():
        expected = zeros_of(weight.numel(), spec.sparsity) if spec.prunes else 0
        assert int((weight == 0).sum()) == expected, name
        if spec.method in ("mask", "hard-concrete") or spec.rewind:
            assert torch.equal(weight[weight != 0], own[name][weight != 0]), name
    moved = {
        name
        for name, value in result.model.state_dict().items()
        if not torch.equal(value, start.model.state_dict()[name])
    }
    outside = {
        name
        for name in moved
        if not any(
            name.endswith(part)
            for part in (
                "dense.weight",
                "query.weight",
                "key.weight",
                "value.weight",
                "classifier.weight",
            )
        )
    }
    if spec.method in ("mask", "hard-concrete"):
        assert outside == ({"classifier.bias", "bert.pooler.dense.bias"} if trained else set())
    elif not spec.rewind:
        assert "bert.embeddings.word_embeddings.weight" in outside
    assert record["achieved"] == pruned.achieved
    assert pruned.victim.fingerprint == result.fingerprint


def test_a_mask_learns_what_the_loss_asks_for(shared: TrainingSetup, tmp_path: Path):
    """The mask found is not the one that magnitudes give, and its loss is lower than that one's."""
    spec = SubnetworkSpec(sparsity=0.5)
    pruned, record = find_subnetwork(
        spec, replace(TRAIN, epochs=12), SearchInputs(shared), tmp_path / "out"
    )
    _, at_once = find_subnetwork(
        spec,
        replace(TRAIN, epochs=12, learning_rate=1e-9),
        SearchInputs(shared),
        tmp_path / "still",
    )
    assert record["final_loss"] < 0.9 * at_once["final_loss"]
    still = load_victim(str(tmp_path / "still"), "cpu").prunable()["0.query"]
    assert not torch.equal(still == 0, pruned.victim.prunable()["0.query"] == 0)


def test_the_three_paradigms_and_snapshots_hang_together(
    shared: TrainingSetup, bias: BiasPredictions, tmp_path: Path
):
    full = SearchInputs(shared, snapshots=(0.5,))
    find_subnetwork(SubnetworkSpec("full"), TRAIN, full, tmp_path / "full")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "full-at-5"]
    half = load_victim(str(tmp_path / "full-at-5"), "cpu")
    assert half.fingerprint != load_victim(str(tmp_path / "full"), "cpu").fingerprint
    start = str(tmp_path / "full")
    mask, _ = find_subnetwork(
        SubnetworkSpec(sparsity=0.5), TRAIN, SearchInputs(shared, start), tmp_path / "a"
    )
    spec = SubnetworkSpec("isolated")
    alone, _ = find_subnetwork(
        spec, TRAIN, SearchInputs(shared, mask_from=str(tmp_path / "a")), tmp_path / "b"
    )
    for name, weight in alone.victim.prunable().items():
        assert torch.equal(weight == 0, mask.victim.prunable()[name] == 0)
        assert not torch.equal(weight, mask.victim.prunable()[name])
    taught = SubnetworkSpec(sparsity=0.5, loss="confreg")
    find_subnetwork(
        taught, TRAIN, SearchInputs(shared, start, bias=bias, teacher=start), tmp_path / "c"
    )


def test_a_subnetwork_is_a_model_for_a_study(
    shared: TrainingSetup, data_folder: Path, tmp_path: Path
) -> None:
    find_subnetwork(SubnetworkSpec(sparsity=0.7), TRAIN, SearchInputs(shared), tmp_path / "out")
    study = run_study(
        StudySpec(
            str(tmp_path / "out"),
            str(data_folder),
            "magnitude",
            levels=(0.0,),
            attack_examples=2,
            calibration=20,
            held_out=5,
            eval_examples=10,
            device="cpu",
        ),
        Store(tmp_path / "cache"),
    )
    assert study.levels[0].aua is not None and study.levels[0].acc.n == 10


@pytest.mark.parametrize(
    ("spec", "inputs", "error", "messages"),
    [
        ({"loss": "poe"}, {}, SettingError, "needs bias predictions"),
        ({"loss": "confreg"}, {"bias": True}, SettingError, "teacher"),
        ({"method": "isolated"}, {}, SettingError, "`mask_from`"),
        ({"method": "mask"}, {"snapshots": (0.5,)}, SettingError, "`snapshots`"),
        ({"method": "full"}, {"snapshots": (1.5,)}, SettingError, r"give shares in \(0, 1\)"),
        (
            {"sparsity": 0.999},
            {},
            SettingError,
            "leaves none of the 64 weights of classifier.weight",
        ),
        ({"method": "isolated"}, {"mask_from": "dense"}, ModelError, "no zeros to keep"),
    ],
)
def test_what_cannot_work_is_refused_before_any_training(
    shared: TrainingSetup,
    bias: BiasPredictions,
    model_folder: Path,
    tmp_path: Path,
    spec: dict[str, Any],
    inputs: dict[str, Any],
    error: type[Exception],
    messages: str,
):
    inputs = {
        **inputs,
        **({"bias": bias} if "bias" in inputs else {}),
        **({"mask_from": str(model_folder)} if "mask_from" in inputs else {}),
    }

    def report(stage: str, done: int, total: int) -> None:
        raise AssertionError("training has begun")

    with pytest.raises(error, match=messages):
        find_subnetwork(
            SubnetworkSpec(**spec), TRAIN, SearchInputs(shared, **inputs), tmp_path / "out", report
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("loss", ["poe", "reweight", "confreg"])
def test_labels_are_smoothed_for_cross_entropy_alone(
    shared: TrainingSetup, bias: BiasPredictions, tmp_path: Path, loss: str
):
    smooth = replace(TRAIN, label_smoothing=0.1)
    with pytest.raises(
        SettingError, match=f"`label_smoothing` is 0.1, and the loss {loss} does not smooth labels"
    ):
        find_subnetwork(
            SubnetworkSpec(loss=loss), smooth, SearchInputs(shared, bias=bias), tmp_path / "out"
        )
    check_smoothing("ce", smooth)
    check_smoothing(loss, TRAIN)


def test_bias_predictions_of_other_rows_are_refused(
    shared: TrainingSetup, bias: BiasPredictions, pairs: Any, tmp_path: Path
):
    other = replace(shared, data=pairs(12, 9))
    with pytest.raises(
        DataError, match="12 of the 12 rows of the training data have no bias prediction"
    ):
        find_subnetwork(
            SubnetworkSpec(loss="poe"), TRAIN, SearchInputs(other, bias=bias), tmp_path / "out"
        )
    three = replace(shared, label_names=("a", "b", "c"))
    with pytest.raises(DataError, match="for 2 classes and the training data has 3"):
        find_subnetwork(
            SubnetworkSpec(loss="poe"), TRAIN, SearchInputs(three, bias=bias), tmp_path / "out"
        )


def test_a_folder_that_is_there_is_not_overwritten(shared: TrainingSetup, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").write_text("mine")
    with pytest.raises(StoreError, match="is there already"):
        find_subnetwork(SubnetworkSpec(), TRAIN, SearchInputs(shared), tmp_path / "out")


def test_a_start_and_a_teacher_with_their_classes_the_other_way_round_are_the_same(
    shared: TrainingSetup, bias: BiasPredictions, tmp_path: Path
):
    first = tmp_path / "first"
    find_subnetwork(SubnetworkSpec("full"), TRAIN, SearchInputs(shared), first)
    victim = load_victim(str(first), "cpu")
    assert victim.label_names == ("other", "same")
    export_model(in_order(victim, ("same", "other")), tmp_path / "turned", {})
    spec = SubnetworkSpec(sparsity=0.5, loss="confreg", head="frozen")
    result = [
        find_subnetwork(
            spec, TRAIN, SearchInputs(shared, start, bias=bias, teacher=start), tmp_path / name
        )
        for name, start in (("one", str(first)), ("two", str(tmp_path / "turned")))
    ]
    assert (
        result[0][0].victim.fingerprint == result[1][0].victim.fingerprint
        and result[0][1] == result[1][1]
    )


def test_a_start_with_another_vocabulary_is_refused(
    shared: TrainingSetup, model_folder: Path, tmp_path: Path
):
    other = shutil.copytree(model_folder, tmp_path / "other")
    tokens = (other / "vocab.txt").read_text().splitlines()
    for file in other.glob("tokenizer*"):
        file.unlink()
    (other / "vocab.txt").write_text("\n".join([*tokens[:-2], tokens[-1], tokens[-2]]) + "\n")
    with pytest.raises(ModelError, match=r"another vocabulary than .* itself: `model="):
        find_subnetwork(
            SubnetworkSpec(sparsity=0.5), TRAIN, SearchInputs(shared, str(other)), tmp_path / "out"
        )


def test_models_on_the_way_of_another_training_are_not_taken_for_these(
    shared: TrainingSetup, tmp_path: Path
):
    inputs = SearchInputs(shared, snapshots=(0.5,))
    find_subnetwork(SubnetworkSpec("full"), TRAIN, inputs, tmp_path / "full")
    shutil.rmtree(tmp_path / "full")
    with pytest.raises(
        StoreError, match="full-at-5 is a model on the way of another training; remove it"
    ):
        find_subnetwork(SubnetworkSpec("full"), replace(TRAIN, seed=2), inputs, tmp_path / "full")
    # the same one: they stay
    find_subnetwork(SubnetworkSpec("full"), TRAIN, inputs, tmp_path / "full")
    assert (
        snapshot_at(tmp_path / "full", 0.5) == tmp_path / "full-at-5"
        and snapshot_at(tmp_path / "full", 0.9) is None
    )
