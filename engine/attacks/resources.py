"""What attacks need beside the victim, and where it comes from.

A folder the user names comes first, then the usual homes (NLTK's search path, the hub's cache, what
pip installed), then what the project carries: a stop-word list and a synonym lexicon of its own.
Nothing is loaded here, and nothing fetched. The record of a study says which resources were used,
by content.

    named/                                       what may be in a named folder
    ├── nltk_data/ (or its contents)             stop words, tagger, WordNet
    ├── lexicon/counter-fitted-vectors.txt       or counterfitted_neighbors.json.gz; both may stand
      in named/ itself
    └── masked-lm/                               a masked language model with its tokenizer
"""

import hashlib
import importlib.util
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from prunescope.engine import paths
from prunescope.engine.errors import ResourceError
from prunescope.engine.models.embedded import BASE_SHA256, HUB_COPY, PACKAGE
from prunescope.engine.paths import expanded
from prunescope.engine.store.checksums import cached_file_sha256

BUILT_IN = paths.BUNDLED / "resources" / "nltk_data"
LEXICON = paths.BUNDLED / "resources" / "synonyms.tsv"
MASKED_LM = "bert-base-uncased"  # TextAttack's, where the hub's cache has it
NEIGHBOUR_FILES = ("counter-fitted-vectors.txt", "counterfitted_neighbors.json.gz")
NLTK_PARTS = {  # everything of a line is needed
    "tagger": ("taggers/averaged_perceptron_tagger_eng", "taggers/universal_tagset"),
    "wordnet": ("corpora/wordnet",),
}
# Nothing needs these; where they are there they are part of a study's key, as they always were.
COUNTED_TOO = {"wordnet": ("corpora/omw-1.4",)}


