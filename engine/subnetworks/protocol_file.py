"""Recipe files of tables: JSON with the rows, the sets, shared settings, and one entry a cell."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from engine.errors import SettingError
from engine.subnetworks.bias import BiasSpec
from engine.subnetworks.spec import SubnetworkSpec, subnetwork_from
from engine.training.recipe import recipe_path
from engine.training.spec import TrainSpec, spec_from

SHIPPED = Path(__file__).parent / "recipes"
MODELS = ("start", "mask_from", "teacher")
KNOWN = ("title", "about", "stand_in", "base", "label_names", "train", "evaluation", "evaluated", "max_tokens", "precision",
         "metric", "columns", "ood", "bias", "seeds", "attack", "train_settings", "cells")  # fmt: skip
OF_CELL = ("name", "train", "subnetwork", "steps", "sparsities", "extra", "model", *MODELS)
OF_SET = ("data", "task", "label_map", "name", "metric", "rows", "of_each")


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of model, at one or several sparsities."""

    name: str
    subnetwork: SubnetworkSpec
    train: TrainSpec
    steps: int | None = None  # instead of epochs
    sparsities: tuple[float, ...] = ()
    start: str | None = None  # the cell it starts from, or that at a share of its steps, as in full-ce@0.4; None: the base
    mask_from: str | None = None
    teacher: str | None = None
    model: str | None = None  # a fine-tuned model that is there already; nothing is trained
    extra: tuple[dict[str, Any], ...] = ()  # further training rows: data, labels, repeat

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
        """The seeds of a cell; a model that is there already has no draw of its own, so one stands for all."""
        return self.seeds if cell.model is None else self.seeds[:1]

    def snapshots(self, name: str) -> tuple[float, ...]:
        """The shares of a full training's steps from which other cells start."""
        asked = (cell.start.split("@") for cell in self.cells if cell.start is not None and "@" in cell.start)
        return tuple(sorted({float(share) for start, share in asked if start == name}))

    def cell(self, name: str, sparsity: float) -> tuple[Cell, float]:
        """The cell of that name, at this sparsity where it has several."""
        found = next(cell for cell in self.cells if cell.name == name.split("@")[0])
        return found, sparsity if found.sparse else 0.0


def protocol_path(name: str) -> Path:
    """A file, or a shipped recipe by its name. Raises SettingError with the names there are."""
    return recipe_path(name, SHIPPED)


def read_protocol(path: Path) -> Protocol:
    """Raises SettingError on anything it does not know or that does not fit."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        cells, sets, shared = told["cells"], told["ood"], told.get("train_settings", {})
        needed = {name: told[name] for name in ("title", "label_names", "train", "evaluation")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingError(f"{path} is not a recipe of a table ({error}); it needs title, label_names, train, evaluation, "
                           "ood and cells.") from error  # fmt: skip
    _known(told, KNOWN, str(path))
    for entry in sets:
        _known(entry, OF_SET, f"{path}, ood")
    made = tuple(_cell(entry, shared, str(path)) for entry in cells)
    _check_cells(made, str(path))
    optional = {name: told[name] for name in ("base", "evaluated", "max_tokens", "precision", "metric", "attack", "columns")
                if name in told}  # fmt: skip
    return Protocol(
        title=needed["title"], label_names=tuple(needed["label_names"]), train=needed["train"], evaluation=needed["evaluation"],
        cells=made, ood=tuple(sets), seeds=tuple(told.get("seeds", (0,))), bias=_bias(told, str(path)), settings=told, **optional,
    )  # fmt: skip


def _known(entry: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    if unknown := sorted(set(entry) - set(known)):
        raise SettingError(f"{where}: unknown setting {unknown[0]!r}; the settings are {', '.join(known)}.")


def _bias(told: dict[str, Any], where: str) -> BiasSpec | None:
    if "bias" not in told:
        return None
    _known(told["bias"], tuple(one.name for one in fields(BiasSpec)), f"{where}, bias")
    return BiasSpec(**told["bias"])


def _cell(entry: dict[str, Any], shared: dict[str, Any], where: str) -> Cell:
    _known(entry, OF_CELL, f"{where}, cells")
    name = entry.get("name")
    if not (isinstance(name, str) and re.fullmatch(r"\w[\w.-]*", name)):
        raise SettingError(f"{where}: {name!r} cannot name a cell; its name becomes a folder: use letters, digits, . _ -")
    train = spec_from({"name": name, "seed": 0, "learning_rate": 5e-5, "rank": 0, "weight_decay": 0.0, **shared,
                       **entry.get("train", {})}, f"{where}, {name}")  # fmt: skip
    levels = tuple(entry.get("sparsities", ()))
    found = subnetwork_from({**({"sparsity": min(levels)} if levels else {}), **entry.get("subnetwork", {})}, f"{where}, {name}")
    return Cell(name, found, train, entry.get("steps"), levels, model=entry.get("model"), extra=tuple(entry.get("extra", ())),
                **{role: entry.get(role) for role in MODELS})  # fmt: skip


def _without_share(cell: Cell, role: str, where: str) -> str | None:
    """The name of the cell another one takes a model from."""
    told: str | None = getattr(cell, role)
    name, at, share = (told or "").partition("@")
    if at and (role != "start" or not re.fullmatch(r"0?\.\d+", share)):
        raise SettingError(f"{where}: {cell.name} takes its {role} from {told!r}; only a start may name a share of the steps, in "
                           "(0, 1), as in full-ce@0.4.")  # fmt: skip
    return name or None


def _check_cells(cells: tuple[Cell, ...], where: str) -> None:
    names = [cell.name for cell in cells]
    if not cells or len(set(names)) < len(names):
        raise SettingError(f"{where}: cells need names, each its own; found {', '.join(names) or 'none'}.")
    for place, cell in enumerate(cells):
        for role in MODELS:
            other = _without_share(cell, role, where)
            if other is not None and other not in names[:place]:
                raise SettingError(f"{where}: {cell.name} takes its {role} from {other!r}, which is no cell before it.")
            if other is not None and (found := cells[names.index(other)]).sparse and found.sparsities != cell.sparsities:
                raise SettingError(f"{where}: {cell.name} takes its {role} from {other}, at other sparsities; give both "
                                   "the same.")  # fmt: skip
        if cell.model is not None and cell.subnetwork.method != "full":
            raise SettingError(f"{where}: {cell.name} names a model that is there already; give it the method full.")
        if cell.subnetwork.prunes != cell.sparse and cell.subnetwork.method != "isolated":
            raise SettingError(f"{where}: {cell.name} {'needs' if cell.subnetwork.prunes else 'takes no'} sparsities.")
        for sparsity in cell.sparsities:
            SubnetworkSpec(**{**asdict(cell.subnetwork), "sparsity": sparsity})
