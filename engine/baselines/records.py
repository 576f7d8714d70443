"""What a comparison with the baselines came to: read from the bundle and from the user's cache.
Light to import.

alternatives/<name>.json    every baseline with its bytes, Acc, Aua, Asr and time; figures only,
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
class LatencyRatio:
    """Time of the forward pass against the dense model's, measured in turn: medians with 5 % and 95
    % quantiles.
    """

    form: str  # "dense", "csr" or "int8": how the weights are multiplied
    seconds: float  # a sentence, median
    ratio: float  # to the dense model's in the same round, median
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class VersusPruned:
    """An baseline beside the pruned level that is nearest in bytes, on the same examples."""

    level: str  # its name
    bytes: int  # the alternative's weights minus the level's, on disk
    only_here: int  # rows that the baseline alone gets right
    only_there: int  # rows that the pruned level alone gets right
    p_value: float  # McNemar's exact test on these two
    adjusted: float  # Holm's, over all baselines of the table
    attack: Paired | None  # the pruned level first; None where nothing was attacked


@dataclass(frozen=True, slots=True)
class Baseline:
    """One way to a smaller model, and what it reaches."""

    name: str
    kind: str  # one of KINDS
    sparsity: float  # of the prunable weights
    blocks: int
    trained_rows: int  # rows it was trained on for this; 0 for all that is made without training
    file_bytes: int  # of all weights as they are stored on disk, header included
    embedding_bytes: int  # of these, the embeddings, which none of the baselines makes smaller
    acc: Rate
    aua: Rate | None
    asr: Rate | None
    correct: tuple[bool, ...]  # evaluation examples, one by one
    attacks: tuple[AttackRecord, ...]
    pace: LatencyRatio | None = None
    against: VersusPruned | None = None  # None for dense and pruned ones

    @property
    def bytes(self) -> int:
        """Without the embeddings."""
        return self.file_bytes - self.embedding_bytes


@dataclass(frozen=True, slots=True)
class BaselineTable:
    """The baselines of one victim on one data set."""

    name: str  # of its file
    path: Path
    bundled: bool
    # model, data, method, attack, counts, seed, training, share of the commonest label
    about: dict[str, Any]
    latency: dict[str, Any]  # device, threads, batch, sentences, rounds
    rows: tuple[Baseline, ...]

    def is_collapsed(self, row: Baseline) -> bool:
        """Whether a baseline hardly beats always naming the most common label."""
        return is_collapsed(row.acc, majority=self.about["commonest"])

    def row(self, name: str) -> Baseline:
        """One baseline. Raises KeyError where there is none of that name."""
        return {row.name: row for row in self.rows}[name]


def with_tests(rows: Sequence[Baseline]) -> tuple[Baseline, ...]:
    """Every baseline beside the pruned level that is nearest in bytes; p-values are adjusted
    over all of them together.

    Of two levels equally near the smaller one counts.
    """
    levels = [row for row in rows if row.kind == "pruned"]
    due = [row for row in rows if row.kind not in ("dense", "pruned")] if levels else []
    versus = {
        row.name: _against(
            row, min(levels, key=lambda level: (abs(level.bytes - row.bytes), level.bytes))
        )
        for row in due
    }
    by_rows = holm([comparison.p_value for comparison in versus.values()])
    attacked = [name for name, comparison in versus.items() if comparison.attack is not None]
    by_attack = dict(
        zip(attacked, holm([_paired(versus[name]).p_value for name in attacked]), strict=True)
    )
    for (name, comparison), adjusted in zip(list(versus.items()), by_rows, strict=True):
        attack = (
            None
            if comparison.attack is None
            else replace(comparison.attack, adjusted=by_attack[name])
        )
        versus[name] = replace(comparison, adjusted=adjusted, attack=attack)
    return tuple(replace(row, against=versus.get(row.name)) for row in rows)


def _paired(comparison: VersusPruned) -> Paired:
    assert comparison.attack is not None
    return comparison.attack


def _against(row: Baseline, level: Baseline) -> VersusPruned:
    here = sum(a and not b for a, b in zip(row.correct, level.correct, strict=True))
    there = sum(b and not a for a, b in zip(row.correct, level.correct, strict=True))
    attack = paired_attack(level.attacks, row.attacks) if row.attacks and level.attacks else None
    p_value = mcnemar(here, there)
    return VersusPruned(level.name, row.bytes - level.bytes, here, there, p_value, p_value, attack)


def payload(table: BaselineTable) -> dict[str, Any]:
    """As JSON values. Tests are not in it: they follow from the rows."""
    return {
        "about": table.about,
        "latency": table.latency,
        "rows": [row_payload(row) for row in table.rows],
    }


def row_payload(row: Baseline) -> dict[str, Any]:
    """One baseline as JSON values."""
    right = sum(1 << (len(row.correct) - 1 - i) for i, correct in enumerate(row.correct) if correct)
    spare = -len(row.correct) % 8
    plain = {**asdict(row), "correct": (right << spare).to_bytes((len(row.correct) + 7) // 8).hex()}
    return {name: value for name, value in plain.items() if name != "against"}


def baseline_tables(store: Store) -> list[BaselineTable]:
    """All tables, bundled ones first. What cannot be read is named in the store's notices."""
    tables = []
    for base, bundled in ((store.bundled, True), (store.root, False)):
        for path in sorted((base / FOLDER).glob("*.json")):
            try:
                tables.append(read_table(path, bundled))
            except (OSError, ValueError, KeyError, TypeError) as error:
                store.notices.append(
                    f"The baselines in {path} cannot be read ({type(error).__name__}: {error}); "
                    "make them again with `prunescope baselines`."
                )
    return tables


def read_table(path: Path, bundled: bool = False) -> BaselineTable:
    """The table of a file. Raises OSError, ValueError, KeyError or TypeError for one that is not
    whole.
    """
    record = json.loads(path.read_text(encoding="utf-8"))
    rows = with_tests([baseline_from(entry) for entry in record["rows"]])
    return BaselineTable(path.stem, path, bundled, record["about"], record["latency"], rows)


def baseline_from(entry: dict[str, Any]) -> Baseline:
    """The inverse of `row_payload`."""
    rates = {name: Rate(**entry[name]) if entry[name] else None for name in ("acc", "aua", "asr")}
    attacks = tuple(AttackRecord(**attack) for attack in entry["attacks"])
    return Baseline(
        **{
            **entry,
            **rates,
            "correct": tuple(
                bits_from_hex(entry["correct"], rates["acc"].n if rates["acc"] else 0)
            ),
            "attacks": attacks,
            "pace": LatencyRatio(**entry["pace"]) if entry["pace"] else None,
        }
    )
