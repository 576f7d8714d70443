"""The wheel: it holds the tree and nothing else, and what it holds works in a stranger's folder."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import HeaderParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from docker_context import context
from packaging.requirements import Requirement

import prunescope
from prunescope.engine.paths import PROJECT
from scripts import house

ROOMS = ("engine", "app", "runs")  # links beside what lies in prunescope/ itself
LARGEST = 10_000_000  # bytes of a file; the largest of the pruned models has 9.5 MB
COMMAND = "import sys; from prunescope.engine.cli.main import main; sys.exit(main())"  # its script
THEIRS = "raise SystemExit('a file of the working folder was imported')\n"


def tracked() -> list[str]:
    """The files of the project, those included that git does not know yet."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=PROJECT, capture_output=True, check=True, text=True).stdout
    return [name for name in names.split("\0") if name and os.path.lexists(PROJECT / name)]


def name_in_wheel(name: str) -> str | None:
    """Where a file of the project is in the wheel; None for what is not part of the package."""
    room = name.partition("/")[0]
    if name.startswith("cache/bundled/"):
        return f"prunescope/bundled/{name.removeprefix('cache/bundled/')}"
    if room in ROOMS:
        return f"prunescope/{name}"
    return name if room == "prunescope" and not (PROJECT / name).is_symlink() else None


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of what an image is built from, made without the network."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in tracked():
        if any(name == entry or name.startswith(f"{entry}/") for entry in context()):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT / name, source / name, follow_symlinks=False)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", str(out), str(source)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    [path] = out.iterdir()
    return path


@pytest.fixture(scope="session")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for packages with the wheel's content."""
    folder = tmp_path_factory.mktemp("site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A folder of somebody else's, with files that are called like ours and like Python's."""
    folder = tmp_path / "theirs"
    for name in ("app", "engine", "runs", "queue", "charts", "prunescope_notes"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(THEIRS, encoding="utf-8")
    (folder / "engine").mkdir()
    (folder / "engine" / "__init__.py").write_text(THEIRS, encoding="utf-8")
    return folder


def run(site: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python on the installed copy, as the script `prunescope` does: the working folder is not
    on its path.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PRUNESCOPE_CACHE"}
    environment |= {
        "PYTHONPATH": str(site),
        "PYTHONSAFEPATH": "1",
        "XDG_DATA_HOME": str(folder / "data"),
        "HOME": str(folder),
        "COLUMNS": "100",
    }
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    names = {name for name in sizes if not name.partition("/")[0].endswith(".dist-info")}
    assert names == {inside for name in tracked() if (inside := name_in_wheel(name))}
    assert {name.partition("/")[0] for name in names} == {"prunescope"}
    assert max(sizes.values()) < LARGEST


def test_the_metadata_say_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [folder] = {name.partition("/")[0] for name in archive.namelist()} - {"prunescope"}
        metadata = HeaderParser().parsestr(archive.read(f"{folder}/METADATA").decode())
        scripts = archive.read(f"{folder}/entry_points.txt").decode()
        licences = {name for name in archive.namelist() if "/licenses/" in name}
    assert metadata["Name"] == "prunescope" and metadata["Version"] == prunescope.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert {Path(name).name for name in licences} == {"LICENSE", "NOTICE"}
    assert "prunescope = prunescope.engine.cli.main:main" in scripts
    assert metadata["Requires-Python"] == "<3.14,>=3.11"


def requirements() -> dict[str, Requirement]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {plain(entry.name): entry for entry in map(Requirement, project["dependencies"])}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def versions_in(file: str) -> dict[str, str]:
    lines = (PROJECT / file).read_text(encoding="utf-8").splitlines()
    return {plain(name): version for name, version in (x.split("==") for x in lines if "==" in x)}


def test_the_ranges_allow_the_versions_that_are_tested() -> None:
    """What flair bounds is in a list of its own; the lock, without flair, is ahead of it."""
    versions = versions_in("requirements.lock") | versions_in("requirements-transformers-4.txt")
    for name, requirement in requirements().items():
        assert requirement.specifier.contains(versions[name]), name


def test_everything_that_is_imported_is_required() -> None:
    owners = packages_distributions()
    files = [path for room in ("prunescope", *ROOMS) for path in (PROJECT / room).rglob("*.py")]
    names = {module.partition(".")[0] for path in files for module in house.imported(path)}
    foreign = names - sys.stdlib_module_names - {"prunescope", "ray"}  # ray is an extra
    required = set(requirements())
    assert not {name for name in foreign if not required & set(map(plain, owners.get(name, [])))}


def test_an_installed_copy_answers_beside_files_with_the_same_names(
    site: Path, stranger: Path
) -> None:
    shown = run(site, stranger, "-c", COMMAND, "--help")
    assert shown.returncode == 0, shown.stderr
    assert "study" in shown.stdout and not (stranger / "data").exists()
    version = run(site, stranger, "-c", "import prunescope; print(prunescope.__version__)")
    assert version.stdout.strip() == prunescope.__version__


def test_an_installed_copy_keeps_its_results_in_the_users_folder(
    site: Path, stranger: Path
) -> None:
    code = "from prunescope.engine import paths; print(paths.user_cache(), paths.BUNDLED)"
    cache, bundled = run(site, stranger, "-c", code).stdout.split()
    assert not Path(cache).is_relative_to(site) and "prunescope" in cache
    assert Path(bundled) == site / "prunescope" / "bundled"


def test_the_dashboard_of_an_installed_copy_shows_its_first_page(
    site: Path, stranger: Path
) -> None:
    code = (
        "from streamlit.testing.v1 import AppTest\n"
        "from prunescope.app.__main__ import MAIN\n"
        "page = AppTest.from_file(str(MAIN), default_timeout=120).run()\n"
        "print([error.value for error in page.exception])\n"
        "import sys; print(sorted({'app', 'engine', 'queue'} & set(sys.modules)))\n"
        "print(sys.modules['prunescope.app'].__file__)"
    )
    shown = run(site, stranger, "-c", code)
    errors, modules, place = shown.stdout.splitlines()
    assert (errors, modules) == ("[]", "['queue']"), shown.stdout + shown.stderr
    assert Path(place).is_relative_to(site)
