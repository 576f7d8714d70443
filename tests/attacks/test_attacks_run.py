"""Several victims at once, in any company: outcomes, budgets, bad input, and the steps of the live
attack.
"""

import gc
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from prunescope.engine.attacks.attempt import MAX_WORDS, AttemptStep, Budget, Example, Outcome
from prunescope.engine.attacks.candidates import SharedCandidates
from prunescope.engine.attacks.resources import find_resources
from prunescope.engine.attacks.run import Attacker, Attackers, attack_examples, attack_many
from prunescope.engine.attacks.services import NotAttackable, Turn
from prunescope.engine.attacks.textattack_import import textattack
from prunescope.engine.attacks.victim_service import VictimService
from prunescope.engine.data import Examples, load_dataset
from prunescope.engine.errors import InterruptedStudy, ModelError
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.records import AttackRecord

TEXT = "a very good film of the slow cast"


@pytest.fixture(scope="module")
def victims(steady_folder: Path) -> dict[str, Victim]:
    """A victim and two that are a little off it."""
    textattack(find_resources(None))
    found = {"dense": load_victim(str(steady_folder), "cpu")}
    for seed, side in enumerate(("half", "most")):
        found[side] = found["dense"].copy()
        generator = torch.Generator().manual_seed(seed)
        for weight in found[side].prunable().values():
            weight += 0.05 * torch.randn(weight.shape, generator=generator)
    return found


@pytest.fixture(scope="module")
def examples(victims: dict[str, Victim], data_folder: Path) -> Examples:
    """Twelve texts under the labels the dense victim gives them, every sixth under another."""
    texts = load_dataset(str(data_folder)).evaluation.texts[:12]
    said = victims["dense"].read(texts)[0].argmax(dim=1).tolist()
    return Examples(
        texts, None, tuple(label if row % 6 else 1 - label for row, label in enumerate(said))
    )


@pytest.fixture(scope="module")
def attackers(victims: dict[str, Victim]) -> Attackers:
    return Attackers(victims, "deepwordbug", 0)


@pytest.fixture(scope="module")
def apart(victims: dict[str, Victim], examples: Examples) -> dict[str, tuple[AttackRecord, ...]]:
    """Each victim on its own, one example at a time."""
    found = {}
    for side, victim in victims.items():
        attacker = Attacker(victim, "deepwordbug", 0)
        found[side] = tuple(
            attacker.run(examples.texts[row], None, examples.labels[row], row).record
            for row in range(12)
        )
    return found


# The victim as a service


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_an_answer_is_the_same_to_the_last_bit_in_any_batch(
    victims: dict[str, Victim], examples: Examples, data: st.DataObject
):
    service = VictimService(victims["dense"])
    items = data.draw(st.lists(st.sampled_from(examples.texts), min_size=1, unique=True))
    expected = victims["dense"].read(items)[0].double().softmax(dim=1)
    for item, row, known in zip(items, service.answer(items), expected, strict=True):
        assert torch.equal(row, service.answer([item])[0])
        assert torch.allclose(row, known, atol=1e-5, rtol=0)


def test_texts_of_equal_tokens_are_computed_once(
    victims: dict[str, Victim], monkeypatch: pytest.MonkeyPatch
):
    service, seen = VictimService(victims["dense"]), []
    computed = service._computed

    def spy(encoded: dict[str, list[tuple[int, ...]]]) -> list[Tensor]:
        seen.extend(encoded["input_ids"])
        return computed(encoded)

    monkeypatch.setattr(service, "_computed", spy)
    upper, lower, other = service.answer(["GOOD film", "good film", "bad film"])
    assert torch.equal(upper, lower) and not torch.equal(upper, other)
    assert len(seen) == 2


def test_pairs_are_answered(victims: dict[str, Victim]):
    found = VictimService(victims["dense"]).answer(
        [("good film", "bad cast"), ("bad cast", "good film")]
    )
    expected = (
        victims["dense"]
        .read(["good film", "bad cast"], ["bad cast", "good film"])[0]
        .double()
        .softmax(dim=1)
    )
    assert torch.allclose(torch.stack(found), expected, atol=1e-6)


# In company


def test_together_is_as_apart(
    attackers: Attackers, examples: Examples, apart: dict[str, tuple[AttackRecord, ...]]
):
    assert attack_many(attackers, examples, range(12)) == apart
    assert {record.outcome for records in apart.values() for record in records} >= {
        "broken",
        "skipped",
    }


