"""What TextAttack imports and no attack needs can be absent; what is here is left as it is."""

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.engine.attacks import stand_ins
from prunescope.engine.attacks.recipes import attacks_here

Finder = Callable[..., ModuleSpec | None]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any of these packages, imported or not."""
    whole: Finder = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in stand_ins.NAMES and name not in sys.modules else whole(name, package)

    for name in stand_ins.NAMES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    return monkeypatch


@pytest.mark.usefixtures("bare")
def test_flairs_names_are_there_in_the_body_and_gone_afterwards() -> None:
    with stand_ins.stand_ins():
        import flair
        import flair.data
        from flair.models import SequenceTagger

        class Words(flair.data.Tokenizer):
            """As TextAttack makes one."""

        assert isinstance(SequenceTagger, type) and flair.data.Sentence
        assert importlib.util.find_spec("flair") is not None
    assert not set(stand_ins.NAMES) & set(sys.modules)


def test_a_package_that_is_here_is_the_real_one(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare.undo()
    (tmp_path / "jieba.py").write_text("real = True\n", encoding="utf-8")
    bare.delitem(sys.modules, "jieba", raising=False)
    bare.syspath_prepend(str(tmp_path))
    with stand_ins.stand_ins():
        import jieba

        assert jieba.real
    del sys.modules["jieba"]


@pytest.mark.usefixtures("bare")
def test_an_attack_that_needs_flair_says_how_to_get_it() -> None:
    [lack] = attacks_here()["checklist"]
    assert lack.startswith("flair's English name tagger") and "pip install textattack" in lack


def distance(first: str, second: str) -> int:
    """Levenshtein's distance by its recurrence."""
    if not first or not second:
        return len(first) + len(second)
    return min(
        distance(first[1:], second) + 1,
        distance(first, second[1:]) + 1,
        distance(first[1:], second[1:]) + (first[0] != second[0]),
    )


@given(st.text("abé", max_size=5), st.text("abé", max_size=5))
def test_the_edit_distance_is_levenshteins(first: str, second: str) -> None:
    assert stand_ins.FUNCTIONS["editdistance", "eval"](first, second) == distance(first, second)
