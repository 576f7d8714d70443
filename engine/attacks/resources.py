"""What attacks need beside the victim, and where it comes from.

A folder the user names comes first, then the usual home (NLTK's own search path), then what the project carries: a
stop-word list of its own. The record of a study says which was used, by content.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from engine import paths
from engine.errors import ResourceError

BUILT_IN = paths.BUNDLED / "resources" / "nltk_data"


@dataclass(frozen=True, slots=True)
class Resources:
    """The NLTK folders to search, and the stop words found there."""

    search: tuple[str, ...]
    stopwords_from: str  # "named folder", "NLTK's folder", "built in"
    stopwords_sha256: str


def _stopword_file(folder: Path) -> Path | None:
    file = folder / "corpora" / "stopwords" / "english"
    return file if file.is_file() else None


@lru_cache(maxsize=1)
def usual_folders() -> tuple[Path, ...]:
    """NLTK's own search path, as it was before a named folder of some attack came into it."""
    from nltk import data

    return tuple(Path(path) for path in data.path if Path(path) != BUILT_IN)


def find_resources(named: str | None) -> Resources:
    """Where to look. Raises ResourceError when a named folder holds no NLTK data."""
    usual = usual_folders()
    candidates = [(path, "NLTK's folder") for path in usual] + [(BUILT_IN, "built in")]
    if named is not None:
        root = Path(named).expanduser()
        folder = root / "nltk_data" if (root / "nltk_data").is_dir() else root
        if _stopword_file(folder) is None:
            raise ResourceError(
                f"{folder} holds no NLTK data (corpora/stopwords/english is missing); name a folder with an nltk_data "
                "folder in it, or leave --resources out to use the built-in stop words."
            )
        candidates.insert(0, (folder, "named folder"))
    for folder, origin in candidates:
        if file := _stopword_file(folder):
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            return Resources((str(folder), *(str(path) for path in usual), str(BUILT_IN)), origin, digest)
    raise ResourceError(f"The built-in stop words {BUILT_IN} are missing; the installation is incomplete: clone it again.")
