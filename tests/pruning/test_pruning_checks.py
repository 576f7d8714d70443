"""What is checked before pruning, and notices about zeros that the dense model already has."""

import math

import pytest
import torch
from pruned_models import output_error, same_weights, zeros
from torch import Tensor

from prunescope.engine.errors import ModelError, SettingError
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.methods import METHODS, method_named
from prunescope.engine.pruning.pipeline import prune, prune_levels
from prunescope.engine.pruning.plan import Plan, Pruned
from prunescope.engine.records import MODULES

LAYERS = [f"{block}.{name}" for block in range(2) for name in MODULES]
CALIBRATED = [name for name, method in METHODS.items() if method.calibrated]


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, math.nan])
def test_sparsity_outside_its_range_is_an_error(
    dense: Victim, sentences: tuple[str, ...], sparsity: float
):
    with pytest.raises(SettingError, match="outside"):
        prune(dense, sentences, None, METHODS["magnitude"], sparsity)
    with pytest.raises(SettingError, match="outside"):  # at once, not when the level's turn comes
        prune_levels(dense, sentences, None, METHODS["magnitude"], (0.5, sparsity))


@pytest.mark.parametrize("name", CALIBRATED)
def test_empty_calibration_is_an_error(dense: Victim, name: str):
    with pytest.raises(SettingError, match=f"'{name}' needs calibration text"):
        prune_levels(dense, [], None, METHODS[name], (0.5,))


def test_magnitude_needs_no_calibration(dense: Victim, halves: dict[str, Pruned]):
    alone = prune(dense, [], None, METHODS["magnitude"], 0.5)
    assert same_weights(alone.victim, halves["magnitude"].victim)


def text_of(
    dense: Victim, sentences: tuple[str, ...], low: int, high: int
) -> tuple[tuple[str, ...], int]:
    """As many sentences as have between `low` and `high` tokens, and how many they have."""
    found, tokens = [], 0
    for text in sentences:
        more = len(dense.encode([text])["input_ids"][0])
        if tokens + more < high:
            found, tokens = [*found, text], tokens + more
    assert low <= tokens < high
    return tuple(found), tokens


@pytest.mark.parametrize(
    "name", ["adaptive", "p1", "sparsegpt", "sparsegpt-static", "magnitude:target=adaptive"]
)
def test_less_than_a_token_an_input_is_refused_or_forced(
    dense: Victim, sentences: tuple[str, ...], name: str
):
    texts, tokens = text_of(dense, sentences, 50, 64)
    with pytest.raises(
        SettingError,
        match=rf"^{tokens} calibration tokens are 0\.\d\d for each of the 64 inputs of layer "
        rf"0.output; below one .* `force` it",
    ):
        prune(dense, texts, None, Plan.named(name), 0.5)
    forced = prune(dense, texts, None, Plan.named(name, force=True), 0.5)
    assert forced.achieved == 0.5 and all(
        bool(w.isfinite().all()) for w in forced.victim.prunable().values()
    )
    assert len(forced.notices) == 1 and forced.notices[0].startswith(f"{tokens} calibration tokens")


@pytest.mark.parametrize(
    ("low", "high", "noticed"), [(64, 80, True), (180, 192, True), (192, 206, False)]
)
def test_less_than_three_tokens_an_input_is_noticed(
    dense: Victim, sentences: tuple[str, ...], low: int, high: int, noticed: bool
):
    texts, tokens = text_of(dense, sentences, low, high)
    notices = prune(dense, texts, None, METHODS["sparsegpt"], 0.5).notices
    assert len(notices) == noticed
    assert all(
        f"{tokens} calibration tokens are {tokens / 64:.2f} for" in said and "below about 3" in said
        for said in notices
    )


@pytest.mark.parametrize("name", ["wanda", "magnitude"])
def test_norms_of_inputs_need_few_tokens(dense: Victim, sentences: tuple[str, ...], name: str):
    assert prune(dense, sentences[:1], None, METHODS[name], 0.5).notices == ()


def test_a_refit_needs_tokens_whatever_chose_the_weights(dense: Victim, sentences: tuple[str, ...]):
    with pytest.raises(SettingError, match="below one the statistics are singular"):
        prune(dense, sentences[:1], None, method_named("wanda:refit=cg"), 0.5)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", METHODS)
def test_weights_that_are_not_finite_are_refused_by_name(
    dense: Victim, sentences: tuple[str, ...], name: str, value: float
):
    broken = dense.copy()
    broken.prunable()["1.intermediate"][3, 4] = value
    with pytest.raises(
        ModelError, match=f"Layer 1.intermediate of {dense.name} contains NaN or Inf"
    ):
        prune_levels(broken, sentences, None, METHODS[name], (0.0,))


def test_groups_that_do_not_divide_a_width_are_refused(dense: Victim, sentences: tuple[str, ...]):
    with pytest.raises(SettingError, match=r"2:5 does not divide the 32 inputs of layer 0\.query"):
        prune_levels(dense, sentences, None, Plan.named("adaptive", "2:5"), (0.0, 0.6))
    with pytest.raises(SettingError, match=r"2:4 has a sparsity of 0\.5 and cannot reach 0\.6"):
        prune_levels(dense, sentences, None, Plan.named("adaptive", "2:4"), (0.0, 0.6))