@settings(deadline=None, max_examples=10)
@given(st.permutations(range(12)), st.integers(1, 12), st.integers(1, 12))
def test_order_number_and_company_change_nothing(
    attackers: Attackers,
    examples: Examples,
    apart: dict[str, tuple[AttackRecord, ...]],
    order: list[int],
    count: int,
    in_flight: int,
):
    rows = order[:count]
    random.seed(count)
    found = attack_many(attackers, examples, rows, in_flight=in_flight)
    assert found == {side: tuple(records[row] for row in rows) for side, records in apart.items()}


def test_candidates_are_found_once_for_all_victims(
    victims: dict[str, Victim], monkeypatch: pytest.MonkeyPatch
):
    asked: list[Any] = []
    get = SharedCandidates.get

    def spy(self: SharedCandidates, find: Any, current_text: Any, **wanted: Any) -> list[Any]:
        def counted(text: Any, **more: Any) -> Any:
            asked.append((text.text, str(more["indices_to_modify"])))
            return find(text, **more)

        return get(self, counted, current_text, **wanted)

    monkeypatch.setattr(SharedCandidates, "get", spy)
    same = {
        "one": victims["dense"],
        "two": victims["dense"].copy(),
        "three": victims["dense"].copy(),
    }
    told = list(Attackers(same, "deepwordbug", 0).watch(Example(TEXT, None, 1)))
    outcomes = [found for _, found in told if isinstance(found, Outcome)]
    assert len({outcome.perturbed for outcome in outcomes}) == 1 and len(outcomes) == 3
    assert len(asked) == len(set(asked)) > 1


def test_texts_shared_by_victims_are_each_ones_own(victims: dict[str, Victim]):
    """TextAttack empties the attributes of a text it has done with."""
    shared, texts = SharedCandidates(), []
    package = textattack(find_resources(None))
    original = package.shared.AttackedText(TEXT)

    def find(text: Any, **_: Any) -> list[Any]:
        return [text.replace_word_at_index(2, "bad")]

    for _ in range(2):
        texts += shared.get(find, original, original_text=original)
    texts[0].free_memory()
    assert texts[0] is not texts[1]
    assert "previous_attacked_text" in texts[1].attack_attrs


def test_what_is_done_is_not_redone(
    attackers: Attackers, examples: Examples, apart: dict[str, tuple[AttackRecord, ...]]
):
    kept: list[tuple[str, int]] = []
    done = {"dense": apart["dense"][:5], "half": apart["half"][3:]}
    found = attack_many(
        attackers,
        examples,
        range(12),
        done=done,
        keep=lambda side, outcome: kept.append((side, outcome.record.example)),
    )
    assert found == apart
    assert sorted(kept) == sorted(
        [("dense", row) for row in range(5, 12)]
        + [("half", row) for row in range(3)]
        + [("most", row) for row in range(12)]
    )


