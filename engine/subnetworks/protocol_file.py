"""Recipe files of tables: JSON with the rows, the sets, shared settings, and one entry a cell."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from prunescope.engine.config.check import check_entry, check_value, read_record
from prunescope.engine.data.label_map import LabelMap
from prunescope.engine.errors import SettingError
from prunescope.engine.records import READING, check_seed
from prunescope.engine.subnetworks.bias import BiasSpec
from prunescope.engine.subnetworks.spec import SubnetworkSpec, check_smoothing, subnetwork_from
from prunescope.engine.training.recipe import recipe_path
from prunescope.engine.training.spec import PRECISIONS, TrainSpec, spec_from

SHIPPED = Path(__file__).parent / "recipes"
MODELS = ("start", "mask_from", "teacher")
NEEDED = ("title", "label_names", "train", "evaluation", "ood", "cells")
KNOWN = {
    "title": str,
    "about": str,
    "stand_in": str,
    "base": str,
    "label_names": list,
    "train": str,
    "evaluation": str,
    "evaluated": int,
    "max_tokens": int,
    "precision": str,
    "metric": str,
    "columns": dict,
    "ood": list,
    "bias": dict,
    "seeds": list,
    "attack": dict,
    "train_settings": dict,
    "cells": list,
}
OF_CELL = {
    "name": str,
    "train": dict,
    "subnetwork": dict,
    "steps": int,
    "sparsities": list,
    "extra": list,
    "model": str,
    **dict.fromkeys(MODELS, str),
}
OF_SET = {
    "data": str,
    "task": str,
    "label_map": list | str,
    "name": str,
    "metric": str,
    "rows": int,
    "of_each": list,
}
OF_EXTRA = {"data": str, "labels": list, "repeat": int}
OF_ATTACK = {"name": str, "examples": int}
COLUMNS = dict.fromkeys(READING, str)


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
        """The seeds of a cell; a model that is there already has no draw of its own, so one stands
        for all.
        """
        return self.seeds if cell.model is None else self.seeds[:1]

    def snapshots(self, name: str) -> tuple[float, ...]:
        """The shares of a full training's steps from which other cells start."""
        asked = (
            cell.start.split("@")
            for cell in self.cells
            if cell.start is not None and "@" in cell.start
        )
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
    where = str(path)
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingError(
            f"{where} is not a recipe of a table ({error}); it needs a JSON object."
        ) from error
    told = _without_null(settings)
    check_entry(told, KNOWN, where)
    if missing := [name for name in NEEDED if name not in told]:
        raise SettingError(
            f"{where} is not a recipe of a table (it has no {missing[0]}); it needs "
            f"{', '.join(NEEDED)}."
        )
    names = _each_is(told["label_names"], str, f"{where}: label_names")
    if len(set(names)) < max(len(names), 2):
        raise SettingError(
            f"{where}: label_names are {', '.join(names) or 'none'}; name at least two classes, "
            "each its own."
        )
    _check_shared(told, where)
    for entry in told["ood"]:
        _check_set(entry, f"{where}, ood")
    made = tuple(
        _cell(entry, told.get("train_settings", {}), len(names), where) for entry in told["cells"]
    )
    _check_cells(made, where)
    optional = {
        name: told[name]
        for name in ("base", "evaluated", "max_tokens", "precision", "metric", "attack", "columns")
        if name in told
    }
    return Protocol(
        title=told["title"],
        label_names=names,
        train=told["train"],
        evaluation=told["evaluation"],
        cells=made,
        ood=tuple(told["ood"]),
        seeds=tuple(told.get("seeds", (0,))),
        bias=_bias(told, where),
        settings=settings,
        **optional,
    )


def _without_null(entry: Any) -> Any:
    """An entry without the settings that are null: as if they were left out."""
    return (
        {name: value for name, value in entry.items() if value is not None}
        if isinstance(entry, dict)
        else entry
    )


def _each_is(values: list[Any], kind: Any, where: str) -> tuple[Any, ...]:
    """The values of a list. Raises SettingError for one that is not of this kind."""
    for value in values:
        check_value(value, kind, f"{where}: an entry")
    return tuple(values)


def _at_least(entry: dict[str, Any], least: int, names: tuple[str, ...], where: str) -> None:
    for name in names:
        if name in entry and entry[name] < least:
            raise SettingError(f"{where}: {name} is {entry[name]}; it must be at least {least}.")


def _check_shared(told: dict[str, Any], where: str) -> None:
    """What belongs to all cells: rows, seeds, what is measured, and the attack."""
    from prunescope.engine.attacks.recipes import recipe_named
    from prunescope.engine.evaluation.shift import check_metric

    _at_least(told, 1, ("evaluated", "max_tokens"), where)
    if told.get("precision", "auto") not in PRECISIONS:
        raise SettingError(
            f"{where}: the precision {told['precision']!r} is unknown; choose "
            f"{', '.join(PRECISIONS)}."
        )
    check_metric(told.get("metric", "accuracy"), len(told["label_names"]), where)
    check_entry(told.get("columns", {}), COLUMNS, f"{where}, columns")
    seeds = _each_is(told.get("seeds", [0]), int, f"{where}: seeds")
    if not seeds or len(set(seeds)) < len(seeds):
        raise SettingError(
            f"{where}: seeds are {', '.join(map(str, seeds)) or 'none'}; give at least one, each "
            "once."
        )
    for seed in seeds:
        check_seed(seed, f"{where}: a seed")
    if "attack" in told:
        attack = told["attack"]
        check_entry(attack, OF_ATTACK, f"{where}, attack")
        _check_has(attack, ("name", "examples"), f"{where}, attack")
        _at_least(attack, 1, ("examples",), f"{where}, attack")
        recipe_named(attack["name"])


