"""Small real models and data, written as a user would write them."""

from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertTokenizerFast,
    DistilBertTokenizerFast,
    ElectraTokenizerFast,
)

WORDS = (
    "the a an of and or not very film story actor music dull bright good bad great awful slow warm "
    "cold sharp weak strong "
    "funny sad plain rich poor long short fine grim sweet bitter loud quiet scene plot cast end "
    "start first last"
).split()


def vocabulary() -> list[str]:
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    return [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *WORDS,
        *letters,
        *(f"##{letter}" for letter in letters),
        ".",
        ",",
    ]


# what `write_model` writes
FAMILIES = ("bert", "roberta", "distilbert", "electra", "xlm-roberta", "camembert")
TOKENIZERS = {
    "bert": BertTokenizerFast,
    "distilbert": DistilBertTokenizerFast,
    "electra": ElectraTokenizerFast,
}


def write_model(
    folder: Path, family: str = "bert", layers: int = 2, seed: int = 0, **changes: object
) -> Path:
    """A random classifier with a small real tokenizer, saved as a user would save it; `changes` go
    into its config.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vocab = folder / "vocab.txt"
    vocab.write_text("\n".join(vocabulary()), encoding="utf-8")
    sizes: dict[str, object] = {
        "vocab_size": len(vocabulary()),
        "hidden_size": 32,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "num_labels": 2,
        "initializer_range": 0.3,
    }
    if family in TOKENIZERS:
        tokenizer = TOKENIZERS[family](str(vocab), do_lower_case=True)
    else:  # the RoBERTas: their tokenizers give no token types and their models know only one
        tokenizer = BertTokenizerFast(
            str(vocab), do_lower_case=True, model_input_names=["input_ids", "attention_mask"]
        )
        sizes |= {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "type_vocab_size": 1}
    if family == "distilbert":
        sizes["hidden_dim"] = sizes.pop("intermediate_size")
    if family == "electra":
        sizes["embedding_size"] = 16
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_config(
        AutoConfig.for_model(family, **(sizes | changes))
    )
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    return folder


def write_reviews(path: Path, rows: int, seed: int = 0) -> Path:
    """A TSV of `rows` distinct sentences of known words, with alternating labels."""
    generator = torch.Generator().manual_seed(seed)
    lines, seen = ["text\tlabel"], set()
    while len(lines) <= rows:
        length = int(torch.randint(3, 15, (1,), generator=generator))
        text = " ".join(
            WORDS[i] for i in torch.randint(len(WORDS), (length,), generator=generator).tolist()
        )
        if text not in seen:
            seen.add(text)
            lines.append(f"{text}\t{len(lines) % 2}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
