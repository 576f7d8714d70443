"""Models and attacks of `import prunescope as ps`, on small real models."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

import prunescope as ps

TEXTS = ["the film is bright and warm", "a dull plot"]


@pytest.fixture(scope="module")
def study(
    model_folder: Path, data_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> ps.Study:
    cache = tmp_path_factory.mktemp("cache")
    return ps.run(
        str(model_folder),
        str(data_folder),
        (0, 0.5),
        method="magnitude",
        eval_examples=30,
        attack_examples=4,
        calibration=16,
        held_out=8,
        cache=cache,
        progress=False,
        force=True,
    )


def test_a_study_that_was_run_is_stored(study: ps.Study) -> None:
    assert ps.load(study.key[:8], study._cache).frame().equals(study.frame())
    assert study.key[:12] in ps.studies(study._cache).index


def test_a_pruned_model_has_its_zeros_and_predicts(study: ps.Study) -> None:
    dense, pruned = study.dense(), study.pruned(0.5)
    assert pruned.achieved == pytest.approx(0.5, abs=0.01) and dense.achieved < 0.01
    table = pruned.predict(TEXTS)
    assert table.columns.tolist() == ["label", *pruned.label_names]
    logits, _ = pruned.victim.read(TEXTS)
    expected = torch.softmax(logits.double(), dim=1).numpy()
    assert table[list(pruned.label_names)].to_numpy() == pytest.approx(expected)
    assert table["label"].tolist() == [pruned.label_names[i] for i in expected.argmax(axis=1)]


def test_what_is_saved_is_what_predicts(study: ps.Study, tmp_path: Path) -> None:
    pruned = study.pruned(0.5)
    folder = pruned.save(tmp_path / "folder")
    ordinary = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokens = pruned.tokenizer(TEXTS, return_tensors="pt", padding=True)
    with torch.inference_mode():
        logits = ordinary(**tokens).logits
    shares = pruned.predict(TEXTS)[list(pruned.label_names)].to_numpy()
    assert torch.softmax(logits, dim=1).numpy() == pytest.approx(shares, abs=1e-5)
    packed = ps.open_model(pruned.save(tmp_path / "packed", format="packed"), "cpu")
    assert packed.predict(TEXTS).equals(pruned.predict(TEXTS))


def test_an_attack_tells_what_it_did_to_every_model(study: ps.Study) -> None:
    models = {"dense": study.dense(), "50%": study.pruned(0.5)}
    result = ps.attack("the film is <b>bright</b> and warm", models, seed=3)
    frame = result.frame()
    assert frame.index.tolist() == list(models)
    assert frame["lowest"].le(frame["before"] + 1e-9).all()
    again = ps.attack("the film is <b>bright</b> and warm", models, seed=3).frame()
    assert again.equals(frame)
    assert "<b>bright" not in result._repr_html_() and "&lt;b&gt;" in result._repr_html_()
    for name in result.transfers().index:
        assert result.transfers().loc[name, name]  # it breaks what it was found on


@pytest.mark.parametrize(
    ("label", "attack", "says"),
    [
        ("lukewarm", "deepwordbug", "none of"),
        (7, "deepwordbug", "7"),
        (None, "deepwordbugs", "deepwordbug"),
    ],
)
def test_an_attack_that_cannot_be_is_refused(
    study: ps.Study, label: str | int | None, attack: str, says: str
) -> None:
    with pytest.raises(ps.InputError, match=says):
        ps.attack("the film is bright", study.dense(), label=label, attack=attack)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"max_queries": 0}, "max_queries"),
        ({"max_seconds": -1}, "max_seconds"),
        ({"seed": "x"}, "64 bits"),
        ({"label": True}, "none of"),
        ({"attack": "deepwordbg"}, "Did you mean deepwordbug"),
    ],
)
def test_settings_of_an_attack_are_checked(
    study: ps.Study, arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(ps.SettingError, match=says):
        ps.attack("the film is bright", study.dense(), **arguments)


def test_only_a_model_is_attacked(study: ps.Study) -> None:
    for models in (study, {"dense": "folder"}, ["folder"]):
        with pytest.raises(ps.SettingError, match="is no model"):
            ps.attack("the film is bright", models)  # type: ignore[arg-type]


def test_a_rounded_model_says_so_and_how_it_is_made_again(study: ps.Study, tmp_path: Path) -> None:
    folder = study.pruned(0.5).save(tmp_path / "half", format="packed", half=True)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "rounded to fp16" in card and "--format packed --half" in card


def test_two_models_of_one_name_must_be_named(study: ps.Study) -> None:
    dense = study.dense()
    with pytest.raises(ps.SettingError, match="give them names"):
        ps.attack("the film is bright", [dense, dense])


def test_one_text_is_no_list_of_texts(study: ps.Study) -> None:
    with pytest.raises(ps.DataError, match=r"\[text\]"):
        study.dense().predict("the film")
    with pytest.raises(ps.DataError, match="one pair a text"):
        study.dense().predict(TEXTS, ["a pair"])
    for texts, pairs in ((["a", 3], None), (TEXTS, "cd"), (None, None)):
        with pytest.raises(ps.DataError, match="list of texts"):
            study.dense().predict(texts, pairs)
