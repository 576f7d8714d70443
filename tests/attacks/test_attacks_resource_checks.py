"""Damaged resources are named in one sentence before any work; whole ones pass."""

import gzip
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from made_up_resources import LICENCE, TAGGER, write_tagger, write_wordnet

from prunescope.engine.attacks.recipes import check_ready
from prunescope.engine.errors import InputError, ModelError, ResourceError, SettingError

DATA = Path(os.environ.get("PRUNESCOPE_DATA") or "/nowhere")


def as_archive(folder: Path) -> Path:
    """The folder as the archive that may stand for it."""
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in folder.iterdir():
            file.write(path, f"{folder.name}/{path.name}")
    shutil.rmtree(folder)
    return archive


def cut(path: Path, share: float = 0.9) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def refused(attack: str, root: Path, *parts: str) -> None:
    with pytest.raises(InputError) as error:
        check_ready(attack, str(root))
    message = str(error.value)
    assert all(part in message for part in parts) and "\n" not in message, message


@pytest.mark.parametrize("packed", [False, True])
def test_a_whole_wordnet_passes(tmp_path: Path, packed: bool) -> None:
    folder = write_wordnet(tmp_path / "corpora" / "wordnet")
    if packed:
        as_archive(folder)
    check_ready("pwws", str(tmp_path))


def test_a_link_that_nltk_does_not_follow_is_refused_before_any_work(tmp_path: Path) -> None:
    write_wordnet(tmp_path / "elsewhere" / "wordnet")
    (tmp_path / "named" / "corpora").mkdir(parents=True)
    (tmp_path / "named" / "corpora" / "wordnet").symlink_to(tmp_path / "elsewhere" / "wordnet")
    refused("pwws", tmp_path / "named", "NLTK does not read it (Security Violation")


DAMAGE: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: cut(folder / "data.noun"), "data.noun ends in the middle of a line"),
    (
        lambda folder: (folder / "data.noun").write_text(LICENCE),
        "data.noun lacks 1 of the 1 entries that index.noun names",
    ),
    (
        lambda folder: (folder / "data.verb").write_text(
            LICENCE + (folder / "data.verb").read_text()
        ),
        "not where it says, at byte",
    ),
    (lambda folder: (folder / "index.verb").unlink(), "index.verb is missing"),
    (lambda folder: (folder / "index.adj").write_bytes(b""), "index.adj is empty"),
    (
        lambda folder: (folder / "index.adj").write_bytes(b"\xff\xfe\n"),
        "index.adj is not UTF-8 text (byte 0)",
    ),
    (
        lambda folder: (folder / "index.adv").write_text(LICENCE),
        "index.adv names 0 of the 1 entries of data.adv",
    ),
    (
        lambda folder: (folder / "index.adv").write_text("<html>\n"),
        "line 1 of index.adv is not a word and its entries",
    ),
    (lambda folder: (folder / "lexnames").write_text("all\n"), "lexnames is not a list"),
    (lambda folder: (folder / "noun.exc").write_text("better\n"), "noun.exc has a line"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGE, ids=[message for _, message in DAMAGE])
@pytest.mark.parametrize("packed", [False, True])
def test_a_damaged_wordnet_is_refused(
    tmp_path: Path, damage: Callable[[Path], object], message: str, packed: bool
) -> None:
    folder = write_wordnet(tmp_path / "corpora" / "wordnet")
    damage(folder)
    where = as_archive(folder) if packed else folder
    refused("pwws", tmp_path, f"WordNet in {where} cannot be used", message, "copy it again")


@pytest.mark.parametrize("damage", ["text", "cut", "empty"])
@pytest.mark.parametrize(
    ("attack", "path"), [("pwws", "corpora/wordnet.zip"), ("textfooler", f"taggers/{TAGGER}.zip")]
)
def test_an_archive_that_is_none_is_refused(
    tmp_path: Path, attack: str, path: str, damage: str
) -> None:
    (
        write_wordnet(tmp_path / "corpora" / "wordnet"),
        write_tagger(tmp_path / "taggers"),
        write_neighbours(tmp_path),
    )
    archive = as_archive((tmp_path / path).with_suffix(""))
    cut(archive, {"text": 0.0, "cut": 0.6, "empty": 0.0}[damage])
    if damage == "text":
        archive.write_text("<html>not found</html>")
    refused(attack, tmp_path, str(archive), "it is no whole zip archive")