@pytest.mark.parametrize("calls", [1, 4, 12])
def test_a_cancelled_run_goes_on_to_the_same_end(
    attackers: Attackers, examples: Examples, apart: dict[str, tuple[AttackRecord, ...]], calls: int
):
    kept: dict[str, list[AttackRecord]] = {side: [] for side in apart}
    left = [calls]

    def report(_stage: str, _done: int, _total: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise InterruptedStudy("stopped")

    with pytest.raises(InterruptedStudy):
        attack_many(
            attackers,
            examples,
            range(12),
            report,
            in_flight=2,
            keep=lambda side, outcome: kept[side].append(outcome.record),
        )
    assert all(record in apart[side] for side, records in kept.items() for record in records)
    assert attack_many(attackers, examples, range(12), done=kept) == apart


def test_nothing_of_an_example_outlives_its_attack(attackers: Attackers, examples: Examples):
    """Not even until the next garbage collection: ten thousand examples stream through."""
    gc.collect()
    gc.disable()
    try:
        attack_many(attackers, examples, range(12), in_flight=2)
        kinds = (Turn, textattack(find_resources(None)).shared.AttackedText)
        assert sum(issubclass(type(found), kinds) for found in gc.get_objects()) == 0
    finally:
        gc.enable()


# Budgets


def test_queries_that_run_out_are_told(victims: dict[str, Victim], examples: Examples):
    label = int(victims["dense"].read([TEXT])[0].argmax())
    whole = Attacker(victims["dense"], "deepwordbug", 0).run(TEXT, None, label).record
    for queries in range(1, whole.queries):
        record = (
            Attacker(victims["dense"], "deepwordbug", 0, budget=Budget(queries))
            .run(TEXT, None, label)
            .record
        )
        assert (record.outcome, record.queries, record.reason) == (
            "exhausted",
            queries,
            f"{queries} queries",
        )
    enough = (
        Attacker(victims["dense"], "deepwordbug", 0, budget=Budget(whole.queries + 1))
        .run(TEXT, None, label)
        .record
    )
    assert enough == whole


def test_seconds_that_run_out_are_told(victims: dict[str, Victim]):
    label = int(victims["dense"].read([TEXT])[0].argmax())
    record = (
        Attacker(victims["dense"], "deepwordbug", 0, budget=Budget(seconds=1e-6))
        .run(TEXT, None, label)
        .record
    )
    assert (record.outcome, record.reason) == ("exhausted", "1e-06 seconds")


# Bad input


def outcome_of(victim: Victim, text: str, label: int = 0, pair: str | None = None) -> AttackRecord:
    return Attacker(victim, "deepwordbug", 0).run(text, pair, label).record


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \t\n",
        ". , !",
        "\N{GRINNING FACE} \N{FIRE}",
        "\u200b\u200d\ufeff",
        "\x00\x07",
        "good <SPLIT> film",
        "good " * 10_000,
    ],
)
def test_a_text_with_nothing_to_try_is_withstood_where_the_victim_is_right(
    victims: dict[str, Victim], text: str
):
    said = victims["dense"].read([text])[0].double().softmax(dim=1)[0]
    right = int(said.argmax())
    for label, outcome in ((right, "held"), (1 - right, "skipped")):
        record = outcome_of(victims["dense"], text, label)
        assert (record.outcome, record.queries, record.words_changed, record.untried) == (
            outcome,
            1,
            0,
            True,
        )
        assert (
            record.truth_before == record.truth_after == pytest.approx(float(said[label]), abs=1e-5)
        )
        reasons = (
            "There are no words to attack.",
            "The text contains <SPLIT>",
            f"10000 words; an attack takes up to {MAX_WORDS}",
        )
        assert any(reason in record.reason for reason in reasons)


@pytest.mark.parametrize("text", ["", "!!!", "\N{FIRE}", "\u200b"])
def test_textattack_itself_counts_a_text_without_words_so(victims: dict[str, Victim], text: str):
    from textattack.attack_recipes import DeepWordBugGao2018
    from textattack.models.wrappers import ModelWrapper

    textattack(find_resources(None))
    victim = victims["dense"]

    class Wrapper(ModelWrapper):
        model = victim.model

        def __call__(self, texts: Sequence[str]) -> Tensor:
            return victim.read(list(texts))[0].double().softmax(dim=1)

    stock = DeepWordBugGao2018.build(Wrapper())
    for label in (0, 1):
        kind = type(stock.attack(text, label)).__name__
        assert (
            outcome_of(victim, text, label).outcome
            == {"FailedAttackResult": "held", "SkippedAttackResult": "skipped"}[kind]
        )


def test_a_text_that_the_tokenizer_does_not_know_is_attacked_as_any_other(
    victims: dict[str, Victim],
):
    label = int(victims["dense"].read(["żółć"])[0].argmax())
    record = outcome_of(victims["dense"], "żółć", label)
    assert record.outcome in ("held", "broken") and (record.queries > 1) == (not record.reason)


@pytest.mark.parametrize(
    ("first", "second"), [("good film", ""), ("", "good film"), ("!", "good"), ("a", "?")]
)
def test_a_pair_with_a_blank_side_is_attacked_on_the_other(
    victims: dict[str, Victim], first: str, second: str
):
    label = int(victims["dense"].read([first], [second])[0].argmax())
    record = outcome_of(victims["dense"], first, label, second)
    assert record.outcome in ("held", "broken") and (record.queries > 1) == (not record.reason)


@pytest.mark.parametrize(
    ("text", "label", "reason"),
    [
        ("good film", 2, "label 2 is outside 0..1"),
        ("good film", -1, "label -1 is outside"),
        ("good \ud800 film", 0, "Error"),
    ],
)
def test_what_fails_is_an_error_with_a_reason(
    victims: dict[str, Victim], text: str, label: int, reason: str
):
    record = outcome_of(victims["dense"], text, label)
    assert record.outcome == "error" and reason in record.reason
    assert (record.queries, record.truth_before, record.truth_after, record.words_changed) == (
        0,
        None,
        None,
        0,
    )


