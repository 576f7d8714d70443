"""Attacks with the real TextAttack on a tiny victim; every test that needs its slow import is in
this file.
"""

import logging
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from prunescope.engine import ATTACKS
from prunescope.engine.attacks.attempt import AttemptStep, Outcome
from prunescope.engine.attacks.recipes import RECIPES, attack_identity, check_attack
from prunescope.engine.attacks.resources import find_resources
from prunescope.engine.attacks.run import Attacker, attack_examples
from prunescope.engine.attacks.textattack_import import REDIRECTED, textattack, version
from prunescope.engine.attacks.victim_service import VictimService
from prunescope.engine.data import Examples, load_dataset
from prunescope.engine.errors import InterruptedStudy, ResourceError, SettingError
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.records import AttackRecord

TEXT = "a very good film of the slow cast"


@dataclass(frozen=True)
class Around:
    """The process before and after TextAttack's import."""

    logger: logging.Logger
    environment: dict[str, str | None]
    after: dict[str, str | None]


@pytest.fixture(scope="module", autouse=True)
def around() -> Around:
    logger = logging.getLogger("prunescope.was.here.before")
    before = {name: os.environ.get(name) for name in REDIRECTED}
    textattack(find_resources(None))
    return Around(logger, before, {name: os.environ.get(name) for name in REDIRECTED})


@pytest.fixture(scope="module")
def tiny(model_folder: Path) -> Victim:
    return load_victim(str(model_folder), "cpu")


@pytest.fixture(scope="module")
def other(tiny: Victim) -> Victim:
    """Another victim, with weights a little off the first one's."""
    found = tiny.copy()
    generator = torch.Generator().manual_seed(0)
    for weight in found.prunable().values():
        weight += 0.05 * torch.randn(weight.shape, generator=generator)
    return found


@pytest.fixture(scope="module")
def attacker(tiny: Victim) -> Attacker:
    return Attacker(tiny, "deepwordbug", 0)


@pytest.fixture(scope="module")
def examples(tiny: Victim, data_folder: Path) -> Examples:
    """Eight texts under the labels the victim gives them; the label of the last is wrong."""
    texts = load_dataset(str(data_folder)).evaluation.texts[:8]
    said = tiny.read(texts)[0].argmax(dim=1).tolist()
    return Examples(texts, None, (*said[:-1], 1 - said[-1]))


@pytest.fixture(scope="module")
def records(attacker: Attacker, examples: Examples) -> tuple[AttackRecord, ...]:
    return attack_examples(attacker, examples, range(8))


