"""Pages tell where their cursor stands, unless nothing is to be pruned ahead."""

from dataclasses import replace
from pathlib import Path

import pytest
from made_up_studies import level, made_up_study, save
from pages import app_at

from prunescope.engine import Ahead, LiveJob, Study

Cursor = tuple[str, tuple[float, ...]]


@pytest.fixture
def cursors(monkeypatch: pytest.MonkeyPatch) -> list[Cursor]:
    """Where the pages said that they stand."""
    told: list[Cursor] = []
    monkeypatch.setenv("PRUNESCOPE_AHEAD", "1")
    monkeypatch.setattr(
        Ahead, "look", lambda self, page, study, sparsities: told.append((study, sparsities))
    )
    return told


def timed(seconds: float = 20.0, pattern: str = "unstructured") -> Study:
    """A study whose level took so long to prune."""
    study = made_up_study((0.0, 0.5), pattern=pattern)
    return replace(study, levels=(level(0.0), replace(level(0.5), seconds={"prune": seconds})))


@pytest.mark.parametrize("name", ["explore", "layers", "attack"])
def test_a_page_with_a_slider_or_models_tells_what_is_next_to_its_cursor(
    cache: Path, requests: list[LiveJob], cursors: list[Cursor], name: str
) -> None:
    study = save(cache, timed())
    app = app_at(name, {"sparsity": "50"}).run()
    assert not app.exception
    assert cursors[-1] == (study.key, (0.5, 0.51, 0.49, 0.52, 0.48, 0.53))


def test_an_n_m_study_has_one_sparsity(
    cache: Path, requests: list[LiveJob], cursors: list[Cursor]
) -> None:
    study = save(cache, timed(pattern="2:4"))
    app_at("layers", {"sparsity": "70"}).run()
    assert cursors[-1] == (study.key, (0.5,))


@pytest.mark.parametrize(
    ("variable", "value"), [("PRUNESCOPE_AHEAD", "0"), ("PRUNESCOPE_PUBLIC", "1")]
)
def test_it_is_off_where_it_is_switched_off_and_for_strangers(
    cache: Path,
    requests: list[LiveJob],
    cursors: list[Cursor],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
) -> None:
    save(cache, timed())
    monkeypatch.setenv(variable, value)
    app_at("layers").run()
    assert cursors == []


def test_a_study_that_takes_minutes_is_not_pruned_ahead(
    cache: Path, requests: list[LiveJob], cursors: list[Cursor]
) -> None:
    save(cache, timed(seconds=600.0))
    app_at("layers").run()
    assert cursors == []
