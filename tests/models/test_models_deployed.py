"""What a deployed model answers is what is studied: odd configurations whose answers could silently
become another model's.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from architectures import KINDS, random_model, words_tokenizer, write_architecture
from tokenizers import processors
from torch import nn
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast

from prunescope.engine.models.fingerprint import fingerprint_of
from prunescope.engine.models.forward import read_batch
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.pruning.pipeline import prune_levels
from prunescope.engine.pruning.plan import Plan

TEXTS = ("good film", "the plot and the actor and a quiet scene", "bad", "not good")


def written(folder: Path, kind: str, tokenizer: Any = None, **changes: Any) -> Path:
    write_architecture(folder, kind, **changes)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return folder


def ends_in(folder: Path, token: str, **special: str) -> PreTrainedTokenizerFast:
    """The tokenizer of words with nothing before a text and one token after it."""
    inner = words_tokenizer(folder).backend_tokenizer
    number = inner.token_to_id(token)
    inner.post_processor = processors.TemplateProcessing(
        single=f"$A {token}", pair=f"$A {token} $B {token}", special_tokens=[(token, number)]
    )
    names = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=inner, model_input_names=names, **special)


def plain_logits(folder: Path, victim: Victim, text: str, **more: Any) -> torch.Tensor:
    """The logits of a text alone, as whoever deploys the folder gets them."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        return model(**victim.tokenizer(text, return_tensors="pt"), **more).logits[0]


