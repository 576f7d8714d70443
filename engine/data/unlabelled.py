"""Further texts to calibrate on, beside a study's own. No label is read.

Texts that are much longer than the study's own are split into sentences, and each is cut to a
length that the study's texts have, so that the pruner reads text of the kind that it is for.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from prunescope.engine.data.columns import Choice, Table, text_columns
from prunescope.engine.data.load import read_source
from prunescope.engine.data.records import Examples
from prunescope.engine.errors import DataError

MUCH_LONGER = 2.0  # a file's median words, as a multiple of those of the study's own texts
SHARE_BELOW = 0.98  # of the study's own texts are shorter than what a sentence is cut to
FEWEST_WORDS = 3  # of a sentence that was split off
NO_LABEL = -1
_SENTENCE = re.compile(r"(?<=[.!?…。！？])\s+|\s*<br\s*/?>\s*|\s*\n\s*")


def further_texts(
    files: Sequence[str], own: Examples, exclude: set[tuple[str, str]], choice: Choice, seed: int
) -> Examples:
    """The texts of all files, each once, in an order drawn with `seed`; those in `exclude` and the
    study's `own` are left out.

    A column is found by its usual name, or as `choice` says where the file has that column. Raises
    DataError where a file cannot be read, has no texts, or has single texts for a study of pairs.
    """
    exclude = set(map(_without_blanks, exclude))
    left_out = exclude | set(map(_without_blanks, own.row_keys()))
    rows = (row for file in files for row in _rows_of(file, own, exclude, choice))
    kept = [row for row in dict.fromkeys(rows) if row not in left_out]
    random.Random(seed).shuffle(kept)
    return Examples(
        tuple(text for text, _ in kept),
        None if own.pairs is None else tuple(pair for _, pair in kept),
        (NO_LABEL,) * len(kept),
        own.columns,
    )


def _rows_of(
    file: str, own: Examples, exclude: set[tuple[str, str]], choice: Choice
) -> Iterator[tuple[str, str]]:
    """(text, pair) of every row, the pair empty for single texts. Of those in `exclude` no part is
    left either.
    """
    rows = [row for table in read_source(file).tables for row in _rows_in(table, own, choice)]
    if not rows:
        raise DataError(f"{file} holds no text; leave it out of `calibration_data`.")
    if own.pairs is not None or not _is_longer([text for text, _ in rows], own.texts):
        yield from rows
        return
    most = sorted(map(_words, own.texts))[int(SHARE_BELOW * len(own))]
    for text, _ in rows:
        if (text, "") in exclude:
            continue
        for sentence in _SENTENCE.split(text):
            if (sentence.strip(), "") in exclude:
                continue
            words = sentence.split()
            if len(words) >= FEWEST_WORDS:
                yield " ".join(words[:most]), ""


def _rows_in(table: Table, own: Examples, choice: Choice) -> Iterator[tuple[str, str]]:
    """The rows of a table that have text, without blanks at its ends."""
    named = choice.text is not None and choice.text in table.names()
    columns = text_columns(table, replace(choice, label=None) if named else Choice())
    if own.pairs is not None and columns[1] is None:
        raise DataError(
            f"{table.where} holds single texts, and the study's are pairs; name files of pairs in "
            "`calibration_data`."
        )
    used = [column for column in columns if column is not None][: 1 if own.pairs is None else 2]
    for cells in table.frame[used].itertuples(index=False, name=None):
        if all(isinstance(cell, str) and cell.strip() for cell in cells):
            text, *pair = (cell.strip() for cell in cells)
            yield text, pair[0] if pair else ""


def _without_blanks(row: tuple[str, str]) -> tuple[str, str]:
    """A row as `_rows_in` reads it: a study's own texts, as those of SST-2, may end in a blank."""
    return row[0].strip(), row[1].strip()


def _words(text: str) -> int:
    return len(text.split())


def _is_longer(texts: Sequence[str], own: Sequence[str]) -> bool:
    """Whether the texts are much longer than the study's own, by their median."""
    middle, usual = (sorted(map(_words, part))[len(part) // 2] for part in (texts, own))
    return middle > MUCH_LONGER * usual
