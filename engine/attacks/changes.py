"""Which words an attack changed."""

from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of words; `before` and `after` differ where the attack changed something."""

    before: str
    after: str

    @property
    def changed(self) -> bool:
        return self.before != self.after


def word_changes(original: str, perturbed: str) -> list[Piece]:
    """Both texts word by word, unchanged runs joined, each changed word apart where the counts allow it."""
    old, new = original.split(), perturbed.split()
    pieces = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "replace" and b - a == d - c:
            pieces += [Piece(x, y) for x, y in zip(old[a:b], new[c:d], strict=True)]
        else:
            pieces.append(Piece(" ".join(old[a:b]), " ".join(new[c:d])))
    return pieces
