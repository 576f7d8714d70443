"""The sentences that ship to be attacked with one click do what their file says."""

import json
from typing import Any

import pytest

from prunescope.engine import paths
from prunescope.engine.attacks.attempt import Example
from prunescope.engine.attacks.run import Attackers
from prunescope.engine.live.models import LiveModels
from prunescope.engine.store import Store

FOLDER = paths.BUNDLED / "sentences"
CURATED: dict[str, Any] = json.loads((FOLDER / "curated.json").read_text(encoding="utf-8"))
SENTENCES: list[dict[str, Any]] = CURATED["sentences"]


def test_they_were_found_among_the_candidates_that_ship_too() -> None:
    rows = (FOLDER / "candidates.tsv").read_text(encoding="utf-8").splitlines()
    candidates = {(text, int(label)) for label, text in (row.split("\t") for row in rows)}
    assert len(rows) == len(candidates) == CURATED["searched"] >= 150
    assert {(sentence["text"], sentence["label"]) for sentence in SENTENCES} <= candidates
    assert len(SENTENCES) == 6


def test_most_break_a_pruned_model_alone_and_some_the_dense_one_alone() -> None:
    pairs = [
        (sentence["expected"]["0"], sentence["expected"][f"{sentence['sparsity']:g}"])
        for sentence in SENTENCES
    ]
    assert set(pairs) == {("held", "broken"), ("broken", "held")}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, str]]:
    """Outcome by text and sparsity, of the shipped models attacked as the page attacks them."""
    models = LiveModels(Store(bundled=paths.BUNDLED))
    models.begin()
    (key,) = {sentence["study"] for sentence in SENTENCES}
    ((attack, seed),) = {(sentence["attack"], sentence["seed"]) for sentence in SENTENCES}
    study = models.store.study(key)
    assert study is not None and (study.about["attack"], study.about["seed"]) == (attack, seed)
    victims = {
        sparsity: models.sparse(study, float(sparsity)).victim
        for sparsity in SENTENCES[0]["expected"]
    }
    attackers = Attackers(victims, attack, seed)
    work = [
        (Example(sentence["text"], None, sentence["label"], row), attackers.names)
        for row, sentence in enumerate(SENTENCES)
    ]
    found: dict[str, dict[str, str]] = {sentence["text"]: {} for sentence in SENTENCES}
    for ended in attackers.run(work, lambda: None):
        for name, outcome in ended:
            found[SENTENCES[outcome.record.example]["text"]][name] = outcome.record.outcome
    return found


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda sentence: sentence["text"][:30])
def test_each_comes_out_as_its_file_says(
    sentence: dict[str, Any], outcomes: dict[str, dict[str, str]]
) -> None:
    assert outcomes[sentence["text"]] == sentence["expected"]
