"""Where stop words come from: a named folder, NLTK's own folders, then what the project carries."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import nltk
import pytest

from prunescope.engine.attacks import resources
from prunescope.engine.attacks.recipes import RECIPES
from prunescope.engine.attacks.resources import BUILT_IN, find_resources
from prunescope.engine.errors import ResourceError
from prunescope.engine.store import checksums


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
    result = find_resources(None)
    assert (result.stopwords_from, result.search) == ("built in", (str(BUILT_IN),))


def test_nltks_own_folder_comes_before_the_built_in(tmp_path: Path):
    digest = write_stopwords(tmp_path / "home")
    nltk.data.path[:] = [str(tmp_path / "nothing"), str(tmp_path / "home")]
    result = find_resources(None)
    assert (result.stopwords_from, result.stopwords_sha256) == ("NLTK's folder", digest)
    assert result.search == (str(tmp_path / "nothing"), str(tmp_path / "home"), str(BUILT_IN))


@pytest.mark.parametrize("inner", ["", "nltk_data"])
def test_named_folder_comes_first(tmp_path: Path, inner: str):
    write_stopwords(tmp_path / "home", "other\n")
    nltk.data.path[:] = [str(tmp_path / "home")]
    digest = write_stopwords(tmp_path / "named" / inner)
    result = find_resources(str(tmp_path / "named"))
    assert (result.stopwords_from, result.stopwords_sha256) == ("named folder", digest)
    assert result.search == (str(tmp_path / "named" / inner), str(tmp_path / "home"), str(BUILT_IN))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "There is no folder"),
        ("file", "is a file"),
        ("empty", r"holds no NLTK data.* no lexicon folder"),
    ],
)
def test_named_folder_without_data_is_an_error(tmp_path: Path, name: str, message: str):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match=message):
        find_resources(str(tmp_path / name))


@pytest.mark.parametrize(
    ("level", "right"),
    [
        (".", "folder"),
        ("folder/nltk_data/corpora", "folder/nltk_data"),
        ("folder/nltk_data/corpora/wordnet", "folder/nltk_data"),
        ("folder/nltk_data/taggers", "folder/nltk_data"),
        ("folder/masked-lm", "folder"),
    ],
)
def test_a_folder_of_the_wrong_level_is_told_which_one_is_right(
    tmp_path: Path, level: str, right: str
):
    put(tmp_path, "folder/nltk_data/corpora/wordnet/data.noun", "folder/masked-lm/config.json")
    (tmp_path / "folder" / "nltk_data" / "taggers").mkdir()
    with pytest.raises(ResourceError) as refused:
        find_resources(str(tmp_path / level))
    assert str(refused.value).endswith(
        f"is the wrong level of a folder of resources; name {tmp_path / right} with `resources`."
    )


def test_wordnet_without_its_place_is_told_where_it_belongs(tmp_path: Path):
    put(tmp_path, "words/deep/wn/data.noun")
    with pytest.raises(ResourceError, match="holds WordNet, but not as corpora/wordnet"):
        find_resources(str(tmp_path / "words" / "deep" / "wn"))


@pytest.mark.parametrize("inner", ["", "nltk_data"])
def test_wordnet_alone_is_enough_and_the_other_languages_are_not_needed(tmp_path: Path, inner: str):
    put(tmp_path / "named" / inner, "corpora/wordnet/data.noun")
    result = find_resources(str(tmp_path / "named"))
    assert RECIPES["pwws"].missing(result) == () and result.stopwords_from == "built in"
    before = result.parts["wordnet"].sha256
    put(tmp_path / "named" / inner, "corpora/omw-1.4/fra/wn-data-fra.tab")
    # as in the keys of stored studies
    assert find_resources(str(tmp_path / "named")).parts["wordnet"].sha256 != before


def test_missing_built_in_stop_words_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resources, "BUILT_IN", tmp_path)
    with pytest.raises(ResourceError, match="clone it again"):
        find_resources(None)


def test_named_folder_of_one_attack_is_not_the_next_ones(tmp_path: Path):
    write_stopwords(tmp_path / "named")
    before = find_resources(None)
    nltk.data.path[:] = list(find_resources(str(tmp_path / "named")).search)  # what the gate does
    assert find_resources(None) == before


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_parts_of_a_named_folder(tmp_path: Path):
    nltk.data.path[:] = [str(tmp_path / "home")]
    put(
        tmp_path / "home",
        "taggers/averaged_perceptron_tagger_eng.zip",
        "taggers/universal_tagset/en-ptb.map",
        "corpora/wordnet/data.noun",
        "corpora/omw-1.4.zip",
    )
    put(
        tmp_path / "named",
        "lexicon/counterfitted_neighbors.json.gz",
        "masked-lm/config.json",
        "nltk_data/taggers/averaged_perceptron_tagger_eng/x.json",
        "nltk_data/corpora/wordnet.zip",
    )
    result = find_resources(str(tmp_path / "named")).parts
    assert {name: source.origin for name, source in result.items()} == {
        "lexicon": "built in",
        "encoder": "installed package",
        "neighbours": "named folder",
        "masked-lm": "named folder",
        "tagger": "NLTK's folder",  # the named one lacks a part
        "wordnet": "named folder",
    }
    assert result["neighbours"].files[0].name == "counterfitted_neighbors.json.gz"
    assert "neighbours" not in find_resources(None).parts


def test_vectors_come_before_the_list(tmp_path: Path):
    put(tmp_path, "counterfitted_neighbors.json.gz", "lexicon/counter-fitted-vectors.txt")
    assert find_resources(str(tmp_path)).parts["neighbours"].files == (
        tmp_path / "lexicon" / "counter-fitted-vectors.txt",
    )


def test_content_is_hashed_again_when_it_changes_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    put(tmp_path, "masked-lm/config.json", "masked-lm/model.safetensors")
    read: list[Path] = []
    digest = checksums.file_sha256
    monkeypatch.setattr(checksums, "file_sha256", lambda path: read.append(path) or digest(path))
    first = find_resources(str(tmp_path)).parts["masked-lm"].sha256
    assert (find_resources(str(tmp_path)).parts["masked-lm"].sha256, len(read)) == (first, 2)
    (tmp_path / "masked-lm" / "config.json").write_text("{other: 1}")
    assert find_resources(str(tmp_path)).parts["masked-lm"].sha256 != first
    assert len(read) == 3
