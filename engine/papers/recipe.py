"""Recipe files of the papers' tables: JSON that names data sets, scales and steps, each step one
command of this program.

    {"title": …, "about": …, "with": "p1",           shared/p1.json gives scales, sets and first
      steps
     "scales": {"full": {"base": …, "seeds": […], …}},  values for the steps, by scale
     "sets": {"sst2": {"data": …, "labels": …, …}},     values for the steps, by data set
     "steps": [{"name": "study-{set}-{seed}", "for": ["set", "seed"], "row": "P1's method",
                "run": ["study", "--model", "{work}/{set}/average-{attack}", …]}],
     "published": [{"row": "P1's method", "set": "sst2", "sparsity": 0.5, "acc": 88.31, "aua": 43.1,
       "asr": 51.2}]}

A step is repeated for all data sets or seeds that `for` names. `{work}` is the folder that receives
models; a recipe with the same base and scale finds there what another one has made.
"""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.engine.errors import SettingError
from prunescope.engine.training.recipe import recipe_path

SHIPPED = Path(__file__).parent / "recipes"
KNOWN = ("title", "about", "with", "scales", "sets", "steps", "published")
OF_STEP = ("name", "for", "run", "row", "table")
LOOPS = ("set", "seed")
COMMANDS = (
    "finetune",
    "members",
    "average",
    "evaluate",
    "study",
    "subnetworks",
    "distances",
)  # what a step may run


@dataclass(frozen=True, slots=True)
class Step:
    """One command, with every value in place."""

    name: str
    command: tuple[str, ...]  # of `python -m engine`
    set: str | None
    seed: int | None
    row: str | None  # what its figures are called in the table at the end
    table: dict[str, Any] | None = (
        None  # a table of subnetworks: a shipped recipe with changes, written to the file it names
    )

    def option(self, name: str) -> str | None:
        """The value of an option of the command."""
        places = [place for place, word in enumerate(self.command) if word == name]
        return self.command[places[0] + 1] if places else None


@dataclass(frozen=True, slots=True)
class Paper:
    """A recipe file at one scale, checked."""

    name: str
    title: str
    about: str
    scale: str
    values: dict[str, Any]  # of the scale
    sets: dict[str, dict[str, Any]]  # those of the scale
    steps: tuple[Step, ...]
    published: tuple[dict[str, Any], ...]


def paper_path(name: str) -> Path:
    """A file, or a shipped recipe by its name. Raises SettingError with the names there are."""
    return recipe_path(name, SHIPPED)


