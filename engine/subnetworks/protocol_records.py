"""A table of subnetworks as records: its cells, and what they have in common."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from prunescope.engine.subnetworks.bias import BiasSpec
from prunescope.engine.subnetworks.spec import SubnetworkSpec
from prunescope.engine.training.spec import TrainSpec


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of model, at one or several sparsities."""

    name: str
    subnetwork: SubnetworkSpec
    train: TrainSpec
    steps: int | None = None  # instead of epochs
    sparsities: tuple[float, ...] = ()
    start: str | None = (
        # the cell it starts from, or that at a share of its steps, as in full-ce@0.4; None: the
        # base
        None
    )
    mask_from: str | None = None
    teacher: str | None = None
    model: str | None = None  # a fine-tuned model that is there already; nothing is trained
    extra: tuple[dict[str, Any], ...] = ()  # further training examples: data, labels, repeat

    @property
    def sparse(self) -> bool:
        """Whether it stands at several sparsities."""
        return bool(self.sparsities)

    def label(self, sparsity: float) -> str:
        """A name for people and folders."""
        return f"{self.name}-{100 * sparsity:g}" if self.sparse else self.name


@dataclass(frozen=True, slots=True)
class Protocol:
    """A recipe file, checked."""

    title: str
    label_names: tuple[str, ...]
    train: str
    evaluation: str
    cells: tuple[Cell, ...]
    ood: tuple[dict[str, Any], ...]
    seeds: tuple[int, ...] = (0,)
    base: str = "embedded"
    evaluated: int = 1000
    max_tokens: int = 128
    precision: str = "auto"
    metric: str = "accuracy"
    bias: BiasSpec | None = None
    attack: dict[str, Any] | None = None
    columns: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)  # the file's own content

    def each(self) -> Iterator[tuple[Cell, float]]:
        """Every cell at every sparsity, in the file's order."""
        for cell in self.cells:
            for sparsity in cell.sparsities or (0.0,):
                yield cell, sparsity

    def seeds_of(self, cell: Cell) -> tuple[int, ...]:
        """The seeds of a cell; a model that is there already has no draw of its own, so one stands
        for all.
        """
        return self.seeds if cell.model is None else self.seeds[:1]

    def snapshots(self, name: str) -> tuple[float, ...]:
        """The shares of a full training's steps from which other cells start."""
        starts = (
            cell.start.split("@")
            for cell in self.cells
            if cell.start is not None and "@" in cell.start
        )
        return tuple(sorted({float(share) for start, share in starts if start == name}))

    def cell(self, name: str, sparsity: float) -> tuple[Cell, float]:
        """The cell of that name, at this sparsity where it has several."""
        referred = next(cell for cell in self.cells if cell.name == name.split("@")[0])
        return referred, sparsity if referred.sparse else 0.0
