"""Features by hand, the regression against an independent minimum, and predictions that must belong
to their rows.
"""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prunescope.engine.data import Examples
from prunescope.engine.errors import DataError, ResourceError, SettingError
from prunescope.engine.subnetworks.bias import (
    BiasPredictions,
    BiasSpec,
    features_of,
    make_bias,
    read_bias,
    row_ids,
)
from prunescope.engine.subnetworks.features import (
    OVERLAP,
    bag_features,
    claim_features,
    overlap_features,
    word_vectors,
)

VECTORS = "4 2\ndog 1 0\ncat 0.6 0.8\nruns 0 1\nred 0 -1\n"


@pytest.fixture
def vectors(tmp_path: Path) -> str:
    (tmp_path / "v.vec").write_text(VECTORS)
    return str(tmp_path / "v.vec")


def test_the_features_of_overlap_are_what_they_are_called(vectors: str):
    rows = overlap_features(
        ["The dog runs", "dog", "red cat runs"],
        ["Dog runs", "cat", "runs red"],
        word_vectors(vectors),
    )
    whole, run, share, mean, least, second, length = rows.T
    assert len(OVERLAP) == rows.shape[1]
    assert whole.tolist() == [1, 0, 1] and run.tolist() == [1, 0, 0] and share.tolist() == [1, 0, 1]
    assert mean.tolist() == pytest.approx([1, 0.6, 1]) and least.tolist() == pytest.approx(
        [1, 0.6, 1]
    )
    assert second.tolist() == pytest.approx([1, 0.6, 1])
    assert length.tolist() == pytest.approx([math.log(2), 0, math.log(2)])


def test_a_claim_is_the_largest_value_of_every_dimension(vectors: str):
    result = claim_features(["dog red", "unknown"], word_vectors(vectors))
    assert result.tolist() == [[1, 0], [0, 0]]


