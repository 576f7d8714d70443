"""Classifiers that are refused in one sentence, and those that look odd and are read all the
same.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from architectures import GROUPED, KINDS, SIZES, random_model, words_tokenizer, write_architecture
from changed_models import change_json, refused
from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
from transformers import __version__ as version
from transformers.modeling_outputs import BaseModelOutput

from prunescope.engine.models.base import open_base
from prunescope.engine.models.victim import Victim, load_victim

TEXTS = (
    "good film",
    "the long and slow film of the very long and dull cast is not good and not bad it is plain",
    "bad",
    "the plot and the actor and a quiet scene",
)


def written(folder: Path, model_type: str, **sizes: Any) -> Path:
    """A random classifier of any architecture, with the tokenizer of words."""
    random_model(model_type, **sizes).save_pretrained(folder)
    words_tokenizer(folder).save_pretrained(folder)
    return folder


XLNET = {
    "vocab_size": SIZES["vocab_size"],
    "num_labels": 3,
    "d_model": 32,
    "n_layer": 2,
    "n_head": 4,
    "d_inner": 64,
}
EXPERTS = {**GROUPED, "num_local_experts": 8, "num_experts_per_tok": 1}
BOTH = {
    **SIZES,
    "d_model": 32,
    **{f"{part}_layers": 2 for part in ("encoder", "decoder")},
    **{f"{part}_attention_heads": 4 for part in ("encoder", "decoder")},
    **{f"{part}_ffn_dim": 64 for part in ("encoder", "decoder")},
    "decoder_start_token_id": 2,
}


# transformers 5 keeps experts as plain parameters
MIXTURE = "that a text need not" if version.startswith("4.") else "lie outside linear layers, as"


@pytest.mark.parametrize(
    ("model_type", "sizes", "says"),
    [
        ("xlnet", XLNET, "% of the weights in m's blocks lie outside linear layers, as transfo"),
        ("luke", {**SIZES, "entity_vocab_size": 10}, "linear layers that a text need not reach"),
        ("ibert", SIZES, "has no list of equal blocks with linear layers"),
        (
            "mixtral",
            EXPERTS,
            MIXTURE,
        ),
        ("bart", BOTH, "has an encoder and a decoder, which are not supported"),
    ],
)
def test_architectures_that_are_not_pruned(
    tmp_path: Path, model_type: str, sizes: dict[str, Any], says: str
) -> None:
    assert says in refused(written(tmp_path / "m", model_type, **sizes))


def test_a_quantised_model(tmp_path: Path) -> None:
    folder = write_architecture(tmp_path / "m", "llama")
    change_json(
        folder / "config.json",
        quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True},
    )
    assert "m is quantised (quantization_config in its config.json), and only" in refused(folder)


def test_a_model_with_code_of_its_own(tmp_path: Path) -> None:
    folder = write_architecture(tmp_path / "m", "bert")
    mark = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    change_json(
        folder / "config.json",
        model_type="nobody-knows",
        auto_map={"AutoConfig": "own.Config", "AutoModelForSequenceClassification": "own.Model"},
    )
    assert "needs code of its own (auto_map in its config.json), and nothing" in refused(folder)
    assert not mark.exists()


def test_a_model_type_that_nobody_knows(tmp_path: Path) -> None:
    folder = write_architecture(tmp_path / "m", "bert")
    change_json(folder / "config.json", model_type="nobody-knows")
    assert "m is unknown to transformers " in refused(folder)


@pytest.mark.parametrize("kind", ["modernbert", "llama"])
def test_a_model_that_gives_a_number(tmp_path: Path, kind: str) -> None:
    folder = write_architecture(tmp_path / "m", kind, num_labels=1)
    assert "m has num_labels 1: it gives a number for a text" in refused(folder)


def test_one_weight_in_two_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a model class of its own may tie them."""
    folder = write_architecture(tmp_path / "m", "llama")
    real = AutoModelForSequenceClassification.from_pretrained

    def tied(*args: Any, **kwargs: Any) -> Any:
        model, info = real(*args, **kwargs)
        first, second = model.model.layers
        second.mlp.up_proj.weight = first.mlp.up_proj.weight
        return model, info

    monkeypatch.setattr(AutoModelForSequenceClassification, "from_pretrained", tied)
    assert (
        "m uses one weight for several layers, model.layers.0.mlp.up_proj and "
        "model.layers.1.mlp.up_proj, which would be pruned for one of them alone" in refused(folder)
    )


# Read all the same


