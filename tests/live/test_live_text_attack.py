"""One text attacked on victims side by side, without a study."""

from typing import Any

import pytest

from prunescope.engine.attacks.attempt import AttemptStep
from prunescope.engine.errors import InputError, SettingError
from prunescope.engine.live.side_result import AttackStep, SideEnded, TextTarget, Tried
from prunescope.engine.live.text_attack import AttackSettings, TextAttack, attack_text
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import Progress

SETTINGS = AttackSettings("deepwordbug", 0)


def attack(victim: Victim, text: str, label: int | None = None, **more: Any) -> TextAttack:
    """The same weights on both sides."""
    targets = {"dense": TextTarget(victim), "pruned": TextTarget(victim)}
    return attack_text(targets, text, label, SETTINGS, **more)


def test_an_attack_on_the_same_weights_ends_alike_on_both_sides(victim: Victim) -> None:
    events: list[Any] = []
    result = attack(victim, " a  good film of dull music ", report=Progress(on_event=events.append))
    dense, pruned = result.sides
    assert (dense.pop("name"), pruned.pop("name")) == ("dense", "pruned")
    assert dense == pruned and dense["outcome"] in ("broken", "held")
    assert dense["label_before"] == result.truth and not result.truth_given
    assert (result.text, result.cut_at) == ("a good film of dull music", None)
    assert " ".join(before for before, _ in dense["changes"]) == result.text
    assert " ".join(after for _, after in dense["changes"]) == dense["perturbed"]
    ended = {event.side: event.result for event in events if isinstance(event, SideEnded)}
    assert {name: result["outcome"] for name, result in ended.items()} == {
        "dense": dense["outcome"],
        "pruned": dense["outcome"],
    }
    steps = [
        event.step for event in events if isinstance(event, AttackStep) and event.side == "dense"
    ]
    assert [[step.queries, step.lowest] for step in steps] == dense["path"]


def test_how_close_an_attack_came_is_the_text_that_left_the_least_confidence(
    victim: Victim,
) -> None:
    events: list[Any] = []
    result = attack(victim, "a good film of dull music", report=Progress(on_event=events.append))
    tried = [
        candidate
        for event in events
        if isinstance(event, AttackStep) and event.side == "dense"
        for candidate in event.step.tried
    ]
    side = result.sides[0]
    assert tried and side["tried"] == len(tried)
    text, truth = min(tried, key=lambda candidate: candidate[1])
    assert (side["closest"]["text"], side["closest"]["truth"]) == (text, round(truth, 6))
    assert " ".join(after for _, after in side["closest"]["changes"]) == text
    assert 1 <= side["words_tried"] <= side["words"]


def test_words_that_were_changed_are_counted_once_and_by_their_place() -> None:
    tried = Tried()
    step = AttemptStep(
        "try", 3, 0.2, tried=(("a f1ne film", 0.6), ("a fin film", 0.3), ("a fine fi1m", 0.4))
    )
    tried.add("a fine film", step)
    payload = tried.payload("a fine film")
    assert (payload["tried"], payload["words_tried"]) == (3, 2)
    assert payload["closest"] == {
        "text": "a fin film",
        "truth": 0.3,
        "changes": [["a", "a"], ["fine", "fin"], ["film", "film"]],
    }
    assert Tried().payload("a fine film")["closest"] is None, "nothing was tried"


def test_a_text_the_victim_cannot_read_is_refused_with_the_reason(victim: Victim) -> None:
    with pytest.raises(InputError, match="knows nothing in this text"):
        attack(victim, "電影")


def test_the_label_given_is_the_one_that_is_attacked(victim: Victim) -> None:
    answer = int(victim.read(["film"])[0].argmax())
    result = attack(victim, "film", 1 - answer)
    assert (result.truth, result.truth_given) == (1 - answer, True)
    # it was wrong before any attack
    assert {side["outcome"] for side in result.sides} == {"skipped"}
    with pytest.raises(SettingError, match="label -1 is outside"):
        attack(victim, "film", -1)


def test_a_text_beyond_the_victims_limit_says_where_it_is_cut(victim: Victim) -> None:
    long = "film " * (victim.max_tokens - 1)  # and [CLS] and [SEP]
    assert attack(victim, long).cut_at == victim.max_tokens
    assert attack(victim, "film").cut_at is None


def test_the_answer_has_one_shape_with_or_without_a_study(victim: Victim) -> None:
    payload = attack(victim, "a good film").payload()
    assert list(payload) == [
        "text",
        "truth",
        "truth_given",
        "attack",
        "seed",
        "budget",
        "label_names",
        "notices",
        "cut_at",
        "sides",
        "importance",
        "transfer",
        "seconds",
    ]
    side = payload["sides"][0]
    assert (side["study"], side["sparsity"], side["achieved"]) == (None, None, None)
