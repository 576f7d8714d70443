"""Recipe files of tables: JSON with examples, sets, shared settings, and one entry a cell."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prunescope.engine.config.check import check_entry, check_value, read_record
from prunescope.engine.data.label_map import LabelMap
from prunescope.engine.errors import SettingError
from prunescope.engine.records import READING, check_seed
from prunescope.engine.subnetworks.bias import BiasSpec
from prunescope.engine.subnetworks.protocol_records import Cell, Protocol
from prunescope.engine.subnetworks.spec import SubnetworkSpec, check_smoothing, subnetwork_from
from prunescope.engine.training.recipe import recipe_path
from prunescope.engine.training.spec import PRECISIONS, spec_from

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
    recipe = _without_null(settings)
    check_entry(recipe, KNOWN, where)
    if missing := [name for name in NEEDED if name not in recipe]:
        raise SettingError(
            f"{where} is not a recipe of a table (it has no {missing[0]}); it needs "
            f"{', '.join(NEEDED)}."
        )
    names = _each_is(recipe["label_names"], str, f"{where}: label_names")
    if len(set(names)) < max(len(names), 2):
        raise SettingError(
            f"{where}: label_names are {', '.join(names) or 'none'}; name at least two classes, "
            "each its own."
        )
    _check_shared(recipe, where)
    for entry in recipe["ood"]:
        _check_set(entry, f"{where}, ood")
    cells = tuple(
        _cell(entry, recipe.get("train_settings", {}), len(names), where)
        for entry in recipe["cells"]
    )
    _check_cells(cells, where)
    optional = {
        name: recipe[name]
        for name in ("base", "evaluated", "max_tokens", "precision", "metric", "attack", "columns")
        if name in recipe
    }
    return Protocol(
        title=recipe["title"],
        label_names=names,
        train=recipe["train"],
        evaluation=recipe["evaluation"],
        cells=cells,
        ood=tuple(recipe["ood"]),
        seeds=tuple(recipe.get("seeds", (0,))),
        bias=_bias(recipe, where),
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


def _check_shared(recipe: dict[str, Any], where: str) -> None:
    """What belongs to all cells: rows, seeds, what is measured, and the attack."""
    from prunescope.engine.attacks.recipes import recipe_named
    from prunescope.engine.evaluation.shift import check_metric

    _at_least(recipe, 1, ("evaluated", "max_tokens"), where)
    if recipe.get("precision", "auto") not in PRECISIONS:
        raise SettingError(
            f"{where}: the precision {recipe['precision']!r} is unknown; choose "
            f"{', '.join(PRECISIONS)}."
        )
    check_metric(recipe.get("metric", "accuracy"), len(recipe["label_names"]), where)
    check_entry(recipe.get("columns", {}), COLUMNS, f"{where}, columns")
    seeds = _each_is(recipe.get("seeds", [0]), int, f"{where}: seeds")
    if not seeds or len(set(seeds)) < len(seeds):
        raise SettingError(
            f"{where}: seeds are {', '.join(map(str, seeds)) or 'none'}; give at least one, each "
            "once."
        )
    for seed in seeds:
        check_seed(seed, f"{where}: a seed")
    if "attack" in recipe:
        attack = recipe["attack"]
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
    for name, allowed in (("task", TASKS), ("metric", METRICS)):
        if name in entry and entry[name] not in allowed:
            raise SettingError(
                f"{where}: the {name} {entry[name]!r} is unknown; choose {', '.join(allowed)}."
            )
    if "of_each" in entry:
        groups = TASKS[entry["task"]].groups if "task" in entry else ()
        if (
            [type(item) for item in entry["of_each"]] != [str, int]
            or entry["of_each"][0] not in groups
            or entry["of_each"][1] < 1
        ):
            raise SettingError(
                f"{where}: of_each is {entry['of_each']!r}; it takes a column and how many rows of "
                "each of its values, and the columns of the task are "
                f"{', '.join(groups) or 'none'}."
            )


def _bias(recipe: dict[str, Any], where: str) -> BiasSpec | None:
    if "bias" not in recipe:
        return None
    return read_record(BiasSpec, recipe["bias"], f"{where}, bias")


def _check_extra(entry: Any, classes: int, where: str) -> None:
    """Further training examples, where told with the model's class for each of theirs."""
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
    for extra in entry.get("extra", ()):
        _check_extra(extra, classes, f"{where}, {name}, extra")
    subnetwork = subnetwork_from(
        {**({"sparsity": min(levels)} if levels else {}), **entry.get("subnetwork", {})},
        f"{where}, {name}",
    )
    check_smoothing(subnetwork.loss, train)
    return Cell(
        name,
        subnetwork,
        train,
        entry.get("steps"),
        levels,
        model=entry.get("model"),
        extra=tuple(entry.get("extra", ())),
        **{role: entry.get(role) for role in MODELS},
    )


def _without_share(cell: Cell, role: str, where: str) -> str | None:
    """The name of the cell another one takes a model from."""
    source: str | None = getattr(cell, role)
    name, at, share = (source or "").partition("@")
    if at and (role != "start" or not re.fullmatch(r"0?\.\d+", share)):
        raise SettingError(
            f"{where}: {cell.name} takes its {role} from {source!r}; only a start may name a share "
            "of the steps, in (0, 1), as in full-ce@0.4."
        )
    return name or None


def _check_cells(cells: tuple[Cell, ...], where: str) -> None:
    names = [cell.name for cell in cells]
    if not cells or len(set(names)) < len(names):
        raise SettingError(
            f"{where}: cells need names, each its own; found {', '.join(names) or 'none'}."
        )
    for index, cell in enumerate(cells):
        for role in MODELS:
            other = _without_share(cell, role, where)
            if other is not None and other not in names[:index]:
                raise SettingError(
                    f"{where}: {cell.name} takes its {role} from {other!r}, which is no cell "
                    "before it."
                )
            if (
                other is not None
                and (source := cells[names.index(other)]).sparse
                and source.sparsities != cell.sparsities
            ):
                raise SettingError(
                    f"{where}: {cell.name} takes its {role} from {other}, at other sparsities; "
                    "give both the same."
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
