"""Bases and fine-tuning: every family, whole models and adapters, one seed one result, and what
opens afterwards.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import BertTokenizerFast

from prunescope.engine.data import Examples, load_dataset
from prunescope.engine.errors import DataError, ModelError, ResourceError, SettingError
from prunescope.engine.models.adapters import old_names
from prunescope.engine.models.average import WeightAverage, average_adapters, merged_member
from prunescope.engine.models.base import classifier, open_base
from prunescope.engine.models.victim import load_victim
from prunescope.engine.training.finetune import TrainingSetup, encode_examples, finetune
from prunescope.engine.training.spec import TrainSpec

SPEC = TrainSpec("member", seed=1, learning_rate=0.01, epochs=1, batch_size=8, rank=2)
STILL = replace(SPEC, learning_rate=1e-12)
HEAD = "base_model.model.classifier.weight"
Tune = Callable[..., Path]


@pytest.fixture
def tune(shared: TrainingSetup, tmp_path: Path) -> Tune:
    """Fine-tune on the first rows of the training data (three steps) and return the folder."""

    def _tune(
        spec: TrainSpec = SPEC, out: str = "out", start: Path | None = None, **changes: Any
    ) -> Path:
        finetune(spec, replace(shared, **changes), tmp_path / out, start=start)
        return tmp_path / out

    return _tune


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# One seed, one result


@pytest.mark.parametrize("rank", [0, 2])
def test_same_seed_gives_the_same_bytes(tune: Tune, rank: int):
    torch.manual_seed(5)
    item = written(tune(replace(SPEC, rank=rank), "one"))
    torch.manual_seed(6)  # the global state decides nothing
    assert written(tune(replace(SPEC, rank=rank), "two")) == item


def test_a_seed_of_the_head_that_no_generator_takes_is_refused(shared: TrainingSetup):
    with pytest.raises(
        SettingError,
        match="`head_seed` is 99999999999999999999; it must be a number of 64 bits",
    ):
        replace(shared, head_seed=99999999999999999999)


@pytest.mark.parametrize("rank", [0, 2])
@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 2},
        {"adversarial": "freelb"},
        {"label_smoothing": 0.1},
        {"optimizer": "adam"},
        {"weight_decay": 0.9},
        {"accumulation": 2},
        {"schedule": "constant"},
    ],
    ids=str,
)
def test_another_setting_gives_another_model(tune: Tune, changes: dict[str, Any], rank: int):
    item, two = (
        tune(replace(SPEC, rank=rank), "one"),
        tune(replace(SPEC, rank=rank, **changes), "two"),
    )
    name = "adapter_model.safetensors" if rank else "model.safetensors"
    assert (item / name).read_bytes() != (two / name).read_bytes()


def test_training_lowers_the_loss(shared: TrainingSetup, tmp_path: Path):
    for rank in (0, 2):
        first, last = (
            finetune(
                replace(SPEC, epochs=epochs, rank=rank), shared, tmp_path / f"{epochs}-{rank}"
            )["final_loss"]
            for epochs in (0.3, 10)
        )
        assert last < first


def test_members_share_their_head_at_the_start(tune: Tune):
    item, two = weights(tune(STILL, "one")), weights(tune(replace(STILL, seed=2), "two"))
    alike = {name for name in item if torch.equal(item[name], two[name])}
    assert {name for name in item if "classifier" in name or "pooler" in name} <= alike
    assert not {name for name in item if "lora_A" in name} & alike


def test_whole_models_share_their_head_at_the_start(tune: Tune):
    item, two = (
        tune(replace(STILL, rank=0, seed=seed, weight_decay=0.0), str(seed)) for seed in (1, 2)
    )
    result = [load_victim(str(folder), "cpu").model.state_dict() for folder in (item, two)]
    assert all(
        torch.allclose(value, result[1][name], atol=1e-9) for name, value in result[0].items()
    )


def test_head_seed_decides_the_head(tune: Tune):
    item, two = (weights(tune(STILL, str(seed), head_seed=seed)) for seed in (0, 1))
    assert not torch.equal(item[HEAD], two[HEAD])


def test_training_goes_on_from_an_adapter(tune: Tune):
    first = tune(out="first")
    before = weights(first)
    still, moved = weights(tune(STILL, "second", first)), weights(tune(SPEC, "third", first))
    assert all(torch.equal(still[name], value) for name, value in before.items())
    assert not any(torch.equal(moved[name], value) for name, value in before.items())


# What is written


def test_adapter_is_written_in_half_precision_without_paths(tune: Tune, body: Path):
    folder = tune()
    assert {value.dtype for value in weights(folder).values()} == {torch.float16}
    assert {path.name for path in folder.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "member.json",
    }
    assert str(body) not in (folder / "adapter_config.json").read_text()


def test_record_says_what_decided_the_model(tune: Tune, shared: TrainingSetup, rows: Examples):
    record = json.loads((tune() / "member.json").read_text())
    assert record["spec"]["learning_rate"] == 0.01 and record["spec"]["name"] == "member"
    assert (record["base_sha256"], record["data"]) == (shared.base.sha256, rows.fingerprint())
    assert record["labels"] == ["bad", "good"] and record["start"] is None
    assert (
        record["rows"],
        record["held_out"],
        record["steps"],
        record["stopped_early"],
        record["best"],
    ) == (20, 0, 3, False, None)
    assert (record["device"], record["precision"]) == ("cpu", "fp32")


@pytest.mark.parametrize("rank", [0, 2])
@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra"])
def test_every_family_is_fine_tuned_and_opens(
    write_model: Callable[..., Path], rows: Examples, tmp_path: Path, family: str, rank: int
):
    base = open_base(str(write_model(tmp_path / family, family=family)))
    shared = TrainingSetup(base, rows, ("bad", "good"), max_tokens=32)
    logits = []
    for name, spec in (("still", STILL), ("moved", SPEC)):
        finetune(replace(spec, rank=rank), shared, tmp_path / name)
        victim = load_victim(str(tmp_path / name), "cpu")
        assert (victim.architecture.name, victim.label_names, victim.num_labels) == (
            family,
            ("bad", "good"),
            2,
        )
        logits.append(victim.read(rows.texts)[0])
    expected = load_victim(str(tmp_path / family), "cpu").read(rows.texts)[0]
    # the head is kept, in half precision where there is an adapter
    assert torch.allclose(logits[0], expected, atol=2e-3)
    assert bool(logits[1].isfinite().all()) and not torch.allclose(logits[1], expected, atol=0.05)


def test_token_types_that_a_model_does_not_know_are_left_out(
    write_model: Callable[..., Path], rows: Examples, tmp_path: Path
):
    folder = write_model(tmp_path / "distilbert", family="distilbert")
    for path in folder.glob("*token*"):
        path.unlink()
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    finetune(
        SPEC,
        TrainingSetup(open_base(str(folder)), rows, ("bad", "good"), max_tokens=32),
        tmp_path / "out",
    )
    assert load_victim(str(tmp_path / "out"), "cpu").read(rows.texts)[0].shape == (20, 2)


def test_pairs_are_read_together(tune: Tune, rows: Examples):
    paired = Examples(rows.texts, rows.texts[::-1], rows.labels)
    folder = tune(out="paired", data=paired)
    assert weights(folder).keys() == weights(tune(out="single")).keys()
    assert not torch.equal(weights(folder)[HEAD], weights(tune(out="again"))[HEAD])
    assert load_victim(str(folder), "cpu").read(paired.texts, paired.pairs)[0].shape == (20, 2)


def test_long_texts_are_cut(tune: Tune):
    assert written(tune(out="one", max_tokens=5)) != written(tune(out="two", max_tokens=6))


def test_half_precision_passes_train_too(tune: Tune):
    result = weights(tune(precision="bf16"))
    assert all(bool(value.isfinite().all()) for value in result.values())
    assert not torch.equal(result[HEAD], weights(tune(out="full"))[HEAD])


# Adapters that are opened


def test_merged_member_says_what_its_adapter_says(tune: Tune, shared: TrainingSetup, body: Path):
    folder = tune()
    plain = classifier(shared.base, shared.label_names, 0, 0)
    with old_names():
        with_adapter = PeftModel.from_pretrained(plain, str(folder)).float().eval()
    victim = load_victim(str(folder), "cpu")
    batch = victim.tokenizer(
        ["good film", "a slow and dull plot"], padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        assert torch.allclose(victim.model(**batch).logits, with_adapter(**batch).logits, atol=1e-5)
    assert {p.dtype for p in victim.model.parameters()} == {torch.float32}
    assert not [name for name in victim.model.state_dict() if "lora" in name]
    assert (victim.name, victim.label_names) == ("out", ("bad", "good"))


def test_average_of_adapters_is_that_of_the_merged_members(tune: Tune, body: Path):
    folders, mean = [tune(out="one"), tune(replace(SPEC, seed=2), out="two")], WeightAverage()
    for folder in folders:
        mean.add(folder.name, merged_member(body, folder).state_dict())
    result = average_adapters(body, folders).state_dict()
    assert all(torch.equal(result[name], value) for name, value in mean.value().items())


def test_adapter_without_a_classifier_cannot_be_merged(tune: Tune, body: Path):
    folder = tune()
    remaining = {name: value for name, value in weights(folder).items() if "classifier" not in name}
    save_file(remaining, folder / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="holds no classifier"):
        merged_member(body, folder)


@pytest.mark.filterwarnings("ignore")  # as outside the tests, where peft only warns
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda state: {
                name: tensor.fill_(float("nan"))
                if "layer.1.output.dense.lora_B" in name
                else tensor
                for name, tensor in state.items()
            },
            r"out cannot be used: 2048 of the 2048 values of "
            r"bert\.encoder\.layer\.1\.output\.dense\.weight are NaN",
        ),
        (
            lambda state: {name: tensor for name, tensor in state.items() if "lora_B" not in name},
            "cannot be opened over",
        ),
        (
            lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
            "cannot be opened over",
        ),
        (
            lambda state: {
                name: tensor[:1] if "lora_B" in name else tensor for name, tensor in state.items()
            },
            "cannot be opened over",
        ),
    ],
    ids=["nan", "lacking", "renamed", "cut"],
)
def test_damaged_adapter_is_refused(
    tune: Tune, damage: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]], message: str
):
    folder = tune()
    changed = {name: tensor.contiguous() for name, tensor in damage(weights(folder)).items()}
    save_file(changed, folder / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=message):
        load_victim(str(folder), "cpu")


def test_truncated_adapter_is_refused(tune: Tune):
    file = tune() / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ModelError, match="cannot be opened over"):
        load_victim(str(file.parent), "cpu")


def test_a_text_of_which_nothing_is_left_is_no_training_row(shared: TrainingSetup, rows: Examples):
    texts = (*rows.texts[:3], "\u200b")
    odd = replace(shared, base=replace(shared.base, tokenizer=Bare(shared.base.tokenizer)))
    with pytest.raises(DataError, match=r"makes no token of the text '\\u200b', number 4 of 4"):
        encode_examples(odd, Examples(texts, None, rows.labels[:4]))


class Bare:
    """A tokenizer without special tokens of its own."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def __call__(self, *texts: Any, **settings: Any) -> Any:
        return self.tokenizer(*texts, add_special_tokens=False, **settings)