def expected(folder: Path, texts: tuple[str, ...] = TEXTS, **settings: Any) -> Tensor:
    """The logits of every text alone, by the library."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, **settings).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        return torch.cat(
            [
                model(
                    **{
                        name: torch.tensor([ids])
                        for name, ids in tokenizer(text).items()
                        if name != "token_type_ids"
                    }
                ).logits
                for text in texts
            ]
        )


def same(victim: Victim, logits: Tensor) -> None:
    torch.testing.assert_close(victim.read(TEXTS)[0], logits, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen3", "gemma3_text", "bloom"])
def test_a_causal_model_without_a_pad_token(tmp_path: Path, kind: str) -> None:
    folder = write_architecture(tmp_path / "m", kind)
    logits = expected(folder)
    change_json(folder / "config.json", pad_token_id=None)
    victim = load_victim(str(folder), "cpu")
    (notice,) = victim.notices
    assert notice == (
        "The config of m has no pad_token_id, by which its head finds the last token of a text in "
        "a batch; texts are padded with '[PAD]'."
    )
    same(victim, logits)


def test_a_causal_model_and_a_tokenizer_without_pad_tokens(tmp_path: Path) -> None:
    """Padded with the end of a text, of which the tokenizer writes none."""
    folder = write_architecture(tmp_path / "m", "gpt2")
    logits = expected(folder)
    change_json(folder / "config.json", pad_token_id=None)
    change_json(folder / "tokenizer_config.json", pad_token=None, eos_token="[MASK]")
    (folder / "special_tokens_map.json").write_text("{}")
    victim = load_victim(str(folder), "cpu")
    assert victim.tokenizer.pad_token_id is None
    assert victim.notices[0].endswith("texts are padded with '[MASK]'.")
    same(victim, logits)


def test_an_encoder_without_a_pad_token_needs_none(tmp_path: Path) -> None:
    folder = write_architecture(tmp_path / "m", "bert")
    logits = expected(folder)
    change_json(folder / "config.json", pad_token_id=None)
    victim = load_victim(str(folder), "cpu")
    assert victim.notices == () and victim.model.config.pad_token_id is None
    same(victim, logits)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "roberta"])
def test_a_tokenizer_that_pads_on_the_left(tmp_path: Path, kind: str) -> None:
    folder = write_architecture(tmp_path / "m", kind)
    logits = expected(folder)
    change_json(folder / "tokenizer_config.json", padding_side="left")
    victim = load_victim(str(folder), "cpu")
    assert victim.tokenizer.padding_side == "left"
    same(victim, logits)


def test_a_head_without_a_bias(tmp_path: Path) -> None:
    """ModernBERT's classifier may have none; its own linears have none anyway."""
    folder = write_architecture(tmp_path / "m", "modernbert", classifier_bias=False)
    victim = load_victim(str(folder), "cpu")
    assert victim.model.get_submodule(victim.architecture.heads[0]).bias is None
    assert all(linear.bias is None for linear in victim.linears().values())
    same(victim, expected(folder))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("kind", ["deberta-v2", "gpt2", "llama"])
def test_a_half_precision_checkpoint_is_read_in_single(
    tmp_path: Path, kind: str, dtype: torch.dtype
) -> None:
    folder = write_architecture(tmp_path / "m", kind)
    AutoModelForSequenceClassification.from_pretrained(folder).to(dtype).save_pretrained(folder)
    assert AutoConfig.from_pretrained(folder).dtype == dtype
    victim = load_victim(str(folder), "cpu")
    assert {value.dtype for value in victim.model.parameters()} == {torch.float32}
    same(victim, expected(folder, dtype=torch.float32))


def test_a_head_that_reads_the_mean(tmp_path: Path) -> None:
    folder = write_architecture(tmp_path / "m", "modernbert", classifier_pooling="mean")
    victim = load_victim(str(folder), "cpu")
    assert victim.architecture.reads == "mean"
    same(victim, expected(folder))
    body = victim.model.model
    for text, row in zip(TEXTS, victim.read(TEXTS)[1], strict=True):
        with torch.inference_mode():
            states: BaseModelOutput = body(**victim.tokenizer(text, return_tensors="pt"))
        torch.testing.assert_close(row, states[0][0].mean(dim=0), rtol=1e-4, atol=2e-5)


def test_a_body_of_many_architectures_is_a_base(tmp_path: Path) -> None:
    """A checkpoint without a head, from which fine-tuning starts."""
    for kind in ("mpnet", "deberta-v2", "modernbert", "llama"):
        folder = write_architecture(tmp_path / kind, kind)
        body = AutoModelForSequenceClassification.from_pretrained(folder).base_model
        body.save_pretrained(folder)
        base = open_base(str(folder))
        assert (base.head, base.architecture.name) == (None, kind)
        assert len(base.architecture.groups) == 2 * len(KINDS[kind].groups)


def test_positions_count_on_from_the_pad_token(tmp_path: Path) -> None:
    """ESM counts as RoBERTa does, and MPNet as if its pad token were 1."""
    after_zero = ("roberta", "esm", "data2vec-text", "roberta-prelayernorm")
    for kind, limit in {"mpnet": 62, **dict.fromkeys(after_zero, 63)}.items():
        victim = load_victim(str(write_architecture(tmp_path / kind, kind)), "cpu")
        assert victim.max_tokens == limit
        assert victim.read(["good film " * 60])[0].isfinite().all()


def test_a_table_of_few_positions(tmp_path: Path) -> None:
    """Too few for the made-up texts of the dry run, and enough for a short one."""
    folder = write_architecture(tmp_path / "m", "bert", max_position_embeddings=5)
    victim = load_victim(str(folder), "cpu")
    assert victim.max_tokens == 5
    torch.testing.assert_close(
        victim.read(["good film"])[0], expected(folder, ("good film",)), rtol=1e-4, atol=2e-5
    )
