"""What the pruning tests share: calibration sentences, and writing models of other families."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from prunescope.engine.data import load_dataset
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.pruning.methods import METHODS
from prunescope.engine.pruning.pipeline import prune
from prunescope.engine.pruning.plan import Pruned


@pytest.fixture(scope="session")
def write_model(pytestconfig: pytest.Config) -> Callable[..., Path]:
    """`write_model` of tests/conftest.py, whose module name is ambiguous between folders."""
    house = pytestconfig.pluginmanager.get_plugin(str(Path(__file__).parents[1] / "conftest.py"))
    return house.write_model


@pytest.fixture(scope="session")
def sentences(data_folder: Path) -> tuple[str, ...]:
    train = load_dataset(str(data_folder)).train
    assert train is not None
    return train.texts


@pytest.fixture(scope="module")
def dense(model_folder: Path) -> Victim:
    return load_victim(str(model_folder), "cpu")


@pytest.fixture(scope="module")
def halves(dense: Victim, sentences: tuple[str, ...]) -> dict[str, Pruned]:
    """The dense model at a sparsity of 50% by every method."""
    return {name: prune(dense, sentences, None, method, 0.5) for name, method in METHODS.items()}


@pytest.fixture(scope="session")
def draw() -> Callable[..., Tensor]:
    """Standard normal numbers of a shape and a seed, in float64."""
    return lambda *shape, seed=0: torch.randn(
        *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


@pytest.fixture(scope="session")
def inputs_of() -> Callable[[Victim, tuple[str, ...]], dict[str, Tensor]]:
    """Finds `block.module` → its input over the real tokens of texts read one by one through the
    plain model, in float64.
    """

    def found(victim: Victim, texts: tuple[str, ...]) -> dict[str, Tensor]:
        seen: dict[str, list[Tensor]] = {}
        hooks = []
        for name, linear in victim.linears().items():
            kept = seen.setdefault(name, [])
            hooks.append(
                linear.module.register_forward_hook(
                    lambda _m, given, _o, kept=kept: kept.append(
                        given[0].reshape(-1, given[0].shape[-1]).double()
                    )
                )
            )
        with torch.no_grad():
            for text in texts:
                given = victim.tokenizer(text, return_tensors="pt")
                victim.model(
                    **{
                        name: given[name]
                        for name in given
                        if name != "token_type_ids" or victim.architecture.name == "bert"
                    }
                )
        for hook in hooks:
            hook.remove()
        return {name: torch.cat(parts) for name, parts in seen.items()}

    return found
