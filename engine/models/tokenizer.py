"""The tokenizer of a model, from its folder or from the hub."""

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.models.auto.tokenization_auto import get_tokenizer_config

from prunescope.engine.errors import ModelError

# One of them holds the vocabulary. Where none is there, transformers 5 makes a tokenizer up.
VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
)
# What transformers 5 and 4 call the class of a tokenizer that is all in tokenizer.json, and what
# each has it give unless its config says otherwise: what a model was trained with.
OF_5, OF_4 = "TokenizersBackend", "PreTrainedTokenizerFast"
INPUTS = {
    OF_5: ("input_ids", "attention_mask"),
    OF_4: ("input_ids", "token_type_ids", "attention_mask"),
}


def open_tokenizer(source: str | Path, local_only: bool = True) -> Any:
    """The tokenizer of a local folder or a hub name, the same under transformers 4 and 5.

    Raises ModelError for a local folder without a vocabulary; what transformers raises of its own
    is passed on, and that may be anything.
    """
    if local_only and not any((Path(source) / file).is_file() for file in VOCABULARIES):
        raise ModelError(
            f"{source} has no tokenizer, none of {', '.join(VOCABULARIES)}; write it there with "
            "tokenizer.save_pretrained."
        )
    about = get_tokenizer_config(source, local_files_only=local_only)
    name = about.get("tokenizer_class")
    kind = PreTrainedTokenizerFast if name == OF_5 else AutoTokenizer
    inputs: dict[str, Any] = {}  # what is given here is saved with the tokenizer
    if name in INPUTS and "model_input_names" not in about:
        inputs["model_input_names"] = list(INPUTS[name])
    return kind.from_pretrained(
        source, local_files_only=local_only, trust_remote_code=False, **inputs
    )
