"""Which words an attack changed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of words; `before` and `after` differ where the attack changed something."""

    before: str
    after: str

    @property
    def changed(self) -> bool:
        """Whether the attack changed these words."""
        return self.before != self.after


def word_changes(original: str, perturbed: str) -> list[Piece]:
    """Both texts word by word, unchanged runs joined, each changed word apart where the counts
    allow it.
    """
    old, new = original.split(), perturbed.split()
    pieces = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "replace" and b - a == d - c:
            pieces += [Piece(x, y) for x, y in zip(old[a:b], new[c:d], strict=True)]
        else:
            pieces.append(Piece(" ".join(old[a:b]), " ".join(new[c:d])))
    return pieces


_WORD = re.compile(r"[\w'\-*@`˗×]+")  # the last three are homoglyphs of TextAttack's


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where the words of a text begin and end, as TextAttack counts them: punctuation is no word,
    nor around one.
    """
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


def words_changed(before: Sequence[str], after: Sequence[str]) -> int:
    """How many words an attack changed; of a pair, all words of both texts in one sequence each.

    Where the counts agree, the places whose words differ, which is TextAttack's number. Where they
    do not, words were put in or taken out, and places no longer correspond: then the fewest
    insertions, deletions and substitutions of single words that lead from one to the other
    (Levenshtein's distance over words).
    """
    if len(before) == len(after):
        return sum(old != new for old, new in zip(before, after, strict=True))
    first, last = 0, 0  # words that both begin and end with; they are in every best alignment
    shorter = min(len(before), len(after))
    while first < shorter and before[first] == after[first]:
        first += 1
    while last < shorter - first and before[-1 - last] == after[-1 - last]:
        last += 1
    old_words, new_words = before[first : len(before) - last], after[first : len(after) - last]
    costs = list(range(len(new_words) + 1))  # from no old words to each beginning of the new ones
    for row, old in enumerate(old_words, start=1):
        diagonal, costs[0] = costs[0], row
        for column, new in enumerate(new_words, start=1):
            best = min(diagonal + (old != new), costs[column] + 1, costs[column - 1] + 1)
            diagonal, costs[column] = costs[column], best
    return costs[-1]


def words_of_all(texts: Sequence[str | None]) -> list[str]:
    """The words of a text and its pair, where there is one, in one sequence, as an attack sees
    them.
    """
    return [word for text in texts for word in words_of(text or "")]