def test_unknown_layers_are_refused(dense: Victim, sentences: tuple[str, ...]):
    with pytest.raises(SettingError, match="no layer '7'"):
        prune_levels(dense, sentences, None, Plan.named("magnitude", layers="7=0"), (0.5,))


@pytest.fixture(scope="module")
def sparse(dense: Victim) -> Victim:
    """A victim that somebody pruned before, to 70 % in every layer."""
    return prune(dense, [], None, METHODS["magnitude"], 0.7).victim


def zeros_of(victim: Victim) -> dict[str, Tensor]:
    return {layer: weight == 0 for layer, weight in victim.prunable().items()}


@pytest.mark.parametrize(
    "name", [*METHODS, "adaptive:refit=none", "adaptive:refit=exact", "adaptive:solver=sparsegpt"]
)
@pytest.mark.parametrize("level", [0.3, 0.5])
def test_no_weight_comes_back_where_a_model_has_more_zeros_than_asked_for(
    sparse: Victim, sentences: tuple[str, ...], name: str, level: float
):
    made = prune(sparse, sentences[:60], None, Plan.named(name, "unstructured", "uniform"), level)
    memory_of_each = {
        weight.untyped_storage().data_ptr() for weight in made.victim.prunable().values()
    }
    assert len(memory_of_each) == len(LAYERS)  # or they could not be saved
    if METHODS[
        name.partition(":")[0]
    ].rows:  # zeros of a row are its own: rows with fewer than their share are solved
        assert made.achieved >= level
        return
    assert all(
        torch.equal(now, zeros_of(sparse)[layer]) for layer, now in zeros_of(made.victim).items()
    )
    assert len(made.notices) == 1 and made.notices[0].startswith(
        "The dense model already has 70.0% zeros. "
    )
    assert made.notices[0].endswith(f"the sparsity is 70.0% where {100 * level:g}% was requested.")


def test_the_default_keeps_what_a_sparser_model_saves(sparse: Victim, sentences: tuple[str, ...]):
    """With sparsity by equal loss too, no level has fewer zeros than the model was given with."""
    levels = list(
        prune_levels(sparse, sentences[:60], None, METHODS["adaptive"], (0.3, 0.5, 0.7, 0.9))
    )
    own = sum(map(zeros, sparse.prunable().values())) / sum(
        weight.numel() for weight in sparse.prunable().values()
    )
    for made in levels:
        assert made.achieved >= max(own, made.sparsity) - 1e-9
        filled = sum(
            int((weight[zeros_of(sparse)[layer]] != 0).sum())
            for layer, weight in made.victim.prunable().items()
        )
        told_of = [said for said in made.notices if "hold weights again" in said]
        assert len(told_of) == (filled > 12)  # a thousandth of the weights
        assert (
            not told_of
            or f"it had 70.0% zeros, the pruned model has {100 * made.achieved:.1f}%" in told_of[0]
        )


def test_a_pattern_that_moves_zeros_says_so(sparse: Victim, sentences: tuple[str, ...]):
    made = prune(sparse, sentences[:60], None, Plan.named("adaptive", "2:4"), 0.5)
    filled = sum(
        int((weight[zeros_of(sparse)[layer]] != 0).sum())
        for layer, weight in made.victim.prunable().items()
    )
    assert filled > 0 and made.achieved == 0.5
    own = sum(map(zeros, sparse.prunable().values()))
    assert made.notices[-1] == (
        f"{100 * filled / own:.1f}% of the dense model's zeros hold weights again, because other "
        "weights were removed: it had 70.0% zeros, the pruned model has 50.0%."
    )
    again = prune(made.victim, sentences[:60], None, Plan.named("adaptive", "2:4"), 0.5)
    assert not any("hold weights" in said for said in again.notices)
    assert all(
        torch.equal(now, zeros_of(made.victim)[layer])
        for layer, now in zeros_of(again.victim).items()
    )


def test_a_refit_still_corrects_a_layer_that_has_its_zeros(
    dense: Victim, sentences: tuple[str, ...]
):
    """Only the last block was sparse: its weights answer to what pruning did to the first, its
    zeros stay.
    """
    mixed = prune(dense, [], None, Plan.named("magnitude", layers="0=0"), 0.7).victim
    refitted, left = (
        prune(
            mixed, sentences, None, Plan.named(f"adaptive:refit={how}", allocation="uniform"), 0.5
        ).victim
        for how in ("cg", "none")
    )
    assert output_error(mixed, refitted, sentences) < output_error(mixed, left, sentences)
    assert all(
        torch.equal(zeros_of(refitted)[layer], zeros_of(mixed)[layer])
        for layer in LAYERS
        if layer[0] == "1"
    )
    assert all(
        torch.equal(left.prunable()[layer], mixed.prunable()[layer])
        for layer in LAYERS
        if layer[0] == "1"
    )