def test_embedded_vectors_are_unit_means_of_pieces():
    result = word_vectors("embedded").of(["film", "unfilmable", "film"])
    assert np.linalg.norm(result, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert np.array_equal(result[0], result[2]) and float(result[0] @ result[1]) < 0.99


def test_a_bag_knows_words_and_neighbours_not_their_place():
    item, two, three = bag_features(["a b c", "a b c", "c b a"])
    assert np.array_equal(item, two) and not np.array_equal(item, three)
    assert float((item * item).sum()) == pytest.approx(1, abs=1e-6)


def test_the_regression_is_at_the_minimum_of_its_loss(pairs: Any, tmp_path: Path):
    """The same loss, minimised in float64 by Newton's method in torch."""
    train, spec = pairs(60, 1), BiasSpec("overlap", penalty=0.5)
    labels = torch.tensor(
        [0 if label == 0 or row % 10 == 1 else 1 for row, label in enumerate(train.labels)]
    )
    train = replace(train, labels=tuple(labels.tolist()))
    make_bias(spec, train, train, tmp_path / "bias")
    observed = torch.tensor(features_of(spec, train), dtype=torch.float64)
    spread = observed.std(dim=0, correction=0)
    observed = (observed - observed.mean(dim=0)) / torch.where(spread > 0, spread, 1.0)
    weight = len(labels) / (2 * torch.bincount(labels).double())[labels]
    line = torch.zeros(observed.shape[1] + 1, dtype=torch.float64)

    def loss(line: torch.Tensor) -> torch.Tensor:
        score = observed @ line[1:] + line[0]
        each = torch.nn.functional.binary_cross_entropy_with_logits(
            score, labels.double(), reduction="none"
        )
        return (weight * each).sum() + 0.25 * line[1:].square().sum()

    for _ in range(30):
        step = torch.linalg.lstsq(
            torch.autograd.functional.hessian(loss, line), torch.func.grad(loss)(line)[:, None]
        ).solution
        line = line - step.squeeze(1)
    expected = (observed @ line[1:] + line[0]).sigmoid()
    assert torch.allclose(
        read_bias(tmp_path / "bias").log_probs[:, 1].double().exp(), expected, atol=2e-3
    )


def test_predictions_follow_their_rows_in_any_order(bias: BiasPredictions, shared: Any):
    data: Examples = shared.data
    turned = data.take([7, 0, 30])
    assert torch.equal(bias.of(turned, 2, "x"), bias.log_probs[[7, 0, 30]])
    assert torch.allclose(bias.log_probs.exp().sum(dim=1), torch.ones(40), atol=1e-5)
    assert len(set(row_ids(data).tolist())) == 40
    # the border between texts counts
    assert row_ids(Examples(("a b", "a"), ("c", "b c"), (0, 1))).unique().numel() == 2


def test_rows_without_a_prediction_are_counted_and_the_first_is_named(
    bias: BiasPredictions, shared: Any, pairs: Any
):
    data: Examples = shared.data
    mixed = Examples(
        data.texts[:3] + pairs(2, 5).texts,
        (data.pairs or ())[:3] + (pairs(2, 5).pairs or ()),
        (0,) * 5,
    )
    with pytest.raises(
        DataError, match=r"2 of the 5 rows of these have no bias prediction .* .the first is row 4"
    ):
        bias.of(mixed, 2, "these")


def test_folds_predict_rows_by_models_that_have_not_seen_them(pairs: Any, tmp_path: Path):
    """A bag of many words knows its own rows by heart; random labels hold nothing else."""
    train = pairs(60, 3)
    train = replace(
        train,
        labels=tuple(torch.randint(2, (60,), generator=torch.Generator().manual_seed(1)).tolist()),
    )
    observed = make_bias(BiasSpec("bag"), train, train, tmp_path / "seen")
    apart = make_bias(BiasSpec("bag", folds=5), train, train, tmp_path / "apart")
    assert observed["train_acc"]["value"] > 0.95 and apart["train_acc"]["value"] < 0.75


def test_the_same_rows_give_the_same_bytes(pairs: Any, tmp_path: Path):
    for name in ("one", "two"):
        make_bias(BiasSpec("overlap"), pairs(30, 1), pairs(10, 2), tmp_path / name)
    assert (tmp_path / "one" / "bias.safetensors").read_bytes() == (
        tmp_path / "two" / "bias.safetensors"
    ).read_bytes()
    assert json.loads((tmp_path / "one" / "bias.json").read_text())["rows"] == 30


@pytest.mark.parametrize("damage", ["cut", "none"])
def test_damaged_or_missing_predictions_are_refused(
    bias: BiasPredictions, tmp_path: Path, damage: str
):
    if damage == "cut":
        whole = (Path(bias.folder) / "bias.safetensors").read_bytes()
        (tmp_path / "bias.safetensors").write_bytes(whole[:-8])
    with pytest.raises(DataError, match="no readable bias predictions"):
        read_bias(tmp_path)


def test_bad_input_is_told_before_any_work(pairs: Any, vectors: str, tmp_path: Path):
    single = replace(pairs(10, 1), pairs=None)
    with pytest.raises(DataError, match="these rows hold single ones"):
        make_bias(BiasSpec("overlap"), single, single, tmp_path / "out")
    with pytest.raises(DataError, match="The training labels are 1"):
        make_bias(BiasSpec("bag"), replace(single, labels=(1,) * 10), single, tmp_path / "out")
    with pytest.raises(SettingError, match="'words' are unknown"):
        BiasSpec("words")
    with pytest.raises(SettingError, match="there are 1 folds"):
        BiasSpec(folds=1)
    with pytest.raises(SettingError, match="The penalty is inf"):
        BiasSpec(penalty=float("inf"))
    few = replace(single, labels=(0, 1, 1, 1, 1, 1, 1, 1, 1, 0))
    with pytest.raises(
        SettingError,
        match="There are 3 folds and 2 training rows of class 0; every fold needs rows",
    ):
        make_bias(BiasSpec("bag", folds=3), few, few, tmp_path / "out")
    with pytest.raises(ResourceError, match="cannot be read"):
        word_vectors(str(tmp_path / "missing.vec"))
    assert [path.name for path in tmp_path.iterdir()] == ["v.vec"]
