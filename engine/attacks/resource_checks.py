"""Whether what an attack needs is whole: it is opened before any work, and damage is one sentence.

A resource of some content is looked into once; a file that changes is looked into again.
"""

import json
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from prunescope.engine.attacks.resources import Resources, Source
from prunescope.engine.attacks.textattack_import import set_nltk_path, textattack
from prunescope.engine.errors import ResourceError

PARTS_OF_SPEECH = ("noun", "verb", "adj", "adv")
TAGGER = "averaged_perceptron_tagger_eng"
WORD = "good"  # which every list of synonyms and every model of English knows something of


def check_source(need: str, source: Source, resources: Resources) -> None:
    """Raises ResourceError or ModelError where the resource called `need` cannot be used."""
    if need in CHECKS:
        _checked(need, source, resources, source.sha256)


@lru_cache(maxsize=32)
def _checked_once(need: str, files: tuple[Path, ...], _sha256: str) -> None:
    CHECKS[need](files)


def _checked(need: str, source: Source, resources: Resources, sha256: str) -> None:
    files = source.files
    if need == "stop words":
        lists = (Path(folder, "corpora", "stopwords", "english") for folder in resources.search)
        files = tuple(path for path in lists if path.is_file())[:1]
    (textattack if need == "masked-lm" else set_nltk_path)(
        resources
    )  # its module imports TextAttack
    _checked_once(need, files, sha256)


def _damaged(what: str, where: Path, why: str) -> ResourceError:
    return ResourceError(f"{what} in {where} cannot be used: {why}; copy it again.")


