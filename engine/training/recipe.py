"""Recipe files: JSON with shared settings and one entry a member."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from prunescope.engine.config.check import check_entry, read_record
from prunescope.engine.errors import SettingError
from prunescope.engine.training.spec import TrainSpec, spec_from

SHIPPED = Path(__file__).parent / "recipes"
KNOWN = {"members": list, "about": str, "head_seed": int, "max_tokens": int, "finish": dict}


@dataclass(frozen=True, slots=True)
class Finish:
    """A short second pass over further rows, mixed with some of the first pass's so that those are
    not forgotten.
    """

    data: str  # what `--data` takes; its training split is used
    epochs: float = 2.0
    learning_rate: float = 0.0003
    replay: int = 6000  # rows of the first pass, drawn with the member's seed


@dataclass(frozen=True, slots=True)
class Recipe:
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


def read_recipe(path: Path) -> Recipe:
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
    check_entry(recipe, KNOWN, str(path))
    members = tuple(spec_from(entry, str(path)) for entry in entries)
    if "finish" in recipe and (whole := [member.name for member in members if member.rank == 0]):
        raise SettingError(
            f"{path}: {whole[0]} has the rank 0 and `finish` goes on from adapters only; give it a "
            "rank, or leave `finish` out."
        )
    finish = recipe.get("finish")
    return Recipe(
        members,
        recipe.get("about", ""),
        recipe.get("head_seed", 0),
        recipe.get("max_tokens", 128),
        None if finish is None else read_record(Finish, finish, f"{path}, finish"),
    )
