"""Where stop words come from: a named folder, NLTK's own folders, then what the project carries."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import nltk
import pytest

from engine.attacks import resources
from engine.attacks.resources import BUILT_IN, find_resources
from engine.errors import ResourceError


@pytest.fixture(autouse=True)
def no_nltk_folders(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """NLTK's search path is empty, and put back afterwards."""
    monkeypatch.setattr(nltk.data, "path", [])
    resources.usual_folders.cache_clear()
    yield
    resources.usual_folders.cache_clear()


def write_stopwords(folder: Path, words: str = "the\na\n") -> str:
    """Write a stop-word list below `folder` and return its SHA-256."""
    file = folder / "corpora" / "stopwords" / "english"
    file.parent.mkdir(parents=True)
    file.write_text(words)
    return hashlib.sha256(words.encode()).hexdigest()


def test_built_in_stop_words_are_the_last_resort():
    found = find_resources(None)
    assert (found.stopwords_from, found.search) == ("built in", (str(BUILT_IN), str(BUILT_IN)))


def test_nltks_own_folder_comes_before_the_built_in(tmp_path: Path):
    digest = write_stopwords(tmp_path / "home")
    nltk.data.path[:] = [str(tmp_path / "nothing"), str(tmp_path / "home")]
    found = find_resources(None)
    assert (found.stopwords_from, found.stopwords_sha256) == ("NLTK's folder", digest)
    assert found.search[0] == str(tmp_path / "home")


@pytest.mark.parametrize("inner", ["", "nltk_data"])
def test_named_folder_comes_first(tmp_path: Path, inner: str):
    write_stopwords(tmp_path / "home", "other\n")
    nltk.data.path[:] = [str(tmp_path / "home")]
    digest = write_stopwords(tmp_path / "named" / inner)
    found = find_resources(str(tmp_path / "named"))
    assert (found.stopwords_from, found.stopwords_sha256) == ("named folder", digest)
    assert found.search == (str(tmp_path / "named" / inner), str(tmp_path / "home"), str(BUILT_IN))


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_named_folder_without_data_is_an_error(tmp_path: Path, name: str):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResourceError, match="holds no NLTK data"):
        find_resources(str(tmp_path / name))


def test_missing_built_in_stop_words_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resources, "BUILT_IN", tmp_path)
    with pytest.raises(ResourceError, match="clone it again"):
        find_resources(None)


def test_named_folder_of_one_attack_is_not_the_next_ones(tmp_path: Path):
    write_stopwords(tmp_path / "named")
    before = find_resources(None)
    nltk.data.path[:] = list(find_resources(str(tmp_path / "named")).search)  # what the gate does
    assert find_resources(None) == before
