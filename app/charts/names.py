"""Names of files: what, data, methods, keys, sparsity, so that two files of two views differ."""

import re
from collections.abc import Mapping

LISTED = 3  # studies that a name lists
DIGITS = 8  # of a key
LONGEST = 120  # letters before the ending
_NOT_PLAIN = re.compile(r"[^a-z0-9]+")


def file_name(name: str, about: Mapping[str, object], ending: str) -> str:
    """`prunescope-curves` → "prunescope-curves-sst2-adaptive-260eaa64.pdf", by what a file's head
    says of its data, methods, keys and sparsity.
    """
    parts = [
        _plain(name),
        *_several(about.get("data"), joint=""),
        *_several(about.get("method")),
        *_several(about.get("key"), letters=DIGITS),
        _sparsity(about.get("sparsity")),
    ]
    return f"{'-'.join(filter(None, parts))[:LONGEST].rstrip('-')}.{ending}"


def _plain(text: str, joint: str = "-") -> str:
    return _NOT_PLAIN.sub(joint, text.lower()).strip("-")


def _several(value: object, joint: str = "-", letters: int | None = None) -> list[str]:
    """The first few of some values, each once."""
    values = [_plain(part, joint)[:letters] for part in re.split(r"[;,] ", str(value or ""))]
    unique = list(dict.fromkeys(filter(None, values)))
    more = [f"and-{len(unique) - LISTED}-more"] if len(unique) > LISTED else []
    return unique[:LISTED] + more


def _sparsity(value: object) -> str:
    return f"{100 * value:g}" if isinstance(value, float | int) else ""
