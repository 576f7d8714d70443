"""Small random classifiers of many architectures, with a tokenizer of whole words."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from small_models import vocabulary
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertTokenizerFast,
    PreTrainedTokenizerFast,
)

SIZES: dict[str, Any] = {
    "vocab_size": len(vocabulary()),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "num_labels": 3,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
}
# decoders whose heads share keys and values
GROUPED = {**SIZES, "num_key_value_heads": 2, "head_dim": 8}


@dataclass(frozen=True)
class Kind:
    """A small configuration, and what is known of its architecture."""

    sizes: dict[str, Any]
    # linears of a block, in the order in which they run: those of one group in one string
    groups: tuple[str, ...]
    residual: str  # those to whose outputs something is added that is known before
    heads: tuple[str, ...]
    reads: str  # which last hidden states the head reads
    pads: bool = True  # whether a text is the same beside padding

    def but(self, sizes: dict[str, Any] | None = None, **changes: Any) -> "Kind":
        """The same with other sizes (None: without), or with something else known of it."""
        whole = {
            key: value for key, value in (self.sizes | (sizes or {})).items() if value is not None
        }
        return replace(self, sizes=whole, **changes)


BERT = Kind(
    SIZES,
    ("query key value", "attention_output", "intermediate", "output"),
    "attention_output output",
    ("classifier.dense", "classifier.out_proj"),
    "first",
)
POOLED = BERT.but(heads=("bert.pooler.dense", "classifier"))
LLAMA = Kind(
    GROUPED,
    ("q_proj k_proj v_proj", "o_proj", "gate_proj up_proj", "down_proj"),
    "o_proj down_proj",
    ("score",),
    "last",
)
FUSED = LLAMA.but(
    groups=("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"),
    residual="dense dense_4h_to_h",
)
ONE_TYPE = {"type_vocab_size": 1}  # as the RoBERTas have

KINDS = {
    "bert": POOLED,
    "roberta": BERT.but(ONE_TYPE),
    "electra": BERT.but({"embedding_size": 16}),
    "xlm-roberta": BERT.but(ONE_TYPE),
    "camembert": BERT.but(ONE_TYPE),
    "distilbert": BERT.but(
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
        heads=("pre_classifier", "classifier"),
    ),
    "mpnet": BERT.but(groups=("q k v", "o", "intermediate", "output"), residual="o output"),
    "deberta": BERT.but(
        {
            "relative_attention": True,
            "pos_att_type": ["c2p", "p2c"],
            "max_relative_positions": 8,
        },
        groups=("in_proj", "pos_proj pos_q_proj", *BERT.groups[1:]),
        heads=("pooler.dense", "classifier"),
    ),
    "deberta-v2": BERT.but(
        {
            "relative_attention": True,
            "pos_att_type": ["c2p", "p2c"],
            "position_buckets": 8,
            "share_att_key": True,
            "norm_rel_ebd": "layer_norm",
            "position_biased_input": False,
            "type_vocab_size": 0,
        },
        groups=("query_proj key_proj", "value_proj", *BERT.groups[1:]),
        heads=("pooler.dense", "classifier"),
    ),
    "modernbert": BERT.but(
        {"global_attn_every_n_layers": 2, "local_attention": 4, "classifier_pooling": "cls"},
        groups=("Wqkv", "attn_Wo", "Wi", "mlp_Wo"),
        residual="attn_Wo mlp_Wo",
        heads=("head.dense", "classifier"),
    ),
    "convbert": BERT.but(
        {"embedding_size": 16, "conv_kernel_size": 3},
        groups=("query key value conv_out_layer", "conv_kernel_layer", *BERT.groups[1:]),
        pads=False,
    ),
    "ernie": POOLED.but(heads=("ernie.pooler.dense", "classifier")),
    "esm": BERT.but({"mask_token_id": 4, "token_dropout": True}),
    "nystromformer": BERT.but({"num_landmarks": 8, "segment_means_seq_len": 8}, pads=False),
    "rembert": POOLED.but(heads=("rembert.pooler.dense", "classifier")),
    "roformer": BERT.but({"embedding_size": 16}),
    "data2vec-text": BERT.but(ONE_TYPE),
    "megatron-bert": POOLED,
    "roberta-prelayernorm": BERT.but(ONE_TYPE),
    "layoutlm": POOLED.but(heads=("layoutlm.pooler.dense", "classifier")),
    "big_bird": BERT.but(
        {"attention_type": "original_full"},
        heads=("bert.pooler", "classifier.dense", "classifier.out_proj"),
    ),
    "gpt2": LLAMA.but(
        {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
        groups=("c_attn", "attn_c_proj", "c_fc", "mlp_c_proj"),
        residual="attn_c_proj mlp_c_proj",
    ),
    "gpt_neox": FUSED,
    "gpt_neo": LLAMA.but(
        {"num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]]},
        groups=("k_proj v_proj q_proj", "out_proj", "c_fc", "c_proj"),
        residual="out_proj c_proj",
    ),
    "opt": LLAMA.but(
        {"ffn_dim": 64, "word_embed_proj_dim": 32},
        groups=("k_proj v_proj q_proj", "out_proj", "fc1", "fc2"),
        residual="out_proj fc2",
    ),
    "bloom": FUSED.but({"n_layer": 2, "n_head": 4}),
    "falcon": FUSED.but(
        {"head_dim": None}, groups=("query_key_value dense_h_to_4h", "dense", "dense_4h_to_h")
    ),
    "llama": LLAMA,
    "mistral": LLAMA,
    "qwen2": LLAMA,
    "qwen3": LLAMA,
    "gemma": LLAMA,
    # what is added to the others is normalised first
    "gemma2": LLAMA.but(residual=""),
    "gemma3_text": LLAMA.but(residual=""),
    "phi": LLAMA.but(groups=("q_proj k_proj v_proj fc1", "dense", "fc2"), residual="dense fc2"),
    "phi3": LLAMA.but(groups=("qkv_proj", "o_proj", "gate_up_proj", "down_proj")),
    "smollm3": LLAMA,
    "stablelm": LLAMA,
    "starcoder2": LLAMA.but(
        groups=("q_proj k_proj v_proj", "o_proj", "c_fc", "c_proj"), residual="o_proj c_proj"
    ),
    "glm": LLAMA.but(groups=("q_proj k_proj v_proj", "o_proj", "gate_up_proj", "down_proj")),
    "biogpt": LLAMA.but(
        groups=("k_proj v_proj q_proj", "out_proj", "fc1", "fc2"), residual="out_proj fc2"
    ),
    "exaone4": LLAMA.but(residual=""),
    "helium": LLAMA,
    "arcee": LLAMA.but(groups=("q_proj k_proj v_proj", "o_proj", "up_proj", "down_proj")),
    "ministral": LLAMA,
    "seed_oss": LLAMA,
    "modernbert-decoder": LLAMA.but(
        {"global_attn_every_n_layers": 2, "local_attention": 4},
        groups=("q_proj k_proj v_proj", "attn_Wo", "Wi", "mlp_Wo"),
        residual="attn_Wo mlp_Wo",
        heads=("head.dense", "classifier"),
    ),
}


def words_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """A tokenizer of whole words and letters, with [CLS] and [SEP], that gives no token types.

    It is of no class of its own: transformers 5 reads some architectures' texts by their own class.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "vocab.txt"
    file.write_text("\n".join(vocabulary()), encoding="utf-8")
    return PreTrainedTokenizerFast(
        tokenizer_object=BertTokenizerFast(str(file)).backend_tokenizer,
        model_input_names=["input_ids", "attention_mask"],
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def random_model(model_type: str, seed: int = 0, **sizes: Any) -> Any:
    """A classifier whose every parameter is random, biases and norms included, so that none can
    stand in for another.
    """
    torch.manual_seed(seed)
    config = AutoConfig.for_model(model_type, **sizes)
    model = AutoModelForSequenceClassification.from_config(config)
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim == 1:
            parameter.data += 0.2 * noise
        else:
            parameter.data = noise * 1.5 / parameter[0].numel() ** 0.5
    return model.eval()


def write_architecture(folder: Path, kind: str, seed: int = 0, **changes: Any) -> Path:
    """A classifier of a kind of KINDS, saved as a user would save it; `changes` go into its
    config.
    """
    model = random_model(kind, seed, **KINDS[kind].sizes | changes)
    model.save_pretrained(folder, safe_serialization=True)
    words_tokenizer(folder).save_pretrained(folder)
    return folder