@dataclass(frozen=True, slots=True)
class Source:
    """One resource: its files, where they come from, and their content."""

    files: tuple[Path, ...]  # files or folders
    # "named folder", "NLTK's folder", "hub cache", "installed package", "hub" or "built in"
    origin: str
    known: str = ""  # SHA-256 that is checked when the resource is opened

    @property
    def sha256(self) -> str:
        """SHA-256 over the content; a file is read again only when its time or size changed."""
        return self.known or hashlib.sha256("|".join(_digests(self.files)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Resources:
    """The NLTK folders to search, the stop words found there, and the other resources by name."""

    search: tuple[str, ...]
    stopwords_from: str  # "named folder", "NLTK's folder", "built in"
    stopwords_sha256: str
    # lexicon, encoder, neighbours, tagger, wordnet, masked-lm
    parts: Mapping[str, Source] = field(default_factory=dict)


def _digests(paths: Iterable[Path]) -> Iterable[str]:
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else (path,):
            if file.is_file():
                name = file.relative_to(path.parent).as_posix()
                yield f"{name}:{cached_file_sha256(file)}"


def _stopword_file(folder: Path) -> Path | None:
    file = folder / "corpora" / "stopwords" / "english"
    return file if file.is_file() else None


@lru_cache(maxsize=1)
def usual_folders() -> tuple[Path, ...]:
    """NLTK's own search path, as it was before a named folder of some attack came into it."""
    from nltk import data

    return tuple(Path(path) for path in data.path if Path(path) != BUILT_IN)


def find_resources(folder_name: str | None) -> Resources:
    """Where everything is. Raises ResourceError when a named folder holds nothing that an attack
    can use.
    """
    candidates = [(path, "NLTK's folder") for path in usual_folders()] + [(BUILT_IN, "built in")]
    parts = _usual_parts()
    if folder_name is not None:
        root = expanded(folder_name)
        folder = root / "nltk_data" if (root / "nltk_data").is_dir() else root
        candidates.insert(0, (folder, "named folder"))
        own = _named_parts(root)
        if not _has_resources(root):
            raise ResourceError(_nothing_in(root))
        parts |= own
    parts = _nltk_parts(candidates) | parts
    for folder, origin in candidates:
        if file := _stopword_file(folder):
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            return Resources(tuple(str(path) for path, _ in candidates), origin, digest, parts)
    raise ResourceError(
        f"The built-in stop words {BUILT_IN} are missing; the installation is incomplete: clone it "
        "again."
    )


def _usual_parts() -> dict[str, Source]:
    package = importlib.util.find_spec(PACKAGE)
    if package is not None and package.origin is not None:
        encoder = Source((Path(package.origin).parent / "model",), "installed package", BASE_SHA256)
    else:
        encoder = Source((Path(HUB_COPY),), "hub", BASE_SHA256)
    parts = {"lexicon": Source((LEXICON,), "built in"), "encoder": encoder}
    if cached := _hub_cached(MASKED_LM):
        parts["masked-lm"] = Source((cached,), "hub cache")
    return parts


def _hub_cached(name: str) -> Path | None:
    """The folder of a model in the hub's cache, or None. Nothing is fetched."""
    from huggingface_hub import try_to_load_from_cache

    file = try_to_load_from_cache(name, "model.safetensors")
    return Path(file).parent if isinstance(file, str | os.PathLike) else None


def _named_parts(root: Path) -> dict[str, Source]:
    parts = {}
    candidates = [folder / name for name in NEIGHBOUR_FILES for folder in (root / "lexicon", root)]
    if file := next((path for path in candidates if path.is_file()), None):
        parts["neighbours"] = Source((file,), "named folder")
    if (root / "masked-lm" / "config.json").is_file():
        parts["masked-lm"] = Source((root / "masked-lm",), "named folder")
    return parts


def _has_resources(root: Path) -> bool:
    """Whether a named folder has anything that an attack can use."""
    folder = root / "nltk_data" if (root / "nltk_data").is_dir() else root
    nltk = ("corpora/stopwords", *(path for paths in NLTK_PARTS.values() for path in paths))
    return bool(_named_parts(root)) or any(_packed_or_not(folder, path) for path in nltk)


def _nothing_in(root: Path) -> str:
    """Why a named folder holds no resources: often it is a level too deep, or not deep enough."""
    whole = root.absolute()
    if not root.exists():
        return (
            f"There is no folder {root}; name one that holds nltk_data, lexicon or masked-lm, or "
            "leave `resources` out."
        )
    if not root.is_dir():
        return (
            f"{root} is a file; name the folder that holds nltk_data, lexicon or masked-lm, or "
            "leave `resources` out."
        )
    near = [*list(whole.parents)[:2], *sorted(path for path in whole.iterdir() if path.is_dir())]
    if (right := next((path for path in near if _has_resources(path)), None)) is not None:
        return f"{root} is the wrong level of a folder of resources; name {right} with `resources`."
    if (whole / "data.noun").is_file() or (whole / "wordnet" / "data.noun").is_file():
        return (
            f"{root} holds WordNet, but not as corpora/wordnet; put it there in a folder of its "
            "own, and name that folder."
        )
    return (
        f"{root} holds no NLTK data (corpora/ or taggers/), no lexicon folder and no masked-lm "
        "folder; name a folder that holds one of them, or leave `resources` out to use what the "
        "project carries."
    )


def _nltk_parts(candidates: list[tuple[Path, str]]) -> dict[str, Source]:
    """For each of NLTK_PARTS the first folder that holds all of it, packed or not."""
    parts = {}
    for name, needed in NLTK_PARTS.items():
        for folder, origin in candidates:
            files = [_packed_or_not(folder, path) for path in needed]
            if all(files):
                files += [_packed_or_not(folder, path) for path in COUNTED_TOO.get(name, ())]
                parts[name] = Source(tuple(file for file in files if file), origin)
                break
    return parts


def _packed_or_not(folder: Path, name: str) -> Path | None:
    """A folder of NLTK's, or the archive that stands for it."""
    return next((path for path in (folder / name, folder / f"{name}.zip") if path.exists()), None)