def read_paper(
    path: Path,
    scale: str = "full",
    work: Path = Path("work"),
    changes: dict[str, Any] | None = None,
) -> Paper:
    """A recipe at a scale; `changes` replace values of the scale. Raises SettingError on anything
    that does not fit.
    """
    told = _read(path)
    if "with" in told:
        shared = _read(SHIPPED / "shared" / f"{told['with']}.json")
        told = {
            **told,
            "scales": _merged(shared, told, "scales"),
            "sets": _merged(shared, told, "sets"),
            "steps": [*shared.get("steps", []), *told.get("steps", [])],
        }
    if not isinstance(told.get("title"), str) or not told.get("steps"):
        raise SettingError(
            f"{path} is not a recipe of a paper's table; it needs a title and steps."
        )
    scales = told.get("scales", {})
    if scale not in scales:
        raise SettingError(f"{path} has no scale {scale!r}; it has {', '.join(scales)}.")
    values = {**scales[scale], **(changes or {})}
    if "table_seeds" in values and "seeds" in (changes or {}):
        values["table_seeds"] = values[
            "seeds"
        ]  # tables of subnetworks have seeds of their own, unless others are asked for
    sets = {
        name: {**told["sets"][name], **values.get("of_sets", {}).get(name, {})}
        for name in _chosen(told, values, path)
    }
    values["work"] = str(work / f"{_slug(str(values['base']))}-{scale}")
    steps = tuple(step for entry in told["steps"] for step in _steps(entry, values, sets, path))
    return Paper(
        path.stem,
        told["title"],
        str(told.get("about", "")),
        scale,
        values,
        sets,
        steps,
        tuple(told.get("published", ())),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingError(
            f"{path} cannot be read as a recipe ({error}); it needs a JSON object."
        ) from error
    if not isinstance(told, dict):
        raise SettingError(
            f"{path} is not a recipe; it needs a JSON object with a title and steps."
        )
    if unknown := sorted(set(told) - set(KNOWN)):
        raise SettingError(
            f"{path}: unknown setting {unknown[0]!r}; a recipe holds {', '.join(KNOWN)}."
        )
    return told


def _merged(shared: dict[str, Any], told: dict[str, Any], part: str) -> dict[str, Any]:
    """Name → values of the shared file, with those of the recipe over them."""
    first, second = shared.get(part, {}), told.get(part, {})
    return {name: {**first.get(name, {}), **second.get(name, {})} for name in {**first, **second}}


def _chosen(told: dict[str, Any], values: dict[str, Any], path: Path) -> list[str]:
    wanted: list[str] = values.get("sets") or list(told["sets"])
    if unknown := [name for name in wanted if name not in told["sets"]]:
        raise SettingError(
            f"{path} has no data set {unknown[0]!r}; it has {', '.join(told['sets'])}."
        )
    return wanted


def _slug(base: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", base).strip("-.") or "base"


def _steps(
    entry: dict[str, Any], values: dict[str, Any], sets: dict[str, dict[str, Any]], path: Path
) -> Iterator[Step]:
    if unknown := sorted(set(entry) - set(OF_STEP)):
        raise SettingError(
            f"{path}, steps: unknown setting {unknown[0]!r}; a step holds {', '.join(OF_STEP)}."
        )
    loops = entry.get("for", [])
    if (
        not isinstance(entry.get("name"), str)
        or not entry.get("run")
        or not set(loops) <= set(LOOPS)
    ):
        raise SettingError(
            f"{path}: a step needs a name, a command under run, and for only of {', '.join(LOOPS)}."
        )
    if entry["run"][0] not in COMMANDS:
        raise SettingError(
            f"{path}, {entry['name']}: a step cannot run {entry['run'][0]!r}; it may run "
            f"{', '.join(COMMANDS)}."
        )
    over = {"set": list(sets), "seed": values.get("seeds", [0])}
    for chosen in itertools.product(*(over[name] for name in loops)):
        now = dict(zip(loops, chosen, strict=True))
        known = {**values, **(sets[now["set"]] if "set" in now else {}), **now}
        where = f"{path}, {entry['name']}"
        yield Step(
            _filled(entry["name"], known, where),
            tuple(_filled(str(word), known, where) for word in entry["run"]),
            now.get("set"),
            now.get("seed"),
            entry.get("row"),
            _deep(entry.get("table"), known, where),
        )


def _filled(text: str, known: dict[str, Any], where: str) -> str:
    def value(found: re.Match[str]) -> str:
        if found[1] not in known:
            raise SettingError(
                f"{where}: {found[0]} has no value; the recipe knows {', '.join(sorted(known))}."
            )
        return str(known[found[1]])

    return re.sub(r"\{(\w+)\}", value, text)


def _deep(told: Any, known: dict[str, Any], where: str) -> Any:
    """Values in place all through a JSON value; a text that is one name alone becomes that value
    itself, a number or a list.
    """
    if isinstance(told, dict):
        return {name: _deep(value, known, where) for name, value in told.items()}
    if isinstance(told, list):
        return [_deep(value, known, where) for value in told]
    if isinstance(told, str) and (whole := re.fullmatch(r"\{(\w+)\}", told)) and whole[1] in known:
        return known[whole[1]]
    return _filled(told, known, where) if isinstance(told, str) else told