def _contents(what: str, path: Path, names: Sequence[str]) -> dict[str, bytes]:
    """The named files of a folder of NLTK's, or of the archive that stands for it."""
    if path.is_dir():
        if missing := [name for name in names if not (path / name).is_file()]:
            raise _damaged(what, path, f"{missing[0]} is missing")
        try:
            return {name: (path / name).read_bytes() for name in names}
        except OSError as error:
            raise _damaged(what, path, f"it cannot be read ({error.strerror})") from error
    inside = [f"{path.stem}/{name}" for name in names]
    try:
        with zipfile.ZipFile(path) as archive:
            if missing := [name for name in inside if name not in archive.namelist()]:
                raise _damaged(what, path, f"{missing[0]} is missing")
            return {name: archive.read(full) for name, full in zip(names, inside, strict=True)}
    except zipfile.BadZipFile as error:
        raise _damaged(what, path, f"it is no whole zip archive ({error})") from error
    except (OSError, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise _damaged(what, path, f"it cannot be unpacked ({error})") from error


def _lines(what: str, path: Path, name: str, content: bytes) -> list[str]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _damaged(what, path, f"{name} is not UTF-8 text (byte {error.start})") from error
    if not text.strip():
        raise _damaged(what, path, f"{name} is empty")
    if not text.endswith("\n"):
        raise _damaged(what, path, f"{name} ends in the middle of a line")
    return text.splitlines()


# Each kind


def _check_stop_words(files: tuple[Path, ...]) -> None:
    what = "The list of stop words"
    for file in files:
        _lines(what, file.parent, file.name, _contents(what, file.parent, [file.name])[file.name])


def _check_wordnet(files: tuple[Path, ...]) -> None:
    what, path = "WordNet", files[0]
    names = [f"{kind}.{part}" for part in PARTS_OF_SPEECH for kind in ("data", "index")]
    exceptions = [f"{part}.exc" for part in PARTS_OF_SPEECH]
    contents = _contents(what, path, [*names, *exceptions, "lexnames", "index.sense"])
    _lines(what, path, "index.sense", contents["index.sense"])
    lexnames = [line.split() for line in _lines(what, path, "lexnames", contents["lexnames"])]
    if any(
        len(fields) != 3 or fields[0] != f"{number:02d}" for number, fields in enumerate(lexnames)
    ):
        raise _damaged(what, path, "lexnames is not a list of numbered names")
    for name in exceptions:
        if any(len(line.split()) < 2 for line in _lines(what, path, name, contents[name])):
            raise _damaged(what, path, f"{name} has a line that is not a word and its base forms")
    for part in PARTS_OF_SPEECH:
        _check_synsets(
            path, part, contents[f"data.{part}"], contents[f"index.{part}"], len(lexnames)
        )
    _through_nltk(what, path, _look_up)


def _look_up() -> None:
    from nltk.corpus import wordnet

    for synset in wordnet.synsets(WORD, lang="eng"):
        synset.lemma_names(lang="eng")


def _through_nltk(what: str, path: Path, use: Callable[[], object]) -> None:
    """Use a resource as an attack will; NLTK follows no links that lead out of its folder."""
    try:
        use()
    except (OSError, LookupError, ValueError, AssertionError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise _damaged(what, path, f"NLTK does not read it ({reason})") from error


def _check_synsets(path: Path, part: str, data: bytes, index: bytes, lexnames: int) -> None:
    """The words of an index must name entries that begin where it says, and all of them."""
    listed = set[bytes]()
    for number, line in enumerate(_lines("WordNet", path, f"index.{part}", index), start=1):
        if line.startswith(" "):
            continue  # the licence
        fields = line.split()
        if len(fields) < 5 or not fields[2].isdecimal() or not 0 < int(fields[2]) < len(fields) - 4:
            raise _damaged(
                "WordNet", path, f"line {number} of index.{part} is not a word and its entries"
            )
        listed |= {offset.encode() for offset in fields[-int(fields[2]) :]}
    present, begin = set[bytes](), 0
    _lines("WordNet", path, f"data.{part}", data)
    for entry in data.splitlines(keepends=True):
        if not entry.startswith(b" "):
            offset, lexname = entry[:8], entry[9:11]
            if (
                not offset.isdigit()
                or int(offset) != begin
                or not lexname.isdigit()
                or int(lexname) >= lexnames
            ):
                raise _damaged(
                    "WordNet",
                    path,
                    f"data.{part} has an entry that is not where it says, at byte {begin}",
                )
            present.add(offset)
        begin += len(entry)
    if lost := sorted(listed - present):
        raise _damaged(
            "WordNet",
            path,
            f"data.{part} lacks {len(lost)} of the {len(listed)} entries that index.{part} names",
        )
    if lost := sorted(present - listed):
        raise _damaged(
            "WordNet",
            path,
            f"index.{part} names {len(listed)} of the {len(present)} entries of data.{part}",
        )


def _check_tagger(files: tuple[Path, ...]) -> None:
    what = "NLTK's tagger"
    for path in files:
        if path.stem == TAGGER or path.name == TAGGER:
            kinds = {"weights": dict, "tagdict": dict, "classes": list}
            names = {kind: f"{TAGGER}.{kind}.json" for kind in kinds}
            for kind, content in _contents(what, path, list(names.values())).items():
                try:
                    value = json.loads(content)
                except ValueError as error:
                    raise _damaged(what, path, f"{kind} is no JSON ({error})") from error
                if not value or not isinstance(value, kinds[kind.split(".")[1]]):
                    raise _damaged(what, path, f"{kind} does not hold what the tagger needs")
        else:
            name = "en-ptb.map"
            rows = [
                line.split("\t")
                for line in _lines(what, path, name, _contents(what, path, [name])[name])
            ]
            if any(len(row) != 2 for row in rows) or ["NN", "NOUN"] not in rows:
                raise _damaged(what, path, f"{name} is not a table of tags")

    from prunescope.engine.attacks.tagger import tagger

    _through_nltk(what, files[0], lambda: tagger(Source(files, "").sha256).answer([(WORD,)]))


def _check_neighbours(files: tuple[Path, ...]) -> None:
    from prunescope.engine.attacks.synonyms import counterfitted_neighbours

    counterfitted_neighbours(Source(files, ""))(WORD, 8)


def _check_lexicon(files: tuple[Path, ...]) -> None:
    from prunescope.engine.attacks.synonyms import lexicon_neighbours

    lexicon_neighbours(Source(files, ""))(WORD, 8)


def _check_encoder(_files: tuple[Path, ...]) -> None:
    from prunescope.engine.models.embedded import embedded_base

    embedded_base()  # hash-checked


def _check_masked_lm(files: tuple[Path, ...]) -> None:
    from prunescope.engine.attacks.masked import masked_lm

    masked_lm(files[0], Source(files, "").sha256, "cpu").check()


CHECKS: dict[str, Callable[[tuple[Path, ...]], None]] = {
    "stop words": _check_stop_words,
    "wordnet": _check_wordnet,
    "tagger": _check_tagger,
    "neighbours": _check_neighbours,
    "lexicon": _check_lexicon,
    "encoder": _check_encoder,
    "masked-lm": _check_masked_lm,
}
