"""Side by side with stock TextAttack: its own driver, search and goal function, one example at a
time, the same victim.

The random draws of a transformation follow the same rule on both sides; everything else of the
stock side is its own.
"""

import csv
import os
import random
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import write_model

from prunescope.engine import paths
from prunescope.engine.attacks import recipes
from prunescope.engine.attacks.attempt import Outcome
from prunescope.engine.attacks.candidates import SeededTransformation
from prunescope.engine.attacks.recipes import RECIPES, AttackRecipe
from prunescope.engine.attacks.resources import Resources, find_resources
from prunescope.engine.attacks.run import Attackers, Example
from prunescope.engine.attacks.textattack_import import textattack
from prunescope.engine.data import load_dataset
from prunescope.engine.models.victim import Victim, load_victim

SEED = 3
STATUS = {"skipped": "Skipped", "broken": "Successful", "held": "Failed"}
SYNONYMS = {
    "film": ["movie", "picture", "flick"],
    "good": ["great", "fine"],
    "great": ["good", "big"],
    "bad": ["poor", "awful"],
    "story": ["tale", "plot", "account"],
    "service": ["help", "staff"],
    "food": ["meal", "dishes"],
    "very": ["quite", "rather"],
    "never": ["not"],
    "slow": ["dull", "long"],
    "warm": ["mild"],
    "long": ["slow"],
    "really": ["truly"],
    "small": ["little"],
    "beautiful": ["fine", "lovely"],
    "book": ["novel", "volume"],
    "cold": ["cool", "sharp"],
    "sad": ["grim"],
    "plot": ["story"],
    "scene": ["part"],
    "funny": ["odd", "bright"],
    "weak": ["poor"],
    "strong": ["loud"],
    "end": ["close"],
    "first": ["early"],
}


def word_level(package: Any, model: Any, _resources: Resources) -> Any:
    """Greedy search by saliency over a synonym table, at most half the words: plain parts of
    TextAttack.
    """
    parts = package.constraints

    class Synonyms(package.transformations.WordSwap):
        def _get_replacement_words(self, word: str) -> list[str]:
            return SYNONYMS.get(word.lower(), [word.upper(), word[:1] + word[1:].swapcase()])

    return package.Attack(
        package.goal_functions.UntargetedClassification(model),
        [
            parts.pre_transformation.RepeatModification(),
            parts.pre_transformation.StopwordModification(),
            parts.overlap.MaxWordsPerturbed(max_percent=0.5),
        ],
        Synonyms(),
        package.search_methods.GreedyWordSwapWIR(wir_method="weighted-saliency"),
    )


class Plain:
    """A victim as a model wrapper for TextAttack, text by text: so texts of the same tokens tie."""

    def __init__(self, victim: Victim) -> None:
        self.model, self._victim = victim.model, victim

    def __call__(self, texts: Sequence[Any]) -> torch.Tensor:
        rows = [
            self._victim.read([text], None)[0]
            if isinstance(text, str)
            else self._victim.read([text[0]], [text[1]])[0]
            for text in texts
        ]
        return torch.cat(rows).double().softmax(dim=1)


def stock(
    victim: Victim, recipe: AttackRecipe, examples: Sequence[Example]
) -> list[tuple[str, Any, int]]:
    """(status, perturbed text or pair, queries) of TextAttack's own `Attack.attack`."""
    resources = find_resources(None)
    attack = recipe.build(textattack(resources), Plain(victim), resources)
    attack.transformation = SeededTransformation(attack.transformation, SEED)
    outcome = []
    for example in examples:
        attack.clear_cache()
        text = example.text if example.pair is None else OrderedDict(a=example.text, b=example.pair)
        result = attack.attack(text, example.label)
        status = type(result).__name__.removesuffix("AttackResult")
        outcome.append(
            (status, result.perturbed_result.attacked_text.tokenizer_input, int(result.num_queries))
        )
    return outcome


def ours(victim: Victim, name: str, examples: Sequence[Example]) -> list[Outcome]:
    attackers = Attackers({"victim": victim}, name, SEED)
    result = {
        outcome.record.example: outcome
        for ended in attackers.run(((e, ("victim",)) for e in examples), lambda: None)
        for _, outcome in ended
    }
    return [result[example.row] for example in examples]


