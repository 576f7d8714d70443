"""Tokenizers read alike under transformers 4 and 5, whichever of them saved them."""

import json
from pathlib import Path

import pytest
from changed_models import change_json

from prunescope.engine.errors import ModelError
from prunescope.engine.models.tokenizer import VOCABULARIES, open_tokenizer
from prunescope.engine.models.victim import Victim, load_victim

PAIR = (["good film"], ["bad"])


def of_class(folder: Path, name: str, **settings: object) -> Victim:
    """The model with a tokenizer that is all in tokenizer.json, under this class."""
    change_json(folder / "tokenizer_config.json", tokenizer_class=name, **settings)
    return load_victim(str(folder), "cpu")


def test_a_generic_tokenizer_of_4_marks_the_second_text(folder: Path, victim: Victim) -> None:
    generic = of_class(folder, "PreTrainedTokenizerFast")
    assert generic.encode(*PAIR) == victim.encode(*PAIR)
    assert generic.encode(*PAIR)["token_type_ids"] == [[0, 0, 0, 0, 1, 1]]


def test_a_generic_tokenizer_of_5_does_not(folder: Path, victim: Victim) -> None:
    generic = of_class(folder, "TokenizersBackend", backend="tokenizers")
    assert set(generic.encode(*PAIR)) == {"input_ids", "attention_mask"}
    assert generic.encode(*PAIR)["input_ids"] == victim.encode(*PAIR)["input_ids"]


@pytest.mark.parametrize("name", ["PreTrainedTokenizerFast", "TokenizersBackend"])
@pytest.mark.parametrize("inputs", [["input_ids"], ["input_ids", "token_type_ids"]])
def test_what_a_tokenizer_says_of_its_inputs_counts(
    folder: Path, name: str, inputs: list[str]
) -> None:
    change_json(folder / "tokenizer_config.json", tokenizer_class=name, model_input_names=inputs)
    assert set(open_tokenizer(folder)(*PAIR)) == set(inputs)


@pytest.mark.parametrize("name", ["PreTrainedTokenizerFast", "TokenizersBackend"])
def test_a_generic_tokenizer_is_the_same_after_it_was_saved(
    folder: Path, tmp_path: Path, name: str
) -> None:
    before = of_class(folder, name).encode(*PAIR)
    open_tokenizer(folder).save_pretrained(tmp_path / "again")
    for file in ("config.json", "model.safetensors"):
        (tmp_path / "again" / file).write_bytes((folder / file).read_bytes())
    assert load_victim(str(tmp_path / "again"), "cpu").encode(*PAIR) == before


def test_a_folder_without_a_vocabulary_is_refused_by_name(folder: Path) -> None:
    for file in VOCABULARIES:
        (folder / file).unlink(missing_ok=True)
    assert json.loads((folder / "tokenizer_config.json").read_text())  # alone it says nothing
    with pytest.raises(ModelError, match=r"has no tokenizer, none of tokenizer\.json, vocab\.txt"):
        open_tokenizer(folder)