def _check_has(entry: dict[str, Any], names: tuple[str, ...], where: str) -> None:
    if missing := [name for name in names if name not in entry]:
        raise SettingError(f"{where}: there is no {missing[0]}; it needs {' and '.join(names)}.")


def _check_set(entry: Any, where: str) -> None:
    """A set of other rows; its classes are known only once it is read."""
    from prunescope.engine.evaluation.shift import METRICS, TASKS

    check_entry(entry, OF_SET, where)
    _check_has(entry, ("data",), where)
    _at_least(entry, 1, ("rows",), where)
    if isinstance(entry.get("label_map"), str):
        LabelMap.parse(entry["label_map"])
    else:
        _each_is(entry.get("label_map", []), int, f"{where}: label_map")
    for name, known in (("task", TASKS), ("metric", METRICS)):
        if name in entry and entry[name] not in known:
            raise SettingError(
                f"{where}: the {name} {entry[name]!r} is unknown; choose {', '.join(known)}."
            )
    if "of_each" in entry:
        groups = TASKS[entry["task"]].groups if "task" in entry else ()
        if (
            [type(one) for one in entry["of_each"]] != [str, int]
            or entry["of_each"][0] not in groups
            or entry["of_each"][1] < 1
        ):
            raise SettingError(
                f"{where}: of_each is {entry['of_each']!r}; it takes a column and how many rows of "
                "each of its "
                f"values, and the columns of the task are {', '.join(groups) or 'none'}."
            )


def _bias(told: dict[str, Any], where: str) -> BiasSpec | None:
    if "bias" not in told:
        return None
    return read_record(BiasSpec, told["bias"], f"{where}, bias")


def _check_extra(entry: Any, classes: int, where: str) -> None:
    """Further training rows, where told with the model's class for each of theirs."""
    check_entry(entry, OF_EXTRA, where)
    _check_has(entry, ("data",), where)
    _at_least(entry, 1, ("repeat",), where)
    labels = _each_is(entry.get("labels", []), int, f"{where}: labels")
    if wrong := [label for label in labels if not 0 <= label < classes]:
        raise SettingError(
            f"{where}: labels has {wrong[0]}, and the model's classes are 0 to {classes - 1}; "
            "correct it."
        )


def _cell(entry: Any, shared: dict[str, Any], classes: int, where: str) -> Cell:
    entry = _without_null(entry)
    check_entry(entry, OF_CELL, f"{where}, cells")
    name = entry.get("name")
    if not (isinstance(name, str) and re.fullmatch(r"\w[\w.-]*", name)):
        raise SettingError(
            f"{where}: {name!r} cannot name a cell; its name becomes a folder: use letters, "
            "digits, . _ -"
        )
    train = spec_from(
        {
            "name": name,
            "seed": 0,
            "learning_rate": 5e-5,
            "rank": 0,
            "weight_decay": 0.0,
            **shared,
            **entry.get("train", {}),
        },
        f"{where}, {name}",
    )
    levels = _each_is(entry.get("sparsities", []), float, f"{where}, {name}: sparsities")
    _at_least(entry, 1, ("steps",), f"{where}, {name}")
    for one in entry.get("extra", ()):
        _check_extra(one, classes, f"{where}, {name}, extra")
    found = subnetwork_from(
        {**({"sparsity": min(levels)} if levels else {}), **entry.get("subnetwork", {})},
        f"{where}, {name}",
    )
    check_smoothing(found.loss, train)
    return Cell(
        name,
        found,
        train,
        entry.get("steps"),
        levels,
        model=entry.get("model"),
        extra=tuple(entry.get("extra", ())),
        **{role: entry.get(role) for role in MODELS},
    )


def _without_share(cell: Cell, role: str, where: str) -> str | None:
    """The name of the cell another one takes a model from."""
    told: str | None = getattr(cell, role)
    name, at, share = (told or "").partition("@")
    if at and (role != "start" or not re.fullmatch(r"0?\.\d+", share)):
        raise SettingError(
            f"{where}: {cell.name} takes its {role} from {told!r}; only a start may name a share "
            "of the steps, in "
            "(0, 1), as in full-ce@0.4."
        )
    return name or None


def _check_cells(cells: tuple[Cell, ...], where: str) -> None:
    names = [cell.name for cell in cells]
    if not cells or len(set(names)) < len(names):
        raise SettingError(
            f"{where}: cells need names, each its own; found {', '.join(names) or 'none'}."
        )
    for place, cell in enumerate(cells):
        for role in MODELS:
            other = _without_share(cell, role, where)
            if other is not None and other not in names[:place]:
                raise SettingError(
                    f"{where}: {cell.name} takes its {role} from {other!r}, which is no cell "
                    "before it."
                )
            if (
                other is not None
                and (found := cells[names.index(other)]).sparse
                and found.sparsities != cell.sparsities
            ):
                raise SettingError(
                    f"{where}: {cell.name} takes its {role} from {other}, at other sparsities; "
                    "give both "
                    "the same."
                )
        if cell.model is not None and cell.subnetwork.method != "full":
            raise SettingError(
                f"{where}: {cell.name} names a model that is there already; give it the method "
                "full."
            )
        if cell.subnetwork.prunes != cell.sparse and cell.subnetwork.method != "isolated":
            raise SettingError(
                f"{where}: {cell.name} {'needs' if cell.subnetwork.prunes else 'takes no'} "
                "sparsities."
            )
        for sparsity in cell.sparsities:
            SubnetworkSpec(**{**asdict(cell.subnetwork), "sparsity": sparsity})