def labelled(victim: Victim, texts: Sequence[str]) -> list[Example]:
    """Examples under the label the victim gives, every eighth under another one."""
    predicted = victim.read(texts)[0].argmax(dim=1).tolist()
    return [
        Example(text, None, label if row % 8 else 1 - label, row)
        for row, (text, label) in enumerate(zip(texts, predicted, strict=True))
    ]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Victim:
    """Of a width at which its bits are steady, see `steady_folder`; one that every attack breaks
    now and then.
    """
    folder = tmp_path_factory.mktemp("stock") / "tiny"
    return load_victim(
        str(write_model(folder, seed=0, hidden_size=64, intermediate_size=128)), "cpu"
    )


@pytest.fixture(scope="module")
def reviews() -> list[str]:
    """Openings of the bundled reviews, of 4 to 9 words."""
    lines = (paths.BUNDLED / "reviews" / "evaluation.tsv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(lines, delimiter="\t"))
    draw = random.Random(0)
    return list(dict.fromkeys(" ".join(row["text"].split()[: draw.randint(4, 9)]) for row in rows))[
        :64
    ]


@pytest.fixture(autouse=True)
def synonyms(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = AttackRecipe("synonyms", "Synonyms", "these tests", word_level)
    monkeypatch.setattr(recipes, "RECIPES", {**RECIPES, recipe.name: recipe})
    monkeypatch.setitem(RECIPES, recipe.name, recipe)


@pytest.mark.parametrize("name", ["deepwordbug", "pruthi", "synonyms"])
def test_status_text_and_queries_are_stock_textattacks(tiny: Victim, reviews: list[str], name: str):
    examples = labelled(tiny, reviews)
    assert len(examples) >= 60
    expected = stock(tiny, RECIPES[name], examples)
    outcomes = ours(tiny, name, examples)
    for (status, text, queries), outcome in zip(expected, outcomes, strict=True):
        assert (STATUS[outcome.record.outcome], outcome.record.queries) == (status, queries), (
            outcome.original
        )
        assert outcome.perturbed == (text if status == "Successful" else outcome.original)
    assert {status for status, _, _ in expected} == set(STATUS.values())


def test_reduced_inputs_are_stock_textattacks(tiny: Victim, reviews: list[str]):
    from textattack.shared.utils import words_from_text

    examples = labelled(tiny, reviews)
    expected = stock(tiny, RECIPES["input-reduction"], examples)
    outcomes = ours(tiny, "input-reduction", examples)
    for (status, text, queries), outcome in zip(expected, outcomes, strict=True):
        assert (outcome.perturbed, outcome.record.queries) == (text, queries)
        assert (outcome.record.outcome == "skipped") == (status == "Skipped")
        if status == "Maximized":
            left = len(words_from_text(text))
            assert (outcome.record.outcome == "broken") == (left == 1)
            # more where two words became one
            assert outcome.record.words_changed >= outcome.record.words - left
    assert sum(status == "Maximized" for status, _, _ in expected) >= 50


def test_pairs_are_attacked_as_by_stock_textattack(tiny: Victim, reviews: list[str]):
    texts, pairs = reviews[:20], reviews[20:40]
    predicted = tiny.read(texts, pairs)[0].argmax(dim=1).tolist()
    examples = [
        Example(text, pair, label, row)
        for row, (text, pair, label) in enumerate(zip(texts, pairs, predicted, strict=True))
    ]
    for (status, text, queries), outcome in zip(
        stock(tiny, RECIPES["deepwordbug"], examples),
        ours(tiny, "deepwordbug", examples),
        strict=True,
    ):
        assert (STATUS[outcome.record.outcome], outcome.record.queries) == (status, queries)
        assert outcome.perturbed == (text[0] if status == "Successful" else outcome.original)


def test_real_sentences_on_the_embedded_victim():
    folder = Path(os.environ.get("PRUNESCOPE_DATA") or ".") / "sst2"
    if not folder.is_dir():
        pytest.skip("PRUNESCOPE_DATA names no folder with sst2/")
    evaluation = load_dataset(str(folder)).evaluation
    rows = sorted(range(len(evaluation)), key=lambda row: (len(evaluation.texts[row]), row))[:40]
    examples = [Example(evaluation.texts[row], None, evaluation.labels[row], row) for row in rows]
    victim = load_victim("embedded", "cpu")
    for (status, text, queries), outcome in zip(
        stock(victim, RECIPES["deepwordbug"], examples),
        ours(victim, "deepwordbug", examples),
        strict=True,
    ):
        assert (STATUS[outcome.record.outcome], outcome.record.queries) == (status, queries), (
            outcome.original
        )
        assert outcome.perturbed == (text if status == "Successful" else outcome.original)
