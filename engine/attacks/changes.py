"""Which words an attack changed."""

import re
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


_WORD = re.compile(r"[\w'\-*@]+")


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where the words of a text begin and end, as TextAttack counts them: punctuation is no word, nor around one."""
    spans = []
    for match in _WORD.finditer(text):
        word = match.group()
        start = match.start() + len(word) - len(word.lstrip("'-_*@"))
        end = match.end() - len(word) + len(word.rstrip("'-_*@"))
        if start < end:
            spans.append((start, end))
    return spans


def words_of(text: str) -> list[str]:
    """The words of a text, in order."""
    return [text[start:end] for start, end in word_spans(text)]


def words_changed(original: str, perturbed: str) -> int:
    """How many words differ, place by place up to the shorter text's end: TextAttack's count of perturbed words."""
    return sum(before != after for before, after in zip(words_of(original), words_of(perturbed), strict=False))
