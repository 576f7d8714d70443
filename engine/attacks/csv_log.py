"""How a text is written in a cell of TextAttack's CSV log, and read from one.

TextAttack marks changed words as [[word]], writes a line break as <SPLIT>, and a pair of texts as
[[[[Premise]]]]: …<SPLIT>[[[[Hypothesis]]]]: …. It escapes none of this, so a text that itself holds
such signs is not given back exactly by its cell; `logs` keeps these texts apart. Cells that a
spreadsheet would run as a formula get a leading '.
"""

import re
from difflib import SequenceMatcher

from prunescope.engine.attacks.word_diff import word_spans, words_of
from prunescope.engine.data.columns import PAIR_NAMES

BREAK = "<SPLIT>"
_FORMULA = re.compile(r"'*\s*[=+\-@＝＋－＠\t\r]")
_PICTURES = {code: chr(0x2400 + code) for code in range(32) if code != 10} | {127: "\u2421"}
# the C1 characters have no pictures
_CONTROL = _PICTURES | dict.fromkeys(range(128, 160), "\ufffd")
# its styles "file", "html" and "ansi"
_MARKS = (
    re.compile(r"\[\[(.*?)\]\]", re.DOTALL),
    re.compile(r"<font color = \w+>(.*?)</font>", re.DOTALL),
    re.compile(r"\x1b\[[\d;]*m()"),
)
_PAIRS = {*PAIR_NAMES, ("question", "sentence")}
_KEY = (
    r"(?:\[\[\[\[|(?:\x1b\[\d+m)+|(?:<font color = "
    r"\w+>)+)?(\w+)(?:\]\]\]\]|(?:\x1b\[0m)+|(?:</font>)+)?: "
)
_PAIR = re.compile(f"{_KEY}(.*?){BREAK}{_KEY}(.*)", re.DOTALL)
Texts = tuple[str, str | None]  # a text, and its pair where there is one


def neutral(cell: str) -> str:
    """The cell with a leading ' where a spreadsheet would take it for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def restored(cell: str) -> str:
    """The inverse of `neutral`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell


def to_cells(original: Texts, perturbed: Texts) -> tuple[str, str]:
    """Both texts with their changed words marked, on one line, control characters as pictures such
    as ␛.
    """
    first, second = _marked(original[0], perturbed[0])
    if original[1] is not None and perturbed[1] is not None:
        third, fourth = _marked(original[1], perturbed[1])
        first, second = _joined(first, third), _joined(second, fourth)
    return neutral(_plain(first)), neutral(_plain(second))


def from_cells(original: str, perturbed: str) -> tuple[Texts, Texts]:
    """Both texts without marks. Equal cells hold no marks, so nothing is removed from them."""
    unmark = original != perturbed
    return _texts(original, unmark), _texts(perturbed, unmark)


def _marked(original: str, perturbed: str) -> tuple[str, str]:
    matcher = SequenceMatcher(None, words_of(original), words_of(perturbed), autojunk=False)
    changed = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    return (
        _with_marks(original, [i for _, a, b, _, _ in changed for i in range(a, b)]),
        _with_marks(perturbed, [i for _, _, _, a, b in changed for i in range(a, b)]),
    )


def _with_marks(text: str, indices: list[int]) -> str:
    spans = word_spans(text)
    for start, end in (spans[index] for index in reversed(indices)):
        text = f"{text[:start]}[[{text[start:end]}]]{text[end:]}"
    return text


def _joined(first: str, second: str) -> str:
    return f"[[[[Text_a]]]]: {first}\n[[[[Text_b]]]]: {second}"


def _plain(text: str) -> str:
    visible = text.translate(_CONTROL).replace("\n", BREAK)
    # half a surrogate pair is written as ?
    return visible.encode("utf-8", "replace").decode("utf-8")


def _texts(cell: str, unmark: bool) -> Texts:
    match = _PAIR.fullmatch(cell)
    if match and (match[1].lower(), match[3].lower()) in _PAIRS:
        return _text(match[2], unmark), _text(match[4], unmark)
    return _text(cell, unmark), None


def _text(cell: str, unmark: bool) -> str:
    for mark in _MARKS if unmark else ():
        cell = mark.sub(r"\1", cell)
    return cell.replace(BREAK, "\n")
