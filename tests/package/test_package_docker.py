"""The Dockerfile, read against the tree: Docker itself is not needed."""

import re
import shlex

import pytest
from docker_context import context

from prunescope.engine.paths import PROJECT

LINES = (PROJECT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()


def arguments(instruction: str) -> list[str]:
    """What follows every use of an instruction."""
    return [line.split(maxsplit=1)[1] for line in LINES if line.startswith(f"{instruction} ")]


def setting(name: str) -> str:
    match = re.search(rf"\b{name}=(\S+)", " ".join(arguments("ENV")))
    assert match, name
    return match[1]


def test_every_file_of_the_context_is_there() -> None:
    assert all((PROJECT / name).exists() for name in context())


def test_every_file_that_is_copied_is_in_the_context() -> None:
    copied = [name for line in arguments("COPY") for name in shlex.split(line)[:-1]]
    names = [name for name in copied if name != "." and not name.startswith("--")]
    assert names and set(names) <= context()


def test_every_list_that_pip_reads_was_copied() -> None:
    read = re.findall(r"/tmp/([\w.-]+)", " ".join(arguments("RUN")))
    copied = " ".join(arguments("COPY"))
    assert read and all(name in copied for name in read)


def test_the_links_of_the_checkout_are_made_again() -> None:
    pairs = re.findall(r"ln -sfn (\S+) (\S+)", " ".join(arguments("RUN")))
    links = {
        f"prunescope/{path.name}": str(path.readlink())
        for path in (PROJECT / "prunescope").iterdir()
        if path.is_symlink()
    }
    assert {link: target for target, link in pairs} == links


def test_it_serves_strangers_without_rights_on_the_port_of_the_environment() -> None:
    [user], [exposed], [command] = arguments("USER"), arguments("EXPOSE"), arguments("CMD")
    assert user not in ("root", "0") and f"--uid 1000 {user}" in " ".join(arguments("RUN"))
    assert setting("PORT") == exposed and setting("STREAMLIT_SERVER_ADDRESS") == "0.0.0.0"
    assert 'prunescope app --public --port \\"$PORT\\"' in command
    assert arguments("VOLUME") == [setting("PRUNESCOPE_CACHE")]


def test_its_python_is_supported_and_its_health_is_streamlits() -> None:
    assert set(arguments("FROM")) == {"python:3.12-slim AS package", "python:3.12-slim"}
    assert "/_stcore/health" in arguments("HEALTHCHECK")[0]


@pytest.mark.parametrize("name", ["PORT", "PRUNESCOPE_CACHE", "STREAMLIT_SERVER_ADDRESS"])
def test_the_page_on_hosting_says_what_the_image_sets(name: str) -> None:
    page = (PROJECT / "docs" / "hosting.md").read_text(encoding="utf-8")
    assert setting(name) in page


def test_a_space_looks_for_the_page_on_the_port_of_the_image() -> None:
    page = (PROJECT / "docs" / "hosting.md").read_text(encoding="utf-8")
    assert f"app_port: {setting('PORT')}\n" in page
