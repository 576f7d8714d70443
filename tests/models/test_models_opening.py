"""A model that cannot work is refused when it is opened; what can be understood is understood, and
told.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from changed_models import (
    State,
    change_json,
    change_tokens,
    change_weights,
    refused,
    set_value,
)
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, BertConfig

from prunescope.engine.attacks.services import NotAttackable
from prunescope.engine.attacks.victim_service import VictimService
from prunescope.engine.cli.main import main
from prunescope.engine.errors import DataError, ModelError
from prunescope.engine.export.packed import save_packed
from prunescope.engine.models.base import open_base
from prunescope.engine.models.config import label_names
from prunescope.engine.models.victim import Victim, load_victim

Write = Callable[..., Path]
TEXTS = ("good film", "a very long and slow film", "bad")


# Values


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    "name",
    [
        "classifier.weight",
        "bert.embeddings.word_embeddings.weight",
        "bert.encoder.layer.1.output.LayerNorm.bias",
        "bert.encoder.layer.0.attention.self.query.weight",
        "bert.pooler.dense.bias",
    ],
)
def test_every_tensor_is_finite_or_named(folder: Path, name: str, value: float):
    size = load_file(folder / "model.safetensors")[name].numel()
    set_value(folder, name, value)
    assert (
        f"copy cannot be used: 2 of the {size} values of {name} are NaN or infinite; load"
        in refused(folder)
    )
    with pytest.raises(ModelError, match=f"2 of the {size} values of {name} are NaN"):
        open_base(str(folder))


def test_a_value_beyond_half_precision_is_found_where_it_became_infinite(folder: Path):
    def change(state: State) -> State:
        state["classifier.bias"][0] = 1e6
        return {name: tensor.half() for name, tensor in state.items()}

    change_weights(folder, change)
    assert "1 of the 2 values of classifier.bias is NaN or infinite" in refused(folder)


def test_several_damaged_tensors_are_counted(folder: Path):
    set_value(folder, "classifier.weight", float("nan"))
    set_value(folder, "bert.pooler.dense.bias", float("inf"))
    assert (
        "bert.pooler.dense.bias are NaN or infinite, and so are some of 1 other tensor"
        in refused(folder)
    )


def test_a_packed_model_with_nan_is_refused(victim: Victim, tmp_path: Path):
    victim.model.classifier.weight.data[0, 0] = float("nan")
    save_packed(victim, tmp_path / "packed", {})
    assert "1 of the 64 values of classifier.weight is NaN" in refused(tmp_path / "packed")


def overflow(folder: Path) -> None:
    """Finite weights with which attention overflows."""
    change_weights(
        folder,
        lambda state: {
            name: tensor * 1e30 if "query.weight" in name or "key.weight" in name else tensor
            for name, tensor in state.items()
        },
    )


def test_finite_weights_whose_activations_overflow_are_refused(folder: Path):
    overflow(folder)
    assert "copy answers with NaN or infinity to 1 of 1 text: its weights are finite" in refused(
        folder
    )


def test_logits_that_are_not_finite_are_an_error_wherever_they_are_read(victim: Victim):
    victim.model.classifier.bias.data[0] = float("nan")
    with pytest.raises(ModelError, match="tiny-bert answers with NaN or infinity to 3 of 3 texts"):
        victim.read(TEXTS)
    with pytest.raises(ModelError, match="tiny-bert answers with NaN or infinity"):
        VictimService(victim).answer(TEXTS)


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "--attack", "none"],
        ["study", "--levels", "0", "--attack", "none", "--method", "magnitude"],
        ["attack", "--examples", "3"],
        ["attack", "--text", "good film"],
        ["latency"],
        ["finetune", "--out", "OUT"],
        ["average", "--by", "uniform", "--attack", "none", "--out", "OUT"],
        ["prune", "--sparsity", "0.5", "--method", "magnitude", "--out", "OUT"],
    ],
    ids=" ".join,
)
def test_no_command_takes_a_damaged_model(
    folder: Path,
    model_folder: Path,
    data_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
):
    monkeypatch.setattr("prunescope.engine.cli.main.signal.signal", lambda *_: None)
    set_value(folder, "bert.embeddings.word_embeddings.weight", float("nan"))
    out = tmp_path / "out"
    words = [str(out) if word == "OUT" else word for word in command]
    models = (
        ["--member", str(model_folder), "--member", str(folder)]
        if command[0] == "average"
        else ["--model", str(folder)]
    )
    cache = (
        ["--cache", str(tmp_path / "cache")] if command[0] in ("study", "attack", "prune") else []
    )
    assert main([*words, *models, *cache, "--data", str(data_folder), "--quiet"]) == 2
    printed = capsys.readouterr()
    assert (
        printed.out == ""
        and "values of bert.embeddings.word_embeddings.weight are NaN" in printed.err
    )
    assert printed.err.count("\n") == 1
    assert not out.exists() and not list((tmp_path / "cache").rglob("*.json"))


# Labels


def config_with(numbers: list[int], names: list[str]) -> BertConfig:
    return BertConfig(id2label=dict(zip(numbers, names, strict=True)))


@given(st.lists(st.integers(0, 99), min_size=2, max_size=12, unique=True))
def test_labels_are_read_by_place_whatever_their_numbers(numbers: list[int]):
    names, notices = label_names(config_with(numbers, [f"n{number}" for number in numbers]), "m")
    assert names == tuple(f"n{number}" for number in sorted(numbers))
    assert bool(notices) == (sorted(numbers) != list(range(len(numbers))))


def test_labels_counted_from_one(folder: Path, victim: Victim, tmp_path: Path):
    change_json(
        folder / "config.json", id2label={"1": "bad", "2": "good"}, label2id={"bad": 1, "good": 2}
    )
    opened = load_victim(str(folder), "cpu")
    assert opened.label_names == ("bad", "good") and opened.fingerprint == victim.fingerprint
    assert opened.notices == (
        "The id2label of copy has the numbers 1, 2; its names are taken in this order for the "
        "outputs 0 to 1: bad, good.",
    )
    assert opened.model.config.id2label == {0: "bad", 1: "good"}  # as it leaves, too


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["bad", "good"], r'is \["bad", "good"\]; write it from numbers to names'),
        ({"LABEL_0": "bad", "LABEL_1": "good"}, "write it from numbers to names"),
        ({"-1": "bad", "1": "good"}, "write it from numbers to names"),
        ({"0": "same", "1": "same"}, "calls 2 labels 'same'; give each a name of its own"),
        (
            {"0": "alone"},
            r"classifier\.weight has the shape \(2, 32\) in the weights and \(1, 32\) by the "
            r"config; name each",
        ),
        (
            {"0": "a", "1": "b", "2": "c"},
            r"classifier\.weight has the shape \(2, 32\) in .* and \(3, 32\) by",
        ),
    ],
)
def test_labels_that_cannot_be_read_by_place(folder: Path, labels: object, message: str):
    change_json(folder / "config.json", id2label=labels)
    with pytest.raises(ModelError, match=message):
        load_victim(str(folder), "cpu")


@pytest.mark.parametrize("kind", ["regression", "multi_label_classification"])
def test_a_model_that_does_not_give_one_label_is_refused_by_its_problem_type(
    folder: Path, kind: str
):
    change_json(folder / "config.json", problem_type=kind)
    assert (
        f"copy has the problem_type '{kind}', and only classifiers that give one label a text"
        in refused(folder)
    )


def test_a_model_of_one_output_is_refused_as_a_regression(write_model: Write, tmp_path: Path):
    assert "has num_labels 1: it gives a number for a text (problem_type 'regression')" in refused(
        write_model(tmp_path / "one", num_labels=1)
    )


def test_one_label_by_name_is_taken(folder: Path, victim: Victim):
    change_json(folder / "config.json", problem_type="single_label_classification")
    assert load_victim(str(folder), "cpu").fingerprint == victim.fingerprint


# Tables and tokenizers


def test_an_added_token_needs_a_row(folder: Path):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = AutoConfig.from_pretrained(folder).vocab_size
    tokenizer.add_tokens(["<url>", "<user>"])
    tokenizer.save_pretrained(folder)
    sentence = refused(folder)
    assert f"gives '<user>' the id {rows} and its table of embeddings has {rows} rows" in sentence
    assert f"resize_token_embeddings({rows + 1})" in sentence
    with pytest.raises(ModelError, match="gives '<user>' the id"):
        open_base(str(folder))
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    model.resize_token_embeddings(rows + 1)
    model.save_pretrained(folder)
    assert load_victim(str(folder), "cpu").read(["good <user> film"])[0].isfinite().all()


def test_a_tokenizer_far_smaller_than_the_table_is_told(folder: Path):
    def widened(state: State) -> State:
        name = "bert.embeddings.word_embeddings.weight"
        return {**state, name: state[name].repeat(10, 1)}

    rows = 10 * AutoConfig.from_pretrained(folder).vocab_size
    change_weights(folder, widened)
    change_json(folder / "config.json", vocab_size=rows)
    (notice,) = load_victim(str(folder), "cpu").notices
    assert (
        f"its table of embeddings has {rows} rows; the tokenizer may be another model's" in notice
    )


def test_a_model_with_one_token_type_reads_pairs_without_marks(write_model: Write, tmp_path: Path):
    victim = load_victim(str(write_model(tmp_path / "m", type_vocab_size=1)), "cpu")
    assert "token type 1 and the model knows type 0 alone" in victim.notices[0]
    encoded = victim.encode(TEXTS, TEXTS)
    assert set(encoded) == {"input_ids", "attention_mask"}
    ids = torch.tensor([encoded["input_ids"][0]])
    with torch.inference_mode():
        expected = victim.model(input_ids=ids).logits
    assert torch.allclose(victim.read(TEXTS[:1], TEXTS[:1])[0], expected, atol=1e-5)


def test_token_types_above_the_table(folder: Path):
    def raised(tokens: dict[str, Any]) -> None:
        for part in tokens["post_processor"]["pair"]:
            for piece in part.values():
                piece["type_id"] += 1

    change_tokens(folder, raised)
    assert "gives the token type 2 and the model has 2, from 0 to 1" in refused(folder)


@pytest.mark.parametrize("pad", [0, 1, 3, 5])
def test_positions_count_on_from_the_pad_token(write_model: Write, tmp_path: Path, pad: int):
    folder = write_model(
        tmp_path / "m", family="roberta", pad_token_id=pad, max_position_embeddings=66
    )
    victim = load_victim(str(folder), "cpu")
    assert victim.max_tokens == open_base(str(folder)).limit == 66 - pad - 1
    logits, _ = victim.read(["good film " * 100, "bad"])
    assert (
        logits.isfinite().all()
        and len(victim.encode(["good " * 100])["input_ids"][0]) == victim.max_tokens
    )


def test_positions_that_depend_on_a_pad_token_need_one(write_model: Write, tmp_path: Path):
    folder = write_model(tmp_path / "m", family="roberta")
    change_json(folder / "config.json", pad_token_id=None)
    assert "the pad_token_id of its config.json is None" in refused(folder)


def test_positions_leave_room_for_a_text(write_model: Write, tmp_path: Path):
    assert (
        load_victim(
            str(write_model(tmp_path / "four", max_position_embeddings=4)), "cpu"
        ).max_tokens
        == 4
    )
    assert "its table of 3 positions leaves no room beside the 3 special tokens" in refused(
        write_model(tmp_path / "three", max_position_embeddings=3)
    )


def test_texts_are_cut_where_the_deployed_tokenizer_cuts_them(folder: Path, victim: Victim):
    change_json(folder / "tokenizer_config.json", model_max_length=16)
    cut = load_victim(str(folder), "cpu")
    assert cut.max_tokens == 16 and open_base(str(folder)).limit == 16
    assert "cuts texts after 16 tokens (its model_max_length)" in cut.notices[0]
    text = "good film " * 20
    expected = AutoTokenizer.from_pretrained(folder)(text, truncation=True)["input_ids"]
    assert cut.encode([text])["input_ids"] == [expected]
    change_json(folder / "tokenizer_config.json", model_max_length=512)
    assert load_victim(str(folder), "cpu").max_tokens == victim.max_tokens == 64


def without_pad(folder: Path) -> None:
    change_json(folder / "tokenizer_config.json", pad_token=None)
    (folder / "special_tokens_map.json").write_text("{}")


def test_a_tokenizer_without_a_pad_token_reads_alike(folder: Path, victim: Victim):
    without_pad(folder)
    padless = load_victim(str(folder), "cpu")
    assert padless.tokenizer.pad_token_id is None
    assert torch.equal(padless.read(TEXTS)[0], victim.read(TEXTS)[0])
    for mine, its in zip(
        VictimService(padless).answer(TEXTS), VictimService(victim).answer(TEXTS), strict=True
    ):
        assert torch.equal(mine, its)


def bare_tokens(folder: Path) -> None:
    """A tokenizer that adds no special tokens."""
    change_tokens(folder, lambda tokens: tokens.update(post_processor=None))


def test_a_text_of_which_nothing_is_left_is_named(folder: Path):
    bare_tokens(folder)
    victim = load_victim(str(folder), "cpu")
    assert victim.encode(["good film"])["input_ids"] == [
        victim.tokenizer.convert_tokens_to_ids(["good", "film"])
    ]
    with pytest.raises(
        DataError, match=r"makes no token of the text '\\u200b', number 2 of 3 read together"
    ):
        victim.read(["good film", "\u200b", "bad"])


def test_a_candidate_of_which_nothing_is_left_fails_its_own_attack_only(folder: Path):
    bare_tokens(folder)
    service = VictimService(load_victim(str(folder), "cpu"))
    (row,) = service.answer(["good film"])
    assert row.sum() == pytest.approx(1)
    with pytest.raises(NotAttackable, match="makes no token"):
        service.answer(["good film", ""])


def test_a_tokenizer_that_fails_on_a_text(folder: Path):
    change_tokens(folder, lambda tokens: tokens["model"].update(unk_token="[NONE]"))
    assert "fails on a text (WordPiece error: Missing [UNK] token" in refused(folder)
