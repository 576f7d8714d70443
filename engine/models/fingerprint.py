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
# writing text use. What is off or empty is left out too: transformers 4 and 5 differ there.
IGNORED = re.compile(
    r"^_|transformers_version|architectures|2label|label2id|num_labels|problem_type|dtype|use_cache"
    r"|use_bfloat16|output_(attentions|hidden_states)|dropout|initializer|return_dict|torchscript"
    r"|finetuning_task|tokenizer_class|prefix|generate|beam|temperature|top_[kp]|typical_p|penalty"
    r"|do_sample|no_repeat|bad_words|max_length|min_length|early_stopping|suppress|forced_"
    r"|remove_|chunk_size|rope_|tf_legacy_loss|output_scores|repad_|num_return_sequences"
    r"|_token_id|tie_|pruned_heads|cross_attention|task_spec"
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
            "config": _settings(config),
            "rope": _rope(config),
            "pad": getattr(config, "pad_token_id", None),
            "pair": dict(tokenizer(PROBE, PROBE)),
        }
    return sha256_of(json.dumps(content, sort_keys=True, default=str))


def _first(config: Any, *names: str) -> Any:
    """The first of a configuration's settings that is there."""
    values = (getattr(config, name, None) for name in names)
    return next((value for value in values if value is not None), None)


def _settings(config: Any) -> dict[str, Any]:
    """The settings of a configuration that may change an answer."""
    return {
        name: value
        for name, value in config.to_dict().items()
        if value not in (None, False, "", "absolute", [], {}) and not IGNORED.search(name)
    }


def _rope(config: Any) -> dict[str, Any]:
    """The rotary settings that differ from the usual, as transformers 4 and 5 both have them."""
    bases = ("rope_theta", "global_rope_theta", "local_rope_theta", "rope_local_base_freq")
    given = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    merged = {name: getattr(config, name, None) for name in bases} | given
    merged = {name: value for name, value in merged.items() if value is not None}
    usual = {"rope_type": "default", "type": "default"}
    return {name: value for name, value in merged.items() if usual.get(name) != value}
