"""Time per sentence on this machine: the dense model and the pruned one as CSR, timed in turn.

    latency/<study key>/<sparsity>.json     one checksummed record a level, the newest

Times belong to a machine, so they stay in the user's own cache and never enter a study.
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from prunescope.engine.errors import DamagedEntryError, StoreError
from prunescope.engine.records import Study
from prunescope.engine.store import Store, entry_bytes, read_entry, write_atomic

if TYPE_CHECKING:  # it needs torch, and pages that read studies do not
    from prunescope.engine.evaluation.latency import Comparison


@dataclass(frozen=True, slots=True)
class Timed:
    """One level's time a sentence, as a ratio to dense in the same run."""

    sparsity: float
    ratio: float  # median over rounds of the CSR form's time / dense's
    low: float  # 5 % and 95 % quantiles of the rounds' ratios
    high: float
    seconds: float  # a sentence, CSR, median
    dense_seconds: float
    sentences: int
    batch: int
    repeats: int
    threads: int
    device: str

    @classmethod
    def of(cls, sparsity: float, comparison: "Comparison") -> "Timed":
        """From a comparison whose first side is dense and whose second is the pruned one as CSR."""
        (dense, sparse), ratio = comparison.sides, comparison.ratios[1]
        return cls(
            sparsity,
            ratio.median,
            ratio.low,
            ratio.high,
            sparse.seconds.median,
            dense.seconds.median,
            sparse.sentences,
            sparse.batch,
            sparse.repeats,
            sparse.threads,
            sparse.device,
        )


def keep_timed(store: Store, study: Study, timed: Timed) -> None:
    """Write one record in place of an older one."""
    name = f"{timed.sparsity:.6f}"
    write_atomic(
        store.root / "latency" / study.key / f"{name}.json",
        entry_bytes("latency", f"{study.key}/{name}", asdict(timed)),
    )


def timed_levels(store: Store, study: Study) -> tuple[Timed, ...]:
    """The times of a study on this machine, by ascending sparsity; a damaged record becomes a
    notice.
    """
    levels = []
    for path in sorted((store.root / "latency" / study.key).glob("*.json")):
        try:
            levels.append(
                Timed(**read_entry(path, "latency", f"{study.key}/{path.stem}")["payload"])
            )
        except (DamagedEntryError, StoreError, TypeError, OSError) as error:
            store.notices.append(
                f"A measured time could not be read ({error}); time the level again."
            )
    return tuple(sorted(levels, key=lambda timed: timed.sparsity))