def said(victim: Victim, text: str, pair: str | None = None) -> int:
    """The label the victim gives."""
    return int(victim.read([text], None if pair is None else [pair])[0].argmax())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text a victim is asked about."""
    texts: list[str] = []
    answer = VictimService.answer

    def spy(self: VictimService, items: Sequence[Any]) -> list[Tensor]:
        texts.extend(items)
        return answer(self, items)

    monkeypatch.setattr(VictimService, "answer", spy)
    return texts


def test_existing_loggers_stay_enabled(around: Around):
    assert not around.logger.disabled
    assert not logging.getLogger("transformers").disabled


def test_cache_folders_stay_where_they_were(around: Around):
    assert around.after == around.environment


def test_unknown_attack_lists_those_there_are(tiny: Victim):
    check_attack("none")
    with pytest.raises(SettingError, match="choose one of deepwordbug, pruthi"):
        Attacker(tiny, "nope", 0)


def test_missing_resources_are_an_error(tiny: Victim, tmp_path: Path):
    with pytest.raises(ResourceError):
        Attacker(tiny, "deepwordbug", 0, str(tmp_path))


def test_identity_holds_what_decides_the_outcome():
    resources = find_resources(None)
    identity = attack_identity("deepwordbug", resources)
    assert (identity["name"], identity["textattack"]) == ("deepwordbug", version())
    assert identity["stopwords"] == resources.stopwords_sha256


def test_stop_words_are_those_of_the_named_folder(tiny: Victim, asked: list[str], tmp_path: Path):
    file = tmp_path / "corpora" / "stopwords" / "english"
    file.parent.mkdir(parents=True)
    file.write_text("slow\nfilm\ngood\n")
    Attacker(tiny, "deepwordbug", 0, str(tmp_path)).run(
        "good slow film", None, said(tiny, "good slow film")
    )
    assert set(asked) == {"good slow film"}
    Attacker(tiny, "deepwordbug", 0).run("good slow film", None, said(tiny, "good slow film"))
    assert len(set(asked)) > 1


def test_stop_words_are_left_alone(attacker: Attacker, tiny: Victim, asked: list[str]):
    attacker.run("the film of a cast", None, said(tiny, "the film of a cast"))
    assert len(set(asked)) > 3
    assert all([text.split()[i] for i in (0, 2, 3)] == ["the", "of", "a"] for text in asked)


def test_wrong_label_is_skipped_after_one_query(attacker: Attacker, tiny: Victim):
    outcome = attacker.run(TEXT, None, 1 - said(tiny, TEXT), example=3)
    record = outcome.record
    assert (record.example, record.outcome, record.queries, record.words_changed) == (
        3,
        "skipped",
        1,
        0,
    )
    assert outcome.perturbed == TEXT
    assert outcome.label_after == outcome.label_before == said(tiny, TEXT)


def test_rows_have_all_three_outcomes(records: tuple[AttackRecord, ...]):
    assert {record.outcome for record in records} >= {"broken", "skipped"}
    assert records[7].outcome == "skipped"


def test_broken_text_fools_the_victim(
    attacker: Attacker, tiny: Victim, examples: Examples, records: tuple[AttackRecord, ...]
):
    row = next(record.example for record in records if record.outcome == "broken")
    outcome = attacker.run(examples.texts[row], None, examples.labels[row])
    assert outcome.perturbed != outcome.original == examples.texts[row]
    assert (
        said(tiny, outcome.perturbed)
        == outcome.label_after
        != outcome.label_before
        == examples.labels[row]
    )


def test_record_agrees_with_the_texts(attacker: Attacker, tiny: Victim, examples: Examples):
    for row in range(7):
        text = examples.texts[row]
        outcome = attacker.run(text, None, examples.labels[row], row)
        changed = sum(a != b for a, b in zip(text.split(), outcome.perturbed.split(), strict=True))
        truth = tiny.read([text])[0].double().softmax(dim=1)[0, examples.labels[row]]
        assert outcome.record.words_changed == changed
        assert outcome.record.words == len(text.split())
        assert outcome.record.truth_before == pytest.approx(float(truth), abs=2e-6)
        assert (outcome.record.outcome == "broken") is (changed > 0)


@pytest.mark.parametrize("text", [TEXT, "don't say it-all", "a\nb"])
def test_path_falls_and_ends_at_the_record(attacker: Attacker, tiny: Victim, text: str):
    outcome = attacker.run(text, None, said(tiny, text))
    queries, lowest = zip(*outcome.path, strict=True)
    assert list(queries) == sorted(set(queries))
    assert list(lowest) == sorted(lowest, reverse=True)
    assert outcome.path[0] == (1, pytest.approx(outcome.record.truth_before, abs=1e-6))
    assert outcome.record.truth_after == pytest.approx(lowest[-1], abs=1e-6)


def test_watcher_sees_the_path(attacker: Attacker, examples: Examples):
    seen: list[AttemptStep] = []
    outcome = attacker.run(examples.texts[0], None, examples.labels[0], watch=seen.append)
    assert tuple((step.queries, step.lowest) for step in seen) == outcome.path
    assert [step.kind for step in seen[:3]] == ["start", "rank", "try"]


def test_held_attack_changes_nothing_on_record(attacker: Attacker, tiny: Victim):
    record = attacker.run("the of a", None, said(tiny, "the of a")).record
    assert (record.outcome, record.words_changed, record.queries) == ("held", 0, 1)


@pytest.mark.parametrize("text", ["", "  ", ". , !", "\N{GRINNING FACE}", "word\nword"])
def test_odd_texts_are_attacked_without_fuss(attacker: Attacker, tiny: Victim, text: str):
    assert attacker.run(text, None, said(tiny, text)).original == text


def test_same_example_twice_gives_the_same(attacker: Attacker, examples: Examples):
    first, second = (attacker.run(examples.texts[0], None, examples.labels[0]) for _ in range(2))
    assert first == second


def test_new_attacker_of_the_same_seed_gives_the_same(
    tiny: Victim, examples: Examples, records: tuple[AttackRecord, ...]
):
    random.seed(99)
    np.random.seed(99)
    assert attack_examples(Attacker(tiny, "deepwordbug", 0), examples, range(8)) == records


def test_order_of_examples_changes_nothing(
    attacker: Attacker, examples: Examples, records: tuple[AttackRecord, ...]
):
    shuffled = attack_examples(attacker, examples, [5, 7, 0, 3])
    assert shuffled == tuple(records[row] for row in (5, 7, 0, 3))


def candidates(victim: Victim, seed: int, asked: list[str], text: str) -> list[str]:
    """What a victim is asked about a text with one word that may be changed."""
    label = said(victim, text)
    asked.clear()
    Attacker(victim, "deepwordbug", seed).run(text, None, label)
    return list(asked)


def test_two_victims_are_offered_the_same_candidates(tiny: Victim, other: Victim, asked: list[str]):
    first = candidates(tiny, 0, asked, "the quiet of a")
    random.seed(7)
    assert len(first) > 4
    assert candidates(other, 0, asked, "the quiet of a") == first


def test_another_seed_offers_other_candidates(tiny: Victim, asked: list[str]):
    assert candidates(tiny, 0, asked, "the quiet of a") != candidates(
        tiny, 1, asked, "the quiet of a"
    )


def test_queries_counted_are_texts_asked(attacker: Attacker, tiny: Victim, asked: list[str]):
    label = said(tiny, TEXT)
    asked.clear()
    assert attacker.run(TEXT, None, label).path[-1][0] == len(asked)


def test_global_random_state_is_left_alone(attacker: Attacker, examples: Examples):
    random.seed(5)
    np.random.seed(5)
    state, numpy_state = random.getstate(), np.random.get_state()[1].copy()
    attacker.run(examples.texts[0], None, examples.labels[0])
    assert random.getstate() == state
    assert (np.random.get_state()[1] == numpy_state).all()


def test_global_random_state_is_put_back_after_an_interruption(
    attacker: Attacker, examples: Examples
):
    state = random.getstate()
    with pytest.raises(InterruptedStudy):
        attacker.run(examples.texts[0], None, examples.labels[0], report=stop_after(1))
    assert random.getstate() == state


def stop_after(calls: int) -> Callable[[str, int, int], None]:
    """A reporter that cancels at a later call."""
    left = [calls]

    def report(_stage: str, _done: int, _total: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise InterruptedStudy("stopped")

    return report


def test_interruption_within_an_attack_reaches_the_caller(attacker: Attacker, examples: Examples):
    kept: list[Outcome] = []
    with pytest.raises(InterruptedStudy):
        attack_examples(attacker, examples, range(8), stop_after(2), keep=kept.append)
    assert (
        kept == []
    )  # one call before the first attack, one before its first query: this is its second query


def test_attack_after_an_interruption_is_not_disturbed(
    attacker: Attacker, examples: Examples, records: tuple[AttackRecord, ...]
):
    with pytest.raises(InterruptedStudy):
        attacker.run(examples.texts[1], None, examples.labels[1], report=stop_after(1))
    assert attacker.run(examples.texts[0], None, examples.labels[0], 0).record == records[0]


def test_kept_records_are_not_redone(
    attacker: Attacker, examples: Examples, records: tuple[AttackRecord, ...], asked: list[str]
):
    kept: list[Outcome] = []
    found = attack_examples(
        attacker, examples, [0, 7, 1], done=(records[0], records[1]), keep=kept.append
    )
    assert found == (records[0], records[7], records[1])
    assert [outcome.record for outcome in kept] == [records[7]]
    assert set(asked) == {examples.texts[7]}


def test_progress_counts_the_examples(attacker: Attacker, examples: Examples):
    steps: list[tuple[int, int]] = []
    attack_examples(
        attacker, examples, [0, 7], lambda _stage, done, total: steps.append((done, total))
    )
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert (steps[0], steps[-1]) == ((0, 2), (2, 2))


def test_pairs_are_attacked(attacker: Attacker, tiny: Victim):
    label = said(tiny, "good film", "the end of a slow cast")
    outcome: Outcome = attacker.run("good film", "the end of a slow cast", label)
    assert outcome.original == "good film"
    assert outcome.record.words == 8
    assert outcome.label_before == label


def test_pairs_come_from_the_examples(attacker: Attacker, tiny: Victim, asked: list[Any]):
    attack_examples(
        attacker,
        Examples(("good film",), ("bad cast",), (1 - said(tiny, "good film", "bad cast"),)),
        [0],
    )
    assert asked == [("good film", "bad cast")]


@pytest.mark.parametrize(
    ("columns", "kept"),
    [(("premise", "hypothesis"), True), (("question1", "question2"), False), (None, False)],
)
def test_textfooler_leaves_a_premise_as_it_is(
    tiny: Victim, asked: list[Any], columns: tuple[str, str] | None, kept: bool
):
    pairs = Examples(
        ("a wonderful film",),
        ("an awful story",),
        (said(tiny, "a wonderful film", "an awful story"),),
        columns,
    )
    attack_examples(Attacker(tiny, "textfooler-like", 0), pairs, [0])
    masked = {(first != "a wonderful film", second != "an awful story") for first, second in asked}
    assert (False, True) in masked and ((True, False) in masked) != kept


def test_the_titles_that_pages_show_are_the_recipes() -> None:
    assert {name: recipe.title for name, recipe in RECIPES.items()} == ATTACKS