def test_adapter_on_another_base_is_refused(
    write_model: Callable[..., Path], rows: Examples, tmp_path: Path
):
    folder = write_model(tmp_path / "base")
    finetune(
        SPEC,
        TrainingSetup(open_base(str(folder)), rows, ("bad", "good"), max_tokens=32),
        tmp_path / "out",
    )
    shutil.rmtree(folder)
    write_model(folder, seed=9)
    with pytest.raises(
        ModelError,
        match=r"out was made on another .*base \(SHA-256 [0-9a-f]{16}…, here [0-9a-f]{16}…\); rest",
    ):
        load_victim(str(tmp_path / "out"), "cpu")


@pytest.mark.parametrize("content", [None, "{", "[]", "{}", '{"base": "embedded"}'])
def test_adapter_without_its_record_is_refused(tune: Tune, content: str | None):
    folder = tune()
    (folder / "member.json").unlink()
    if content is not None:
        (folder / "member.json").write_text(content)
    with pytest.raises(ModelError, match="out is an adapter without a readable record of its base"):
        load_victim(str(folder), "cpu")


# Bases


def test_a_base_is_identified_by_its_weights(body: Path, tmp_path: Path):
    shutil.copytree(body, tmp_path / "copy")
    assert open_base(str(tmp_path / "copy")).sha256 == open_base(str(body)).sha256
    state = load_file(body / "model.safetensors")
    state["embeddings.LayerNorm.bias"][0] += 1
    save_file(state, tmp_path / "copy" / "model.safetensors", {"format": "pt"})
    assert open_base(str(tmp_path / "copy")).sha256 != open_base(str(body)).sha256


