"""Names, shapes and files of weights: what is understood, and what is refused by name."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from changed_models import State, change_json, change_weights, refused, renamed
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from prunescope.engine.errors import ModelError
from prunescope.engine.models.base import classifier, open_base
from prunescope.engine.models.fingerprint import weights_sha256
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.models.weights import plain_names

Write = Callable[..., Path]
TEXTS = ("good film", "a very long and slow film", "bad")


# Names and shapes of weights


@pytest.mark.parametrize(
    "prefix", ["_orig_mod.", "module.", "model.", "model._orig_mod.module.", "net.0."]
)
@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
def test_a_prefix_of_all_names_is_left_out_and_told(
    write_model: Write, tmp_path: Path, family: str, prefix: str
):
    folder = write_model(tmp_path / "m", family=family)
    plain = load_victim(str(folder), "cpu")
    change_weights(folder, renamed(lambda name: prefix + name))
    victim = load_victim(str(folder), "cpu")
    assert victim.fingerprint == plain.fingerprint and victim.max_tokens == plain.max_tokens
    (notice,) = victim.notices
    assert notice.startswith("The names of m's weights are read without '")
    base = open_base(str(folder))
    assert base.notices and weights_sha256(classifier(base, ("a", "b"), 0, 0)) == weights_sha256(
        plain.model
    )


def test_wrappers_within_names_and_weights_beside_the_model(folder: Path, victim: Victim):
    change_weights(
        folder,
        lambda state: {
            **{
                f"model.{name.replace('bert.', 'bert._orig_mod.', 1)}": tensor
                for name, tensor in state.items()
            },
            "criterion.weight": torch.ones(2),
        },
    )
    opened = load_victim(str(folder), "cpu")
    assert opened.fingerprint == victim.fingerprint
    assert opened.notices == (
        "The names of copy's weights are read without '_orig_mod.' and 'model.'.",
    )


modules = st.lists(st.sampled_from(["_orig_mod", "module", "model", "net", "0"]), max_size=4)
known = ("bert.a.weight", "bert.b.bias", "classifier.weight", "classifier.bias")
stems = st.lists(st.sampled_from(known), min_size=1, unique=True)


@given(modules, stems)
def test_any_nest_of_wrappers_is_left_out(wrappers: list[str], names: list[str]):
    wrapped = {".".join([*wrappers, name]): name for name in names}
    assert plain_names(wrapped, names, "bert")[0] == wrapped


def test_two_models_in_one_checkpoint_are_not_mixed(folder: Path):
    change_weights(
        folder,
        lambda state: {
            f"{role}.{name}": tensor
            for role in ("student", "teacher")
            for name, tensor in state.items()
        },
    )
    assert (
        "lack bert.embeddings.LayerNorm.bias and 36 other tensors that its config asks for; it has "
        "student.bert" in refused(folder)
    )


def test_weights_of_another_family_are_not_taken(folder: Path):
    change_json(folder / "config.json", model_type="roberta", pad_token_id=0)
    change_weights(
        folder,
        lambda state: {name: tensor for name, tensor in state.items() if "classifier" not in name},
    )
    with pytest.raises(ModelError, match=r"lack roberta\.embeddings.*it has bert\.embeddings"):
        open_base(str(folder))


def pruned_by_torch(state: State) -> State:
    left: State = {}
    for name, tensor in state.items():
        if "encoder" in name and name.endswith("dense.weight"):
            left |= {f"{name}_orig": tensor, f"{name}_mask": (tensor > 0).float()}
        else:
            left[name] = tensor
    return left


@pytest.mark.parametrize("prefix", ["", "module."])
def test_leftovers_of_pruning_are_multiplied_and_told(folder: Path, victim: Victim, prefix: str):
    change_weights(folder, pruned_by_torch)
    change_weights(folder, renamed(lambda name: prefix + name))
    opened = load_victim(str(folder), "cpu")
    assert "Pruning with torch left 6 weights of copy as _orig and _mask" in opened.notices[-1]
    expected = victim.prunable()["1.output"].clamp(min=0)
    assert torch.equal(opened.prunable()["1.output"], expected)
    assert torch.equal(opened.prunable()["0.query"], victim.prunable()["0.query"])


def test_leftovers_without_their_masks_are_named(folder: Path):
    change_weights(folder, pruned_by_torch)
    change_weights(
        folder,
        lambda state: {
            name: tensor for name, tensor in state.items() if not name.endswith("_mask")
        },
    )
    sentence = refused(folder)
    assert (
        "it has bert.encoder.layer.0.attention.output.dense.weight_orig instead; call "
        "torch.nn.utils.prune" in sentence
    )


def test_masks_of_another_shape_are_named(folder: Path):
    change_weights(folder, pruned_by_torch)
    change_weights(
        folder,
        lambda state: {
            name: tensor[:5] if name.endswith("_mask") else tensor for name, tensor in state.items()
        },
    )
    assert "dense.weight_orig of copy has the shape (32, 32) and its mask (5, 32)" in refused(
        folder
    )


def test_an_adapter_that_was_not_merged_is_named(folder: Path):
    change_weights(
        folder, renamed(lambda name: name.replace("query.weight", "query.base_layer.weight"))
    )
    assert (
        "query.base_layer.weight instead; merge the adapter with model.merge_and_unload()"
        in refused(folder)
    )


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (
            1,
            r"hold bert\.encoder\.layer\.1\..* and 15 other tensors for which its config, with 1 "
            r"block, has no place",
        ),
        (4, r"lack bert\.encoder\.layer\.2\..* and 31 other tensors that its config asks for"),
    ],
)
def test_another_number_of_blocks_than_the_weights_have(folder: Path, blocks: int, message: str):
    change_json(folder / "config.json", num_hidden_layers=blocks)
    with pytest.raises(ModelError, match=message):
        load_victim(str(folder), "cpu")
    with pytest.raises(ModelError, match=message):
        # it would be trained with blocks drawn at random
        open_base(str(folder))


def test_a_base_whose_head_is_for_other_labels(folder: Path):
    with pytest.raises(
        ModelError,
        match=r"for another number of labels than the 3 of the data \(a, b, c…\): it gives 2",
    ):
        classifier(open_base(str(folder)), ("a", "b", "c"), 0, 0)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_shards_of_any_precision_are_read(
    folder: Path, victim: Victim, kind: torch.dtype, prefix: str
):
    model = AutoModelForSequenceClassification.from_pretrained(folder).to(kind)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    index = folder / "model.safetensors.index.json"
    weight_map = {
        prefix + name: file for name, file in json.loads(index.read_text())["weight_map"].items()
    }
    change_json(index, weight_map=weight_map)
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 2
    for shard in shards:
        save_file(
            {prefix + name: tensor for name, tensor in load_file(shard).items()},
            shard,
            {"format": "pt"},
        )
    opened = load_victim(str(folder), "cpu")
    assert {tensor.dtype for tensor in opened.model.parameters()} == {torch.float32}
    assert torch.equal(opened.prunable()["0.key"], victim.prunable()["0.key"].to(kind).float())


# Files


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "model.safetensors",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "is a Git LFS pointer, .*git lfs pull",
        ),
        (
            "tokenizer.json",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "is a Git LFS pointer",
        ),
        ("model.safetensors", b"", "is empty; copy it again"),
        (
            "config.json",
            b"<!DOCTYPE html><html></html>",
            "is a web page or XML, not the file itself; download that",
        ),
        ("config.json", b"{", "cannot be opened as a model's config"),
        ("config.json", b"[1]", "holds a list, not a config"),
        ("config.json", b"{}", "does not say which model this is: its model_type is None"),
        ("config.json", b"\xff\xfe{\x00", "cannot be opened as a model's config"),
    ],
)
def test_what_lies_in_place_of_a_file(folder: Path, file: str, content: bytes, message: str):
    (folder / file).write_bytes(content)
    for opened in (lambda: load_victim(str(folder), "cpu"), lambda: open_base(str(folder))):
        with pytest.raises(ModelError, match=message):
            opened()


@pytest.mark.parametrize(
    "changes",
    [
        {"num_attention_heads": 5},
        {"num_attention_heads": 0},
        {"hidden_act": "nonsense"},
        {"hidden_size": "32"},
        {"num_hidden_layers": 0},
        {"model_type": "nonsense"},
        {"problem_type": "nonsense"},
        {"label2id": ["a"]},
    ],
    ids=str,
)
def test_a_config_that_cannot_be_built_is_one_sentence(folder: Path, changes: dict[str, object]):
    change_json(folder / "config.json", **changes)
    assert "copy" in refused(folder)
    with pytest.raises(ModelError):
        open_base(str(folder))


@pytest.mark.parametrize("name", ["with spaces", "größe ü 好", "checkpoint-500", "a.b", "bert"])
def test_a_folder_may_be_called_anything_and_be_a_link(
    model_folder: Path, victim: Victim, tmp_path: Path, name: str
):
    shutil.copytree(model_folder, tmp_path / "real")
    (tmp_path / name).symlink_to(tmp_path / "real", target_is_directory=True)
    opened = load_victim(str(tmp_path / name), "cpu")
    assert (opened.name, opened.fingerprint) == (name, victim.fingerprint)
