"""Loading a victim: what is taken, and the error for everything that is not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_models import FAMILIES
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
)
from transformers import __version__ as version

from prunescope.engine.errors import ModelError, ResourceError, SettingError
from prunescope.engine.models.fingerprint import (
    EMBEDDED_READING,
    fingerprint_of,
    reading_sha256,
    weights_sha256,
)
from prunescope.engine.models.victim import Victim, load_victim, pick_device
from prunescope.engine.records import MODULES

Write = Callable[..., Path]


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to be damaged."""
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))


def change_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def test_local_folder_is_loaded_ready_to_read(victim: Victim):
    assert not victim.model.training
    assert (victim.name, victim.num_labels, victim.label_names) == (
        "tiny-bert",
        2,
        ("LABEL_0", "LABEL_1"),
    )
    assert victim.device == torch.device("cpu")


def test_half_precision_weights_are_read_in_single(model_folder: Path, folder: Path):
    BertForSequenceClassification.from_pretrained(model_folder).half().save_pretrained(folder)
    assert {p.dtype for p in load_victim(str(folder), "cpu").model.parameters()} == {torch.float32}


def test_prunable_weights_are_the_linears_of_the_blocks(victim: Victim):
    assert list(victim.prunable()) == [f"{block}.{name}" for block in range(2) for name in MODULES]
    assert (
        victim.prunable()["1.output"].data_ptr()
        == victim.model.bert.encoder.layer[1].output.dense.weight.data_ptr()
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_prunable_weights_of_every_family(write_model: Write, tmp_path: Path, family: str):
    result = load_victim(
        str(write_model(tmp_path / family, family=family, layers=3)), "cpu"
    ).prunable()
    shapes = dict(zip(MODULES, [(32, 32)] * 4 + [(64, 32), (32, 64)], strict=True))
    assert [(name, tuple(weight.shape)) for name, weight in result.items()] == [
        (f"{block}.{name}", shape) for block in range(3) for name, shape in shapes.items()
    ]


def test_copy_has_weights_of_its_own(victim: Victim):
    other = victim.copy()
    other.prunable()["0.query"].zero_()
    assert fingerprint_of(victim.model, victim.tokenizer) == victim.fingerprint == other.fingerprint


def test_fingerprint_is_that_of_the_weights(victim: Victim, model_folder: Path):
    assert load_victim(str(model_folder), "cpu").fingerprint == victim.fingerprint
    victim.model.classifier.bias.data[0] += 1e-6
    assert weights_sha256(victim.model) != victim.fingerprint


@pytest.mark.parametrize(
    ("family", "limit"),
    [
        ("bert", 64),
        ("distilbert", 64),
        ("electra", 64),
        ("roberta", 63),
        ("xlm-roberta", 63),
        ("camembert", 63),
    ],
)
def test_limit_of_tokens_is_what_the_positions_allow(
    write_model: Write, tmp_path: Path, family: str, limit: int
):
    assert (
        load_victim(str(write_model(tmp_path / family, family=family)), "cpu").max_tokens == limit
    )


@pytest.mark.parametrize("name", ["/no/such/folder", "./nothing-here", "~/nothing-here"])
def test_missing_folder(name: str):
    with pytest.raises(ModelError, match="There is no model folder"):
        load_victim(name, "cpu")


def test_file_in_place_of_a_folder(folder: Path):
    with pytest.raises(ModelError, match="There is no model folder"):
        load_victim(str(folder / "config.json"), "cpu")


def test_folder_without_config(folder: Path):
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match="has no config"):
        load_victim(str(folder), "cpu")


