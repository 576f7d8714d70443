"""The pruner on architectures whose blocks are named otherwise."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine.models.victim import load_victim, weights_sha256
from engine.pruning.methods import METHODS
from engine.pruning.pipeline import prune


@pytest.mark.parametrize("family", ["distilbert", "electra"])
def test_other_families_are_pruned_as_well(
    write_model: Callable[..., Path], sentences: tuple[str, ...], tmp_path: Path, family: str
):
    dense = load_victim(str(write_model(tmp_path / family, family=family)), "cpu")
    wanted = dense.read(sentences[60:])[1]
    errors = {}
    for name in ("adaptive", "magnitude"):
        pruned = prune(dense, sentences[:60], None, METHODS[name], 0.5).victim
        for weight in pruned.prunable().values():
            assert int((weight == 0).sum()) * 2 == weight.numel()
        errors[name] = float(torch.dist(pruned.read(sentences[60:])[1], wanted))
    assert 0 < errors["adaptive"] < errors["magnitude"]
    assert weights_sha256(dense.model) == dense.fingerprint
