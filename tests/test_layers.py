"""The layers of the house, as `scripts/house.py` states them: no import up, no circle, one name."""

from pathlib import Path

import pytest

from scripts import house

NOT_IN_READING = {"streamlit", "plotly", "torch", "transformers", "textattack"}


def name_of(path: Path) -> str:
    return str(path.relative_to(house.PROJECT))


def python_files(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (house.PROJECT / room).rglob("*.py"))


def packages(path: Path) -> set[str]:
    return {module.partition(".")[0] for module in house.imported(path)}


@pytest.mark.parametrize("path", house.FILES, ids=name_of)
def test_no_import_runs_upwards(path: Path) -> None:
    assert house.arrows_up(path) == []


def test_no_files_import_each_other_in_a_circle() -> None:
    assert house.circles() == []


def test_every_room_has_its_floor() -> None:
    rooms = {
        path.name
        for path in (house.PROJECT / "engine").iterdir()
        if (path / "__init__.py").exists()
    }
    assert rooms == {*house.ENGINE, "config"} - {"root"}  # config stands on the root's floor
    rooms = {
        path.name for path in (house.PROJECT / "app").iterdir() if (path / "__init__.py").exists()
    }
    assert rooms == set(house.APP) - {"main"}


@pytest.mark.parametrize(
    "path", python_files("engine", "app", "tests", "scripts", "benchmarks", "runs"), ids=name_of
)
def test_there_is_one_import_name(path: Path) -> None:
    """A module under two names is two modules, and a user's own `app.py` is never meant."""
    assert not packages(path) & {"engine", "app"}


@pytest.mark.parametrize("path", python_files("engine/reading"), ids=name_of)
def test_reading_draws_nothing_and_runs_no_model(path: Path) -> None:
    assert not packages(path) & NOT_IN_READING


@pytest.mark.parametrize("path", python_files("app/charts"), ids=name_of)
def test_charts_do_not_know_streamlit(path: Path) -> None:
    assert "streamlit" not in packages(path)


@pytest.mark.parametrize("path", python_files("app"), ids=name_of)
def test_the_app_uses_public_names_and_what_reading_says(path: Path) -> None:
    for module in house.imported(path):
        if module.startswith("prunescope.engine."):
            assert module.startswith("prunescope.engine.reading"), module


@pytest.mark.parametrize("path", python_files("scripts", "runs"), ids=name_of)
def test_scripts_do_without_the_app(path: Path) -> None:
    assert not [module for module in house.imported(path) if module.startswith("prunescope.app")]


def test_the_roots_hold_what_the_design_says() -> None:
    assert {path.stem for path in (house.PROJECT / "engine").glob("*.py")} <= house.ROOT
    assert {path.stem for path in (house.PROJECT / "app").glob("*.py")} <= {
        "__init__",
        "__main__",
        "main",
    }