def test_pickled_weights_are_never_opened(folder: Path):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no safetensors weights \(found .*pytorch_model.bin"):
        load_victim(str(folder), "cpu")


def test_pickled_weights_beside_foreign_safetensors_are_never_opened(folder: Path):
    (folder / "pytorch_model.bin").write_bytes(b"not a pickle")
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    with pytest.raises(ModelError, match="no file named model"):
        load_victim(str(folder), "cpu")


def test_encoder_without_a_classifier(model_folder: Path, folder: Path):
    BertForSequenceClassification.from_pretrained(model_folder).bert.save_pretrained(folder)
    with pytest.raises(
        ModelError, match=r"not a sequence classifier: its weights lack classifier\.bias"
    ):
        load_victim(str(folder), "cpu")


@pytest.mark.parametrize(
    ("family", "odd"),
    [
        ("gpt2", r"weights of copy lack .* that its config asks for"),
        ("electra", r"weights of copy lack .* that its config asks for"),
        # transformers 5 makes the model of a pooler as wide as its default
        ("deberta-v2", r"cannot be opened as a model \(|classifier.weight has the shape \(2, 32\)"),
    ],
)
def test_config_of_another_architecture_than_the_weights(folder: Path, family: str, odd: str):
    AutoConfig.for_model(family).save_pretrained(folder)
    with pytest.raises(ModelError, match=odd):
        load_victim(str(folder), "cpu")


@pytest.mark.skipif(not version.startswith("4."), reason="transformers 5 has none of it")
@pytest.mark.parametrize(
    "changes",
    [
        {"position_embedding_type": "relative_key"},
        {"position_embedding_type": "relative_key_query"},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_bert_that_works_otherwise_is_read(
    write_model: Write, tmp_path: Path, changes: dict[str, object]
):
    folder = write_model(tmp_path / "odd", **changes)
    odd, texts = load_victim(str(folder), "cpu"), ["a good film", "the plot is bad and long"]
    inputs = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    plain = load_victim(str(write_model(tmp_path / "plain")), "cpu")
    with torch.inference_mode():
        expected = model(**inputs).logits
    torch.testing.assert_close(odd.read(texts)[0], expected, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(odd.read(texts)[0], plain.read(texts)[0], atol=1e-2)
    assert list(odd.prunable()) == list(plain.prunable())


@pytest.mark.skipif(not version.startswith("4."), reason="transformers 5 has none of it")
def test_bert_whose_heads_were_removed_is_read(model_folder: Path, folder: Path):
    texts = ["a good film", "the plot is bad and long"]
    model = BertForSequenceClassification.from_pretrained(model_folder).eval()
    model.prune_heads({0: [1, 2], 1: [3]})
    model.save_pretrained(folder)
    inputs = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = model(**inputs).logits
    shorter = load_victim(str(folder), "cpu")
    torch.testing.assert_close(shorter.read(texts)[0], expected, rtol=1e-5, atol=1e-5)
    assert [tuple(shorter.prunable()[f"{block}.query"].shape) for block in range(2)] == [
        (16, 32),
        (24, 32),
    ]


def test_bert_as_a_decoder_is_refused(write_model: Write, tmp_path: Path):
    """Its [CLS] comes first and sees no other token."""
    folder = write_model(tmp_path / "odd", is_decoder=True)
    with pytest.raises(ModelError, match=r"odd is a decoder \(is_decoder in its config\.json\)"):
        load_victim(str(folder), "cpu")


def test_bert_with_cross_attention_is_refused(write_model: Write, tmp_path: Path):
    """Nothing runs through it without an encoder."""
    folder = write_model(tmp_path / "odd", is_decoder=True, add_cross_attention=True)
    with pytest.raises(ModelError, match=r"odd has 8 linear layers that a text need not reach"):
        load_victim(str(folder), "cpu")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_damaged_file(folder: Path, name: str):
    (folder / name).write_bytes((folder / name).read_bytes()[:-50])
    with pytest.raises(ModelError, match="cannot be opened as a model"):
        load_victim(str(folder), "cpu")


def test_missing_tokenizer(folder: Path):
    for path in (*folder.glob("*token*"), folder / "vocab.txt"):
        path.unlink()
    with pytest.raises(ModelError, match=r"has no tokenizer, none of|has no vocabulary"):
        load_victim(str(folder), "cpu")


def test_tokenizer_without_words(folder: Path):
    for path in folder.glob("*token*"):
        path.unlink()
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    with pytest.raises(ModelError, match="has no vocabulary; copy"):
        load_victim(str(folder), "cpu")


def test_config_that_does_not_fit_the_weights(folder: Path):
    change_config(folder, hidden_size=48)
    shapes = (
        r"bert\.embeddings\.position_embeddings\.weight has the shape \(64, 32\) in the "
        r"weights and \(64, 48\) by"
    )
    with pytest.raises(ModelError, match=shapes):
        load_victim(str(folder), "cpu")


def test_code_in_a_model_folder_is_not_run(folder: Path, tmp_path: Path):
    mark = tmp_path / "ran"
    (folder / "evil.py").write_text(
        f"open({str(mark)!r}, 'w').close()\nclass Config: pass\nclass Model: pass\n"
    )
    change_config(
        folder,
        auto_map={"AutoConfig": "evil.Config", "AutoModelForSequenceClassification": "evil.Model"},
    )
    assert load_victim(str(folder), "cpu").num_labels == 2
    assert not mark.exists()


def test_hub_name_without_network(monkeypatch: pytest.MonkeyPatch):
    def offline(*_args: object, **_kwargs: object) -> None:
        raise OSError("We couldn't connect to the hub.\nmore")

    monkeypatch.setattr(AutoConfig, "from_pretrained", offline)
    with pytest.raises(
        ResourceError,
        match=r"'some/name' cannot be fetched .*connect to the hub\); .* local folder",
    ):
        load_victim("some/name", "cpu")


@pytest.mark.parametrize("name", ["warp", "cuda:99", "meta"])
def test_device_that_is_not_here(model_folder: Path, name: str):
    with pytest.raises(SettingError, match=f"{name}.* is not available here"):
        load_victim(str(model_folder), name)


def test_auto_is_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto").type == "cpu"


def test_a_victim_that_reads_or_counts_otherwise_is_another(
    victim: Victim, model_folder: Path, tmp_path: Path
):
    """The same weights with another tokenizer, vocabulary or configuration."""
    reads = json.loads((model_folder / "tokenizer_config.json").read_text())
    changed = {
        "case": ("tokenizer_config.json", json.dumps({**reads, "do_lower_case": False})),
        "heads": (
            "config.json",
            (model_folder / "config.json")
            .read_text()
            .replace('"num_attention_heads": 4', '"num_attention_heads": 2'),
        ),
        "activation": (
            "config.json",
            (model_folder / "config.json").read_text().replace('"gelu"', '"relu"'),
        ),
    }
    result = {victim.fingerprint}
    for name, (file, text) in changed.items():
        folder = shutil.copytree(model_folder, tmp_path / name)
        assert (folder / file).read_text() != text
        (folder / file).write_text(text)
        other = load_victim(str(folder), "cpu")
        assert weights_sha256(other.model) == weights_sha256(victim.model)
        result.add(other.fingerprint)
    assert len(result) == 4


def test_victims_of_the_embedded_base_keep_their_keys():
    result = load_victim("embedded", "cpu")
    assert reading_sha256(result.model.config, result.tokenizer) == EMBEDDED_READING
    assert fingerprint_of(result.model, result.tokenizer) == weights_sha256(result.model)


def test_a_model_without_a_tokenizer_says_so(model_folder: Path, tmp_path: Path):
    folder = shutil.copytree(model_folder, tmp_path / "bare")
    for path in {*folder.glob("*token*"), *folder.glob("vocab*")}:
        path.unlink()
    with pytest.raises(
        ModelError,
        match=r"has no tokenizer, none of tokenizer\.json, .*; write it there with tokenizer\.save",
    ):
        load_victim(str(folder), "cpu")
