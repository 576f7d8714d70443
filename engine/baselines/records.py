"""What a comparison with the alternatives came to: read from the bundle and from the user's cache.
Light to import.

alternatives/<name>.json    every alternative with its bytes, Acc, Aua, Asr and time; figures only,
no texts
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from prunescope.engine.attacks.metrics import Paired, paired_attack
from prunescope.engine.evaluation.collapse import is_collapsed
from prunescope.engine.evaluation.statistics import bits_from_hex, holm, mcnemar
from prunescope.engine.records import AttackRecord, Rate
from prunescope.engine.store import Store

FOLDER = "alternatives"
KINDS = ("dense", "pruned", "int8", "blocks", "small", "pruned-int8")


@dataclass(frozen=True, slots=True)
class Pace:
    """Time of the forward pass against the dense model's, measured in turn: medians with 5 % and 95
    % quantiles.
    """

    form: str  # "dense", "csr" or "int8": how the weights are multiplied
    seconds: float  # a sentence, median
    ratio: float  # to the dense model's in the same round, median
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Against:
    """An alternative beside the pruned level that is nearest in bytes, on the same rows."""

    level: str  # its name
    bytes: int  # the alternative's weights minus the level's, on disk
    only_here: int  # rows that the alternative alone gets right
    only_there: int  # rows that the pruned level alone gets right
    p_value: float  # McNemar's exact test on these two
    adjusted: float  # Holm's, over all alternatives of the table
    attack: Paired | None  # the pruned level first; None where nothing was attacked


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to a smaller model, and what it reaches."""

    name: str
    kind: str  # one of KINDS
    sparsity: float  # of the prunable weights
    blocks: int
    trained_rows: int  # rows it was trained on for this; 0 for all that is made without training
    file_bytes: int  # of all weights as they are stored on disk, header included
    embedding_bytes: int  # of these, the embeddings, which none of the alternatives makes smaller
    acc: Rate
    aua: Rate | None
    asr: Rate | None
    correct: tuple[bool, ...]  # evaluation rows, one by one
    attacks: tuple[AttackRecord, ...]
    pace: Pace | None = None
    against: Against | None = None  # None for dense and pruned ones

    @property
    def bytes(self) -> int:
        """Without the embeddings."""
        return self.file_bytes - self.embedding_bytes


@dataclass(frozen=True, slots=True)
class AlternativesTable:
    """The alternatives of one victim on one data set."""

    name: str  # of its file
    path: Path
    bundled: bool
    about: dict[
        str, Any
    ]  # model, data, method, attack, counts, seed, training, share of the commonest label
    latency: dict[str, Any]  # device, threads, batch, sentences, rounds
    rows: tuple[Alternative, ...]

    def is_collapsed(self, row: Alternative) -> bool:
        """Whether an alternative hardly beats always naming the most common label."""
        return is_collapsed(row.acc, majority=self.about["commonest"])

    def row(self, name: str) -> Alternative:
        """One alternative. Raises KeyError where there is none of that name."""
        return {row.name: row for row in self.rows}[name]


def with_tests(rows: Sequence[Alternative]) -> tuple[Alternative, ...]:
    """Every alternative beside the pruned level that is nearest in bytes; p-values are adjusted
    over all of them together.

    Of two levels equally near the smaller one counts.
    """
    levels = [row for row in rows if row.kind == "pruned"]
    due = [row for row in rows if row.kind not in ("dense", "pruned")] if levels else []
    found = {
        row.name: _against(
            row, min(levels, key=lambda level: (abs(level.bytes - row.bytes), level.bytes))
        )
        for row in due
    }
    by_rows = holm([one.p_value for one in found.values()])
    attacked = [name for name, one in found.items() if one.attack is not None]
    by_attack = dict(
        zip(attacked, holm([_paired(found[name]).p_value for name in attacked]), strict=True)
    )
    for (name, one), adjusted in zip(list(found.items()), by_rows, strict=True):
        attack = None if one.attack is None else replace(one.attack, adjusted=by_attack[name])
        found[name] = replace(one, adjusted=adjusted, attack=attack)
    return tuple(replace(row, against=found.get(row.name)) for row in rows)


def _paired(one: Against) -> Paired:
    assert one.attack is not None
    return one.attack


def _against(row: Alternative, level: Alternative) -> Against:
    here = sum(a and not b for a, b in zip(row.correct, level.correct, strict=True))
    there = sum(b and not a for a, b in zip(row.correct, level.correct, strict=True))
    attack = paired_attack(level.attacks, row.attacks) if row.attacks and level.attacks else None
    p_value = mcnemar(here, there)
    return Against(level.name, row.bytes - level.bytes, here, there, p_value, p_value, attack)


def payload(table: AlternativesTable) -> dict[str, Any]:
    """As JSON values. Tests are not in it: they follow from the rows."""
    return {
        "about": table.about,
        "latency": table.latency,
        "rows": [row_payload(row) for row in table.rows],
    }


def row_payload(row: Alternative) -> dict[str, Any]:
    right = sum(1 << (len(row.correct) - 1 - i) for i, one in enumerate(row.correct) if one)
    spare = -len(row.correct) % 8
    plain = {**asdict(row), "correct": (right << spare).to_bytes((len(row.correct) + 7) // 8).hex()}
    return {name: value for name, value in plain.items() if name != "against"}


def alternative_tables(store: Store) -> list[AlternativesTable]:
    """All tables, bundled ones first. What cannot be read is named in the store's notices."""
    found = []
    for base, bundled in ((store.bundled, True), (store.root, False)):
        for path in sorted((base / FOLDER).glob("*.json")):
            try:
                found.append(read_table(path, bundled))
            except (OSError, ValueError, KeyError, TypeError) as error:
                store.notices.append(
                    f"The alternatives in {path} cannot be read ({type(error).__name__}: {error}); "
                    "make them "
                    "again with `python -m engine alternatives`."
                )
    return found


def read_table(path: Path, bundled: bool = False) -> AlternativesTable:
    """The table of a file. Raises OSError, ValueError, KeyError or TypeError for one that is not
    whole.
    """
    told = json.loads(path.read_text(encoding="utf-8"))
    rows = with_tests([alternative_from(entry) for entry in told["rows"]])
    return AlternativesTable(path.stem, path, bundled, told["about"], told["latency"], rows)


def alternative_from(entry: dict[str, Any]) -> Alternative:
    rates = {name: Rate(**entry[name]) if entry[name] else None for name in ("acc", "aua", "asr")}
    attacks = tuple(AttackRecord(**one) for one in entry["attacks"])
    return Alternative(
        **{
            **entry,
            **rates,
            "correct": tuple(
                bits_from_hex(entry["correct"], rates["acc"].n if rates["acc"] else 0)
            ),
            "attacks": attacks,
            "pace": Pace(**entry["pace"]) if entry["pace"] else None,
        }
    )
