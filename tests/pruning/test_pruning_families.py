"""The pruner on architectures whose blocks are named otherwise."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from prunescope.engine.models.fingerprint import fingerprint_of
from prunescope.engine.models.victim import load_victim
from prunescope.engine.pruning.methods import METHODS
from prunescope.engine.pruning.pipeline import prune


@pytest.mark.parametrize("family", ["roberta", "distilbert", "electra", "xlm-roberta", "camembert"])
def test_other_families_are_pruned_as_well(
    write_model: Callable[..., Path], sentences: tuple[str, ...], tmp_path: Path, family: str
):
    dense = load_victim(str(write_model(tmp_path / family, family=family)), "cpu")
    wanted = dense.read(sentences[60:])[1]
    errors = {}
    for name in ("adaptive", "magnitude"):
        pruned = prune(dense, sentences[:60], None, METHODS[name], 0.5).victim
        weights = pruned.prunable().values()
        assert sum(int((weight == 0).sum()) for weight in weights) * 2 == sum(
            weight.numel() for weight in weights
        )
        errors[name] = float(torch.dist(pruned.read(sentences[60:])[1], wanted))
    assert 0 < errors["adaptive"] < errors["magnitude"]
    assert fingerprint_of(dense.model, dense.tokenizer) == dense.fingerprint


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra"])
def test_the_papers_head_is_re_solved_in_every_family(
    write_model: Callable[..., Path], sentences: tuple[str, ...], tmp_path: Path, family: str
):
    dense = load_victim(str(write_model(tmp_path / family, family=family)), "cpu")
    pruned = prune(dense, sentences[:60], None, METHODS["p1"], 0.5).victim
    packed = {weight.data_ptr() for weight in pruned.prunable().values()}
    before = dense.model.state_dict()
    changed = {
        name
        for name, value in pruned.model.state_dict().items()
        if value.data_ptr() not in packed and not torch.equal(value, before[name])
    }
    assert changed == {
        "bert": {"bert.pooler.dense.weight", "classifier.weight"},
        "distilbert": {"pre_classifier.weight", "classifier.weight"},
    }.get(family, {"classifier.dense.weight", "classifier.out_proj.weight"})
