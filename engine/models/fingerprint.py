"""What tells victims apart: SHA-256 of their weights and of how they read texts."""

import hashlib
import json
from typing import Any

import torch

from prunescope.engine.store.checksums import sha256_of

# How the embedded base reads texts: its victims' keys are their weights alone, as they were before
# reading counted.
EMBEDDED_READING = "e76adda3aef9577e6181c0bc1f5d974cbd62981f53883d4e2f1b4ca6a4004b94"
PROBE = "The QUICK brown-fox, naïve café: it's 3.5 % “über” Straße? 你好 don't  re-read\tit #1 @x …"


def weights_sha256(model: torch.nn.Module) -> str:
    """SHA-256 over names, shapes, types and bytes of all parameters and buffers, sorted by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        value = tensor.detach().cpu().contiguous()
        digest.update(f"{name}|{tuple(value.shape)}|{value.dtype}|".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def fingerprint_of(model: Any, tokenizer: Any) -> str:
    """SHA-256 (hex) of everything that decides a victim's predictions, except its token limit:
    weights and `reading_sha256`.
    """
    weights, reading = weights_sha256(model), reading_sha256(model.config, tokenizer)
    return weights if reading == EMBEDDED_READING else sha256_of(f"{weights}|{reading}")


def reading_sha256(config: Any, tokenizer: Any) -> str:
    """SHA-256 of what a tokenizer makes of texts and of what the weights do not say of their use:
    the vocabulary, the ids of some of its words in capitals and not and of what else tokenizers
    treat differently, the activation, the number of heads and the ε of norms.
    """
    vocabulary = sorted(tokenizer.get_vocab().items())
    words = " ".join([word for word, _ in vocabulary if word.isalpha()][:50])
    activation = _first(config, "hidden_act", "activation", "activation_function")
    content = {
        "vocabulary": vocabulary,
        "activation": activation,
        "probes": [tokenizer(text)["input_ids"] for text in (PROBE, words, words.upper())],
        "heads": getattr(config, "num_attention_heads", None),
        "epsilon": _first(
            config, "layer_norm_eps", "rms_norm_eps", "norm_eps", "layer_norm_epsilon"
        ),
    }
    # What other architectures have beside; where none has it, reading is hashed as it always was
    for name in ("num_key_value_heads", "rope_theta", "sliding_window", "local_attention"):
        if (value := getattr(config, name, None)) is not None:
            content[name] = value
    return sha256_of(json.dumps(content, sort_keys=True))


def _first(config: Any, *names: str) -> Any:
    """The first of a configuration's settings that is there."""
    values = (getattr(config, name, None) for name in names)
    return next((value for value in values if value is not None), None)
