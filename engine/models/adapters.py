"""LoRA adapters merged into a base's tensors by their definition: W + (B A) · α / r.

peft does the same by building a second model around the first one, and takes longer to import than
PyTorch does. What these adapters do not say plainly is left to it.
"""

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

PREFIX = "base_model.model."
ORDINARY: dict[str, Any] = {
    "alora_invocation_tokens": None,
    "alpha_pattern": {},
    "arrow_config": None,
    "bias": "none",
    "exclude_modules": None,
    "fan_in_fan_out": False,
    "kasa_config": None,
    "layer_replication": None,
    "layers_to_transform": None,
    "lora_bias": False,
    "peft_type": "LORA",
    "rank_pattern": {},
    "target_parameters": None,
    "trainable_token_indices": None,
    "use_bdlora": None,
    "use_dora": False,
    "use_qalora": False,
    "use_rslora": False,
}  # and nothing else that changes how weights are merged
SMALL_STARTS = (True, False, "gaussian")  # of training: others (PiSSA, OLoRA) change the base


@contextmanager
def old_names() -> Iterator[None]:
    """In the body, peft may ask a model for what transformers 5 has renamed, without a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is", FutureWarning)
        yield


def is_ordinary(adapter: Path) -> bool:
    """Whether an adapter is of the kind that this program writes."""
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    named = isinstance(config.get("target_modules"), str)  # an expression, not endings
    whole = config.get("init_lora_weights", True) in SMALL_STARTS
    return (
        named
        and whole
        and all(config.get(name, usual) == usual for name, usual in ORDINARY.items())
    )


def merged_state(state: Mapping[str, Tensor], adapter: Path) -> dict[str, Tensor]:
    """A base's tensors with an ordinary adapter merged into them; others are the base's own, and
    the base is left as it is.

    Raises KeyError for an adapter of another base or without one of its weights, OSError or
    ValueError for a damaged one.
    """
    config: dict[str, Any] = json.loads(
        (adapter / "adapter_config.json").read_text(encoding="utf-8")
    )
    scale = config["lora_alpha"] / config["r"]
    own = {
        name.removeprefix(PREFIX): tensor.float()
        for name, tensor in load_file(adapter / "adapter_model.safetensors").items()
    }
    modules = [name.removesuffix(".weight") for name in state if name.endswith(".weight")]
    merged = dict(state) | {name: own[name] for name in own if ".lora_" not in name}
    for module in filter(re.compile(config["target_modules"]).fullmatch, modules):
        # In the order in which peft rounds, so that the weights stay the same to the bit.
        delta = (own[f"{module}.lora_B.weight"] @ own[f"{module}.lora_A.weight"]) * scale
        merged[f"{module}.weight"] = state[f"{module}.weight"] + delta
    if unknown := sorted(set(merged) - set(state)):
        raise KeyError(f"the base has no {unknown[0]}")
    return merged