def write_neighbours(folder: Path, value: object = None) -> Path:
    path = folder / "lexicon" / "counterfitted_neighbors.json.gz"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(value or {"good": ["fine"]}).encode()))
    return path


def test_a_damaged_tagger_is_refused(tmp_path: Path) -> None:
    write_neighbours(tmp_path)
    folder = write_tagger(tmp_path / "taggers")
    check_ready("textfooler", str(tmp_path))
    table = folder / "universal_tagset" / "en-ptb.map"
    table.write_text("NN NOUN\n")
    refused("textfooler", tmp_path, "NLTK's tagger", "en-ptb.map is not a table of tags")
    table.write_text("NN\tNOUN\n")
    cut(folder / TAGGER / f"{TAGGER}.weights.json")
    refused("textfooler", tmp_path, f"{TAGGER}.weights.json is no JSON")
    (folder / TAGGER / f"{TAGGER}.weights.json").write_text("[1]")
    refused("textfooler", tmp_path, f"{TAGGER}.weights.json does not hold what the tagger needs")
    (folder / TAGGER / f"{TAGGER}.weights.json").unlink()
    refused("textfooler", tmp_path, f"{TAGGER}.weights.json is missing")


def test_damaged_neighbours_are_refused(tmp_path: Path) -> None:
    write_tagger(tmp_path / "taggers")
    path = write_neighbours(tmp_path)
    cut(path, 0.7)
    refused("textfooler", tmp_path, str(path), "cannot be read as a packed JSON object")
    write_neighbours(tmp_path, ["good"])
    refused("textbugger", tmp_path, "it holds something else")
    vectors = tmp_path / "counter-fitted-vectors.txt"
    path.unlink()
    vectors.write_text("good 0.1 0.2\nfine 0.1\n")
    refused(
        "textbugger", tmp_path, str(vectors), "cannot be read as lines of a word and its numbers"
    )


def test_a_damaged_list_of_stop_words_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "corpora" / "stopwords" / "english"
    path.parent.mkdir(parents=True)
    path.write_text("the\na\n")
    check_ready("deepwordbug", str(tmp_path))
    path.write_bytes(b"the\n\xff\n")
    refused("deepwordbug", tmp_path, "The list of stop words", "english is not UTF-8 text")


@pytest.mark.parametrize("damage", ["cut", "no head", "text"])
def test_a_damaged_masked_model_is_refused(tmp_path: Path, model_folder: Path, damage: str) -> None:
    folder = tmp_path / "masked-lm"
    shutil.copytree(model_folder, folder)  # a classifier: its head for masked tokens is missing
    weights = folder / "model.safetensors"
    if damage == "cut":
        cut(weights)
    if damage == "text":
        weights.write_text("version https://git-lfs.github.com/spec/v1")
    refused("bert-attack", tmp_path, str(folder), "cannot be opened as a masked language model")


def test_an_attack_is_known_and_none_needs_nothing(tmp_path: Path) -> None:
    check_ready("none", str(tmp_path / "nowhere"))
    with pytest.raises(SettingError, match="'nonsense' is unknown"):
        check_ready("nonsense")
    write_wordnet(tmp_path / "corpora" / "wordnet")
    with pytest.raises(
        ResourceError, match="The attack textfooler needs counter-fitted neighbours"
    ):
        check_ready("textfooler", str(tmp_path))
    assert issubclass(ModelError, InputError)


@pytest.mark.skipif(
    not (DATA / "nltk_data" / "corpora" / "wordnet").is_dir(),
    reason="PRUNESCOPE_DATA has no WordNet",
)
def test_princetons_wordnet_is_whole_and_a_byte_less_is_told(tmp_path: Path) -> None:
    check_ready("pwws", str(DATA))
    folder = tmp_path / "corpora" / "wordnet"
    shutil.copytree(
        DATA / "nltk_data" / "corpora" / "wordnet", folder, copy_function=shutil.copyfile
    )
    folder.chmod(0o755)
    check_ready("pwws", str(tmp_path))
    cut(folder / "data.noun", 0.5)
    refused("pwws", tmp_path, str(folder), "data.noun")