@pytest.mark.parametrize(
    "text",
    [
        "good",
        "the of a and",
        "good\u200bfilm bad",
        "good film \N{FIRE} cast",
        "\u202egood film\u202c cast",
        "الفيلم good film",
        "שלום good cast",
        "good\x00film cast",
        "word\nword",
        "it's-a 'good' film_cast @ * -",
        "ﬁlm ｇood ℌ bad",
        "good " * 200,
    ],
)
@pytest.mark.parametrize("name", ["deepwordbug", "pruthi", "input-reduction"])
def test_odd_texts_have_an_outcome(victims: dict[str, Victim], text: str, name: str):
    if name == "pruthi" and len(text) > 500:
        pytest.skip("thousands of candidates")
    label = int(victims["dense"].read([text])[0].argmax())
    record = Attacker(victims["dense"], name, 0).run(text, None, label).record
    assert record.outcome in ("broken", "held") and (record.queries > 1) == (record.reason == "")


@pytest.mark.parametrize("seconds", [None, 60.0])
def test_a_victim_that_answers_nan_ends_the_run(victims: dict[str, Victim], seconds: float | None):
    """What it says of other texts counts no more: such a model is refused, not counted among errors
    of examples.
    """
    sick = victims["dense"].copy()
    sick.model.classifier.bias.data[1] = math.nan
    kept: list[Any] = []
    with pytest.raises(ModelError, match="answers with NaN or infinity"):
        attack_examples(
            Attacker(sick, "deepwordbug", 0, budget=Budget(seconds=seconds)),
            Examples(("good film", "slow film"), None, (0, 1)),
            range(2),
            keep=kept.append,
        )
    assert not kept


def test_a_candidate_of_which_the_tokenizer_makes_nothing_is_an_error_of_its_example(
    victims: dict[str, Victim], monkeypatch: pytest.MonkeyPatch
):
    encode = VictimService._encode

    def fails(self: VictimService, items: Sequence[Any]) -> Any:
        if any("slow" in item for item in items):
            raise NotAttackable("no token")
        return encode(self, items)

    monkeypatch.setattr(VictimService, "_encode", fails)
    texts = ("good film", "slow film", "bad cast")
    said = victims["dense"].read(texts)[0].argmax(dim=1).tolist()
    found = attack_examples(
        Attacker(victims["dense"], "deepwordbug", 0), Examples(texts, None, tuple(said)), range(3)
    )
    assert [record.outcome == "error" for record in found] == [False, True, False]
    assert found[1].reason == "no token"


@pytest.mark.parametrize("defect", [NameError, ImportError])
def test_a_defect_that_no_example_causes_is_not_filed_as_an_error_of_one(
    victims: dict[str, Victim], monkeypatch: pytest.MonkeyPatch, defect: type[Exception]
):
    def broken(self: VictimService, items: Sequence[Any]) -> list[Tensor]:
        raise defect("gone")

    monkeypatch.setattr(VictimService, "answer", broken)
    with pytest.raises(defect, match="gone"):
        Attacker(victims["dense"], "deepwordbug", 0).run("good film", None, 0)


# Live


def test_steps_of_both_sides_are_told_as_they_happen(
    attackers: Attackers, victims: dict[str, Victim]
):
    label = int(victims["dense"].read([TEXT])[0].argmax())
    told = list(attackers.watch(Example(TEXT, None, label)))
    for side in attackers.names:
        mine = [found for name, found in told if name == side]
        *steps, outcome = mine
        assert isinstance(outcome, Outcome) and all(isinstance(step, AttemptStep) for step in steps)
        assert tuple((step.queries, step.lowest) for step in steps) == outcome.path
        assert steps[0].kind == "start"
        for step in steps[1:]:
            if step.kind == "try":
                assert step.lowest <= min(p for _, p in step.tried) + 1e-12
            else:
                assert [TEXT.split()[i] for i, _ in sorted(step.words)] == [
                    "good",
                    "film",
                    "slow",
                    "cast",
                ]
    order = [side for side, found in told if isinstance(found, AttemptStep)]
    assert order.index("most") < len(order) - 1 - order[::-1].index(
        "dense"
    )  # in step, not one after the other


def test_a_closed_watch_stops_the_attack(attackers: Attackers, victims: dict[str, Victim]):
    state = random.getstate()
    steps = attackers.watch(Example(TEXT, None, 1))
    next(steps)
    steps.close()
    assert random.getstate() == state
