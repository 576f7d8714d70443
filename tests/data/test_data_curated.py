"""The sentences that ship to be attacked with one click."""

import json
from pathlib import Path

import pytest

from prunescope.engine import Store, paths
from prunescope.engine.data import curated
from prunescope.engine.data.curated import CuratedSentences, curated_sentences
from prunescope.engine.live import worker
from prunescope.engine.store.shipped import ShippedModel


@pytest.fixture(autouse=True)
def fresh() -> None:
    """Whatever an earlier test read is forgotten."""
    curated.curated_sentences.cache_clear()


def test_sentences_are_read_from_their_file_and_none_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "BUNDLED", tmp_path)
    assert curated_sentences() == CuratedSentences()
    curated_sentences.cache_clear()
    sentence = {
        "text": "Never dull.",
        "label": 1,
        "study": "260eaa6447d8",
        "sparsity": 0.875,
        "attack": "deepwordbug",
        "seed": 0,
        "look_at": "Look at “dull”.",
        "expected": {"0": "held", "0.875": "broken"},
    }
    (tmp_path / "sentences").mkdir()
    content = json.dumps({"searched": 240, "sentences": [sentence]})
    (tmp_path / "sentences" / "curated.json").write_text(content, encoding="utf-8")
    found = curated_sentences()
    assert found.searched == 240 and found.sentences[0].look_at == "Look at “dull”."


def test_the_worker_loads_first_the_models_that_the_sentences_break(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def model(sparsity: float) -> ShippedModel:
        made = object.__new__(ShippedModel)
        object.__setattr__(made, "study", "260eaa6447d8" + "0" * 52)
        object.__setattr__(made, "sparsity", sparsity)
        return made

    shipped = tuple(model(sparsity) for sparsity in (0.5, 0.75, 0.875, 0.9))
    monkeypatch.setattr(worker, "shipped_models", lambda store: shipped)
    monkeypatch.setattr(worker, "curated_sentences", CuratedSentences)
    first = worker.first_models(Store(tmp_path))
    assert [each.sparsity for each in first] == [0.5, 0.75], "as many as memory holds"
    names = ("text", "label", "study", "sparsity", "attack", "seed", "look_at", "expected")
    one = curated.CuratedSentence(
        **dict(zip(names, ("x", 1, "260eaa6447d8", 0.9, "deepwordbug", 0, "", {}), strict=True))
    )
    monkeypatch.setattr(worker, "curated_sentences", lambda: CuratedSentences((one, one), 9))
    assert [each.sparsity for each in worker.first_models(Store(tmp_path))] == [0.9]
