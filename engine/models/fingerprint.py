"""What tells victims apart: SHA-256 of their weights and of how they read texts."""

import hashlib
import json
import re
from typing import Any

import torch

from prunescope.engine.store.checksums import sha256_of

# How the embedded base reads texts: its victims' keys are their weights alone, as they were before
# reading counted.
EMBEDDED_READING = "e76adda3aef9577e6181c0bc1f5d974cbd62981f53883d4e2f1b4ca6a4004b94"
# Architectures of which only the settings below count, as they always did: keys of stored studies
# depend on it.
HASHED_IN_PART = ("bert", "roberta", "distilbert", "electra", "xlm-roberta", "camembert")
# Settings of other architectures that change no answer: names, versions, and what only training and
# writing text use.
IGNORED = re.compile(
    r"^_|transformers_version|architectures|id2label|label2id|num_labels|problem_type|dtype|use_cache"
    r"|output_(attentions|hidden_states)|dropout|initializer|return_dict|torchscript|task|tokenizer_class"
    r"|prefix|generate|beam|temperature|top_[kp]|typical_p|penalty|do_sample|no_repeat|bad_words"
    r"|max_length|min_length|early_stopping|suppress|forced_|remove_invalid|chunk_size"
)
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
    treat differently, the activation, the number of heads and the ε of norms; of architectures
    outside HASHED_IN_PART the whole configuration, and how a pair is read.
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
    if config.model_type in HASHED_IN_PART:  # their keys are older than the rest
        unusual = ("position_embedding_type", "is_decoder")
        content |= {
            name: value
            for name in unusual
            if (value := getattr(config, name, None)) not in (None, False, "absolute")
        }
    else:
        content |= {
            "config": {
                name: value for name, value in config.to_dict().items() if not IGNORED.search(name)
            },
            "pair": dict(tokenizer(PROBE, PROBE)),
        }
    return sha256_of(json.dumps(content, sort_keys=True, default=str))


def _first(config: Any, *names: str) -> Any:
    """The first of a configuration's settings that is there."""
    values = (getattr(config, name, None) for name in names)
    return next((value for value in values if value is not None), None)
