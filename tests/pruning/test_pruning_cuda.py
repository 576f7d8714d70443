"""What a card changes: nothing but rounding. Skipped where there is none."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from prunescope.engine.evaluation.measure import relative_error
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.pruning.pipeline import prune, prune_levels
from prunescope.engine.pruning.plan import Plan

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
METHODS = (
    "adaptive",
    "adaptive:centre=on,refit=cholesky",
    "p1",
    "sparsegpt",
    "sparsegpt-static",
    "wanda",
    "magnitude",
)


@pytest.fixture(scope="module")
def sides(
    write_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Victim, Victim]:
    """The same random classifier on the CPU and on the card; its LayerNorms' outputs add up to a
    constant.
    """
    folder = write_model(
        tmp_path_factory.mktemp("models") / "wide-bert",
        seed=3,
        hidden_size=128,
        intermediate_size=512,
    )
    return load_victim(str(folder), "cpu"), load_victim(str(folder), "cuda")


def zeros(victim: Victim) -> list[int]:
    return [int((weight == 0).sum()) for weight in victim.prunable().values()]


@pytest.mark.parametrize("pattern", ["unstructured", "2:4"])
@pytest.mark.parametrize("method", METHODS)
def test_the_card_prunes_as_well_as_the_cpu(
    sides: tuple[Victim, Victim], sentences: tuple[str, ...], method: str, pattern: str
):
    plan = Plan.named(method, pattern, force=True)
    here, there = (prune(victim, sentences, None, plan, 0.5).victim for victim in sides)
    assert sum(zeros(there)) == sum(zeros(here))
    dense = sides[0].read(sentences[:60])[1]
    errors = [relative_error(dense, victim.read(sentences[:60])[1]) for victim in (here, there)]
    assert errors[1] == pytest.approx(errors[0], rel=0.25, abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_twice_gives_the_same_bytes(
    sides: tuple[Victim, Victim], sentences: tuple[str, ...], method: str
):
    plan = Plan.named(method, force=True)
    first, second = (
        prune(sides[1], sentences, None, plan, 0.5).victim.prunable() for _ in range(2)
    )
    assert all(torch.equal(first[layer], second[layer]) for layer in first)


def test_levels_in_one_pass_equal_levels_apart(
    sides: tuple[Victim, Victim], sentences: tuple[str, ...]
):
    plan, levels = Plan.named("adaptive", force=True), (0.3, 0.6, 0.9)
    for level, made in zip(
        levels, prune_levels(sides[1], sentences, None, plan, levels), strict=True
    ):
        alone = prune(sides[1], sentences, None, plan, level).victim.prunable()
        assert all(
            torch.equal(alone[layer] == 0, weight == 0)
            for layer, weight in made.victim.prunable().items()
        )