def answers_as_deployed(folder: Path, victim: Victim) -> None:
    """The logits are those of each text alone, and what is kept is what the head answers by."""
    logits, read = victim.read(TEXTS)
    for row, text in enumerate(TEXTS):
        expected = plain_logits(folder, victim, text)
        torch.testing.assert_close(logits[row], expected, rtol=1e-4, atol=2e-5)
    with torch.inference_mode():
        of_read = victim.model.score(read)
    torch.testing.assert_close(of_read, logits, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("pad", [None, "[SEP]"], ids=["no pad token", "pad is the end token"])
def test_decoder_whose_texts_end_in_a_token_of_their_own(tmp_path: Path, pad: str | None) -> None:
    special = {"eos_token": "[SEP]"} | ({"pad_token": pad} if pad else {})
    tokenizer = ends_in(tmp_path / "t", "[SEP]", **special)
    folder = written(tmp_path / "m", "llama", tokenizer, pad_token_id=None)
    victim = load_victim(str(folder), "cpu")
    assert any("no pad_token_id" in notice for notice in victim.notices)
    answers_as_deployed(folder, victim)


def test_what_is_kept_is_what_a_head_reads_beside_its_pad_token(tmp_path: Path) -> None:
    tokenizer = ends_in(tmp_path / "t", "[SEP]", eos_token="[SEP]", pad_token="[SEP]")
    folder = written(tmp_path / "m", "gpt2", tokenizer, pad_token_id=3)
    victim = load_victim(str(folder), "cpu")
    answers_as_deployed(folder, victim)


def test_gpt2_reads_the_token_types_that_its_tokenizer_gives(tmp_path: Path) -> None:
    tokenizer = words_tokenizer(tmp_path / "t")
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    folder = written(tmp_path / "m", "gpt2", tokenizer)
    victim = load_victim(str(folder), "cpu")
    assert "token_type_ids" in victim.encode(TEXTS)
    for row, text in enumerate(TEXTS):
        expected = plain_logits(folder, victim, text)
        torch.testing.assert_close(victim.read(TEXTS)[0][row], expected, rtol=1e-4, atol=2e-5)


def test_saturated_head(tmp_path: Path) -> None:
    model = random_model("bert", **KINDS["bert"].sizes)
    nn.init.constant_(model.bert.pooler.dense.bias, 30.0)
    with torch.no_grad():
        model.bert.pooler.dense.bias[0] = -12.0
        model.bert.pooler.dense.weight[0] *= 8
    model.save_pretrained(tmp_path / "m")
    words_tokenizer(tmp_path / "m").save_pretrained(tmp_path / "m")
    assert load_victim(str(tmp_path / "m"), "cpu").architecture.reads == "first"


@pytest.mark.parametrize("kind", ["llama", "qwen3", "bert", "gpt2"])
def test_pruning_leaves_no_module_changed(tmp_path: Path, kind: str) -> None:
    folder = written(tmp_path / kind, kind, output_hidden_states=True)
    victim = load_victim(str(folder), "cpu")
    plan = Plan.named("sparsegpt", force=True)
    for pruned in prune_levels(victim, TEXTS, None, plan, (0.5, 0.8)):
        for model in (pruned.victim.model, victim.model):
            assert not [name for name, part in model.named_modules() if "forward" in vars(part)]
        difference = (pruned.victim.read(TEXTS)[0] - victim.read(TEXTS)[0]).abs().max()
        assert float(difference) > 1e-3


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("llama", {"rope_theta": 100.0}),
        ("gpt_neox", {"use_parallel_residual": False}),
        ("modernbert", {"classifier_pooling": "mean"}),
        ("deberta-v2", {"pos_att_type": ["c2p"]}),
        ("gemma2", {"query_pre_attn_scalar": 16}),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_setting_that_changes_answers_changes_the_fingerprint(
    tmp_path: Path, kind: str, changes: dict[str, Any]
) -> None:
    same, other = (written(tmp_path / name, kind) for name in ("same", "again"))
    changed = written(tmp_path / "changed", kind, **changes)
    keys = [load_victim(str(folder), "cpu").fingerprint for folder in (same, other, changed)]
    assert keys[0] == keys[1] != keys[2]


def test_what_only_training_uses_is_no_part_of_the_fingerprint(tmp_path: Path) -> None:
    victim = load_victim(str(written(tmp_path / "m", "llama")), "cpu")
    before = fingerprint_of(victim.model, victim.tokenizer)
    victim.model.config.attention_dropout = 0.3
    victim.model.config.id2label = {0: "a", 1: "b", 2: "c"}
    assert fingerprint_of(victim.model, victim.tokenizer) == before


@pytest.mark.parametrize("kind", ["falcon", "gpt_neox", "phi", "llama", "gpt2", "bert"])
def test_a_residual_is_all_that_the_model_adds_to_an_output(tmp_path: Path, kind: str) -> None:
    """The last linear's output plus its residual is what the next module reads or the block
    gives.
    """
    victim = load_victim(str(written(tmp_path / "m", kind)), "cpu")
    architecture, model = victim.architecture, victim.model
    group = [group for group in architecture.groups if group.residual][-1]
    outputs: dict[str, torch.Tensor] = {}
    inputs: dict[str, torch.Tensor] = {}
    seen: list[torch.Tensor] = []

    def watch(name: str) -> Callable[..., None]:
        def hook(_module: Any, args: Any, kwargs: Any, output: Any) -> None:
            given = [value for value in (*args, *kwargs.values()) if torch.is_tensor(value)]
            result = output if torch.is_tensor(output) else output[0]
            outputs[name] = result.detach().clone()
            if given:
                inputs.setdefault(name, given[0].detach().clone())
                seen.append(given[0].detach().clone())
            seen.append(result.detach().clone())

        return hook

    for name, module in model.named_modules():
        module.register_forward_hook(watch(name), with_kwargs=True)
    (batch,) = victim.batches(TEXTS[:1])
    read_batch(model, architecture, batch)
    total = outputs[architecture.paths[group.layers[0]]].clone()
    # an output that is changed in place afterwards was kept before
    for path in group.residual:
        total += outputs[path[1:]] if path.startswith("=") else inputs[path]
    assert any(
        part.shape == total.shape and torch.allclose(part, total, atol=1e-5) for part in seen
    )
