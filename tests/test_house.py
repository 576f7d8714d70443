"""The house rules: light imports, the public names, the tree of errors, and the size of a file."""

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from prunescope import engine
from prunescope.engine import errors, paths

HEAVY = ("torch", "transformers", "textattack", "streamlit", "datasets", "sentence_transformers")
ENGINE = sorted((paths.PROJECT / "engine").rglob("*.py"))
APP = sorted((paths.PROJECT / "app").rglob("*.py"))


def named(files: list[Path]) -> list[str]:
    return [str(path.relative_to(paths.PROJECT)) for path in files]


def imports(path: Path) -> Iterator[tuple[str, str | None]]:
    """(module, name) for every import of a file, name None for `import module`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from ((node.module or "", alias.name) for alias in node.names)


def loaded_after(statement: str) -> set[str]:
    program = f"import sys\nfrom prunescope import engine\n{statement}\nprint(*sorted(sys.modules))"
    found = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=paths.PROJECT,
    )
    return set(found.stdout.split())


def test_a_page_that_reads_studies_stays_light() -> None:
    names = [
        "Store",
        "Study",
        "Rate",
        "StudySpec",
        "LevelResult",
        "Workbench",
        "LiveJob",
        "METHODS",
        "MODULES",
        "LEVELS",
    ]
    loaded = loaded_after("\n".join(f"engine.{name}" for name in names))
    assert "prunescope.engine.store" in loaded and "prunescope.engine.live.client" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_reading_the_store_and_the_help_loads_nothing_heavy(tmp_path: Path) -> None:
    loaded = loaded_after(
        f"engine.Store({str(tmp_path)!r}).studies()\nimport "
        "prunescope.engine.cli.main\nprunescope.engine.cli.main.whole_parser()"
    )
    assert "prunescope.engine.cli.main" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_paired_rates_and_the_last_safe_sparsity_do_without_scipy() -> None:
    assert "scipy" not in loaded_after(
        "engine.paired_attack([], [])\nengine.last_safe\nengine.timed_levels"
    )


@pytest.mark.parametrize("path", APP, ids=named(APP))
def test_the_app_uses_public_names_only(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "engine"
    }
    for module, name in imports(path):
        if module == "prunescope.engine" and name not in (None, "reading"):
            used.add(str(name))
    assert used <= set(engine.__all__)


def test_the_public_names_are_sorted_and_each_is_there() -> None:
    assert engine.__all__ == sorted(set(engine.__all__)) == dir(engine)
    for name in engine.__all__:
        value = getattr(engine, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__name__ == name


def test_a_name_that_is_not_public_is_refused() -> None:
    with pytest.raises(AttributeError, match="no public name 'secret'"):
        engine.secret  # noqa: B018


def test_the_tree_of_errors_lists_every_class_under_its_parent() -> None:
    drawn: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        words = [word for word in line.split() if word not in ("├──", "└──", "│")]
        if words and (
            words[0].endswith(("Error", "Study", "Diverged")) and words[0].isidentifier()
        ):
            depth = line.index(words[0])
            above = [(d, name) for d, name in above if d < depth]
            drawn[words[0]] = above[-1][1] if above else "Exception"
            above.append((depth, words[0]))
    classes = {
        name: value.__base__.__name__
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }
    assert drawn == classes


@pytest.mark.parametrize("path", ENGINE + APP, ids=named(ENGINE + APP))
def test_a_file_stays_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 600


def test_no_folder_is_called_pages() -> None:
    """Streamlit serves the files of such a folder on their own, without the frame, to whoever opens
    their address first.
    """
    assert not (paths.PROJECT / "app" / "pages").exists()