def test_a_head_for_another_number_of_labels_is_refused(
    model_folder: Path, rows: Examples, tmp_path: Path
):
    shared = TrainingSetup(open_base(str(model_folder)), rows, ("a", "b", "c"), max_tokens=32)
    with pytest.raises(
        ModelError,
        match=r"The head of .*tiny-bert is for another number of labels than the 3 of the data",
    ):
        finetune(SPEC, shared, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def no_tokenizer(folder: Path) -> None:
    for path in (*folder.glob("*token*"), folder / "vocab.txt"):
        path.unlink(missing_ok=True)


def other_family(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "gpt2"}))


def no_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (no_config, "has no config.json with safetensors weights"),
        (pickled, "has no config.json with safetensors weights"),
        (no_tokenizer, "has no tokenizer, none of tokenizer.json"),
        (other_family, r"weights of .*copy lack transformer\.h\.0\.attn\.c_attn\.bias and"),
        (no_json, "is not JSON|cannot be opened as a model.s config"),
    ],
)
def test_a_base_that_cannot_be_used(
    body: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
):
    folder = Path(shutil.copytree(body, tmp_path / "copy"))
    damage(folder)
    with pytest.raises(ModelError, match=message):
        open_base(str(folder))


@pytest.mark.parametrize("name", ["/no/such/folder", "./nothing-here", "~/nothing-here"])
def test_a_base_that_is_not_there(name: str):
    with pytest.raises(ModelError, match="There is no model folder"):
        open_base(name)


