"""Attacks that keep their texts: a run that was stopped goes on, victims are told apart, the bundle
stays free of texts.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from prunescope.engine import paths
from prunescope.engine.attacks import cached_run
from prunescope.engine.attacks.attempt import Budget
from prunescope.engine.attacks.cached_run import attack_cached
from prunescope.engine.attacks.terms import KeyedVictim
from prunescope.engine.attacks.texts import AttackText, AttackTexts
from prunescope.engine.data import Examples
from prunescope.engine.errors import InterruptedStudy, StoreError
from prunescope.engine.models.victim import Victim
from prunescope.engine.records import AttackRecord
from prunescope.engine.store import Store

TEXTS = (
    "a good film with a great cast",
    "the plot was dull and slow",
    "a warm funny story",
    "the music is sad and plain",
    "not very bright",
    "an awful start and a weak end",
)
EXAMPLES = Examples(TEXTS, None, (0, 1, 0, 1, 0, 1))
ROWS = (0, 2, 3, 5)


@pytest.fixture
def other(victim: Victim) -> Victim:
    """Another victim, with weights a little off the first one's."""
    found = replace(victim.copy(), fingerprint="other")
    generator = torch.Generator().manual_seed(0)
    for weight in found.prunable().values():
        weight += 0.05 * torch.randn(weight.shape, generator=generator)
    return found


def attack(
    sides: dict[str, Victim], root: Path, **more: object
) -> dict[str, tuple[AttackText, ...]]:
    named = {name: KeyedVictim(victim, victim.fingerprint) for name, victim in sides.items()}
    return attack_cached(named, "deepwordbug", EXAMPLES, ROWS, 0, Store(root), **more)  # type: ignore[arg-type]


def test_every_row_has_its_texts_and_what_the_victim_says_of_them(
    victim: Victim, other: Victim, tmp_path: Path
) -> None:
    found = attack({"a": victim, "b": other}, tmp_path)
    assert list(found) == ["a", "b"] and "broken" in {
        text.record.outcome for texts in found.values() for text in texts
    }
    for side, model in (("a", victim), ("b", other)):
        assert [text.record.example for text in found[side]] == list(ROWS)
        for text in found[side]:
            row, changed = text.record.example, text.perturbed != text.original
            assert (text.original, text.truth, text.pair) == (
                TEXTS[row],
                EXAMPLES.labels[row],
                None,
            )
            assert changed is (text.record.outcome == "broken")
            shares = model.read([text.original, text.perturbed])[0].double().softmax(dim=1)
            assert (text.label_before, text.label_after) == tuple(shares.argmax(dim=1).tolist())
            assert text.record.truth_before == pytest.approx(float(shares[0, text.truth]), abs=2e-6)
            assert text.truth_perturbed == pytest.approx(float(shares[1, text.truth]), abs=2e-6)


def test_both_texts_of_a_pair_are_kept(victim: Victim, tmp_path: Path) -> None:
    examples = Examples(TEXTS, TEXTS[::-1], EXAMPLES.labels)
    found = attack_cached(
        {"a": KeyedVictim(victim, "a")}, "deepwordbug", examples, range(6), 0, Store(tmp_path)
    )["a"]
    assert [text.pair for text in found] == list(TEXTS[::-1])
    broken = [text for text in found if text.record.outcome == "broken"]
    assert broken
    for text in broken:
        assert text.perturbed_pair is not None
        shares = victim.read([text.perturbed], [text.perturbed_pair])[0].double().softmax(dim=1)[0]
        assert int(shares.argmax()) == text.label_after != text.truth
        assert text.truth_perturbed == pytest.approx(float(shares[text.truth]), abs=2e-6)
    assert any(text.perturbed_pair != text.pair for text in broken)


def test_a_stopped_run_goes_on_and_ends_alike(
    victim: Victim, other: Victim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = {"a": victim, "b": other}
    whole = attack(sides, tmp_path / "whole")

    def stop(stage: str, done: int, total: int) -> None:
        if done >= 3:
            raise InterruptedStudy("stopped")

    with pytest.raises(InterruptedStudy):
        attack(sides, tmp_path / "cut", report=stop)
    lines = [path.read_bytes().count(b"\n") for path in (tmp_path / "cut").rglob("*.jsonl")]
    assert 3 <= sum(lines) < 8
    asked: list[int] = []
    old = cached_run.attacked_text
    monkeypatch.setattr(
        cached_run, "attacked_text", lambda outcome, *rest: asked.append(0) or old(outcome, *rest)
    )
    assert attack(sides, tmp_path / "cut") == whole and len(asked) == 8 - sum(lines)
    assert attack(sides, tmp_path / "cut") == whole and len(asked) == 8 - sum(lines)


def test_what_decides_the_outcome_decides_what_is_found_again(
    victim: Victim, other: Victim, tmp_path: Path
) -> None:
    attack({"a": victim}, tmp_path)
    for sides, more in (
        ({"b": victim}, {}),
        ({"a": other}, {}),
        ({"a": victim}, {"budget": Budget(queries=3)}),
        ({"a": replace(victim, max_tokens=4)}, {}),
    ):
        attack(sides, tmp_path, **more)
    assert len(list((tmp_path / "texts").iterdir())) == 4  # the name of a side decides nothing


def test_a_budget_is_kept_to(victim: Victim, tmp_path: Path) -> None:
    found = attack({"a": victim}, tmp_path, budget=Budget(queries=2))["a"]
    assert {text.record.outcome for text in found} & {"exhausted"}


# The cache of texts


def text(example: int = 0) -> AttackText:
    record = AttackRecord(example, "error", 1, 0, 2, None, None, "odd")
    return AttackText(record, 0, "half \ud800 a pair\u2028", "x", None, None, None)


def test_kept_texts_come_back_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    texts = AttackTexts(Store(tmp_path), "k" * 64)
    assert texts.stored() == ()
    for example in range(3):
        texts.keep(text(example))
    content = texts.path.read_bytes()
    assert texts.stored() == (text(0), text(1), text(2))
    texts.path.write_bytes(content[:-30])
    assert texts.stored() == (text(0), text(1))
    texts.keep(text(4))
    assert texts.stored() == (text(0), text(1), text(4))


def test_a_changed_line_is_left_out(tmp_path: Path) -> None:
    texts = AttackTexts(Store(tmp_path), "k" * 64)
    texts.keep(text())
    entry = json.loads(texts.path.read_bytes())
    entry["text"]["perturbed"] = "y"
    texts.path.write_text(json.dumps(entry))
    assert texts.stored() == ()


@pytest.mark.parametrize("root", [paths.BUNDLED, paths.BUNDLED / "deeper"])
def test_texts_never_go_into_the_bundle(root: Path) -> None:
    with pytest.raises(StoreError, match="holds no texts"):
        AttackTexts(Store(root), "k" * 64)


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="cannot be written"):
        AttackTexts(Store(tmp_path / "file"), "k" * 64).keep(text())
