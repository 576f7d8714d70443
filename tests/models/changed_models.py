"""Ways to damage a copy of a model, and to see it refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from torch import Tensor

from prunescope.engine.errors import ModelError
from prunescope.engine.models.victim import load_victim

State = dict[str, Tensor]


def change_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_weights(folder: Path, change: Callable[[State], State]) -> None:
    state = change(load_file(folder / "model.safetensors"))
    tensors = {name: tensor.clone().contiguous() for name, tensor in state.items()}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def change_tokens(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what tokenizer.json says. A class of BERT's own would make most of it anew in
    transformers 5, so the class becomes the one that takes the file as it is.
    """
    tokens = json.loads((folder / "tokenizer.json").read_text())
    change(tokens)
    (folder / "tokenizer.json").write_text(json.dumps(tokens))
    change_json(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")


def renamed(change: Callable[[str], str]) -> Callable[[State], State]:
    return lambda state: {change(name): tensor for name, tensor in state.items()}


def set_value(folder: Path, name: str, value: float) -> None:
    def change(state: State) -> State:
        state[name].view(-1)[3:5] = value
        return state

    change_weights(folder, change)


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_victim(str(folder), "cpu")
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence
    return sentence
