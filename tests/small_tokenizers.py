"""Small tokenizers of the kinds that models have, trained on the spot."""

from pathlib import Path
from typing import Any

from architectures import words_tokenizer
from small_models import WORDS
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

CORPUS = [" ".join(WORDS[start:] + WORDS[:start]) for start in range(len(WORDS))]


def byte_level(end: str = "<|endoftext|>", **settings: Any) -> PreTrainedTokenizerFast:
    """A byte-level BPE as GPT-2's and Llama 3's: no pad token, nothing added to a text, and a word
    has other tokens behind a space than at the beginning.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=[end],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=end,
        model_input_names=["input_ids", "attention_mask"],
        **settings,
    )


def sentence_pieces() -> PreTrainedTokenizerFast:
    """A unigram model over ▁words as SentencePiece's, with [CLS] and [SEP]; it keeps the case."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    trainer = trainers.UnigramTrainer(
        vocab_size=150,
        special_tokens=special,
        unk_token="[UNK]",
        initial_alphabet=letters,
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "attention_mask"],
    )


def tokenizer_of(kind: str, folder: Path) -> Any:
    """A tokenizer of the kind that an architecture's checkpoints have; of words for most."""
    if kind in ("gpt2", "modernbert"):
        return byte_level()
    if kind in ("llama", "qwen3"):
        return byte_level("<|end|>", pad_token="<|end|>", padding_side="left")
    if kind in ("deberta-v2", "gemma3_text"):
        return sentence_pieces()
    return words_tokenizer(folder)
