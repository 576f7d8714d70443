"""Recipe files of members: JSON with shared settings and one entry a member."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.engine.errors import SettingError
from prunescope.engine.training.spec import TrainSpec, spec_from

SHIPPED = Path(__file__).parent / "recipes"


@dataclass(frozen=True, slots=True)
class Finish:
    """A short second pass over further examples, mixed with some of the first pass's so that those
    are not forgotten.
    """

    data: str  # what `--data` takes; its training split is used
    epochs: float = 2.0
    learning_rate: float = 0.0003
    replay: int = 6000  # rows of the first pass, drawn with the member's seed


@dataclass(frozen=True, slots=True)
class MemberRecipe:
    """A recipe file, checked."""

    members: tuple[TrainSpec, ...]
    about: str = ""
    head_seed: int = 0
    max_tokens: int = 128
    finish: Finish | None = None


def recipe_path(name: str, folder: Path = SHIPPED) -> Path:
    """A file, or a recipe shipped in `folder` by its name. Raises SettingError with the names there
    are.
    """
    shipped = {path.stem: path for path in sorted(folder.glob("*.json"))}
    if name in shipped:
        return shipped[name]
    if not Path(name).is_file():
        raise SettingError(
            f"There is no recipe {name}; give a JSON file, or a shipped recipe: "
            f"{', '.join(shipped)}."
        )
    return Path(name)


def read_recipe(path: Path) -> MemberRecipe:
    """Raises SettingError on anything it does not know or that does not fit."""
    try:
        recipe = json.loads(path.read_text(encoding="utf-8"))
        entries = recipe["members"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingError(
            f"{path} is not a recipe ({error}); it needs a JSON object with a list `members`."
        ) from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SettingError(f"{path} is not a recipe; `members` must be a list of objects.")
    names = [entry.get("name") for entry in entries]
    if not names or len(set(map(repr, names))) < len(names):
        raise SettingError(f"{path}: members need names, each its own; found {names}.")
    if bad := [
        name for name in names if not (isinstance(name, str) and re.fullmatch(r"\w[\w.-]*", name))
    ]:
        raise SettingError(
            f"{path}: {bad[0]!r} cannot name a member; its name becomes a folder: use letters, "
            "digits, . _ -"
        )
    if unknown := sorted(set(recipe) - {"members", "about", "head_seed", "max_tokens", "finish"}):
        raise SettingError(
            f"{path}: unknown setting {unknown[0]!r}; a recipe holds members, about, head_seed, "
            "max_tokens and finish."
        )
    members = tuple(spec_from(entry, str(path)) for entry in entries)
    if "finish" in recipe and (whole := [member.name for member in members if member.rank == 0]):
        raise SettingError(
            f"{path}: {whole[0]} has the rank 0 and `finish` goes on from adapters only; give it a "
            "rank, or leave `finish` out."
        )
    return MemberRecipe(
        members,
        str(recipe.get("about", "")),
        _number(recipe, "head_seed", 0, path),
        _number(recipe, "max_tokens", 128, path),
        _finish(recipe["finish"], path) if "finish" in recipe else None,
    )


def _number(recipe: dict[str, Any], name: str, default: int, path: Path) -> int:
    value = recipe.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise SettingError(f"{path}: {name} is {value!r}, not a whole number; correct it.")
    return value


def _finish(entry: Any, path: Path) -> Finish:
    try:
        return Finish(**entry)
    except TypeError as error:
        raise SettingError(
            f"{path}: `finish` cannot be used ({error}); it needs data, and may hold epochs, "
            "learning_rate and replay."
        ) from error