def test_a_hub_base_without_network(monkeypatch: pytest.MonkeyPatch):
    def offline(*_args: object, **_kwargs: object) -> None:
        raise OSError("no network\nmore")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(
        ResourceError, match=r"'some/name' cannot be fetched from the hub \(no network\)"
    ):
        open_base("some/name")


def test_damaged_weights_of_a_base(body: Path, tmp_path: Path, rows: Examples):
    folder = Path(shutil.copytree(body, tmp_path / "copy"))
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-50])
    with pytest.raises(ModelError, match="copy"):
        finetune(
            SPEC,
            TrainingSetup(open_base(str(folder)), rows, ("bad", "good"), max_tokens=32),
            tmp_path / "out",
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_tokens": 2}, "max_tokens is 2; .* takes 3 to 64"),
        ({"max_tokens": 65}, "max_tokens is 65"),
        ({"precision": "fp16"}, "'fp16' is unknown; choose auto, fp32 or bf16"),
    ],
)
def test_shared_settings_out_of_range(shared: TrainingSetup, changes: dict[str, Any], message: str):
    with pytest.raises(SettingError, match=message):
        replace(shared, **changes)


def test_the_embedded_base_is_fine_tuned(rows: Examples, tmp_path: Path):
    base = open_base("embedded")
    finetune(
        replace(SPEC, epochs=0.3),
        TrainingSetup(base, rows.take(range(8)), ("bad", "good"), max_tokens=16),
        tmp_path / "out",
    )
    victim = load_victim(str(tmp_path / "out"), "cpu")
    assert json.loads((tmp_path / "out" / "member.json").read_text())["base"] == "embedded"
    assert load_dataset("embedded").evaluation.texts and victim.num_labels == 2
