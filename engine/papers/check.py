"""A dry run: does every name of a recipe resolve, what would be fetched, and how much work is it?
No weights are fetched.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from prunescope.engine.errors import DataError, InputError, ModelError, ResourceError, SettingError
from prunescope.engine.formatting import format_bytes
from prunescope.engine.papers.recipe import Paper, Step
from prunescope.engine.paths import expanded


@dataclass(frozen=True, slots=True)
class Name:
    """A model, a data set or an attack that a recipe names."""

    kind: str  # "model", "data" or "attack"
    name: str
    fine: bool
    about: str  # what was found, or why it cannot be used
    bytes: int = 0  # that a run fetches, as far as the hub tells
    rows: int = 0  # of a data set's training split, as far as the hub tells


def check_names(paper: Paper, resources: str | None, say: Callable[[str], None]) -> list[Name]:
    """Every name once, in the order in which the recipe needs them."""
    counts = {str(one["data"]): len(one.get("names", ())) for one in paper.sets.values()}
    found = []
    for kind, names, look in (
        ("model", [str(paper.values["base"])], look_at_model),
        (
            "data",
            [str(one["data"]) for one in paper.sets.values()],
            lambda name: look_at_data(name, counts[name]),
        ),
        ("attack", _attacks(paper), lambda name: look_at_attack(name, resources)),
    ):
        for name in dict.fromkeys(names):
            say(f"look at the {kind} {name}")
            try:
                about, size, rows = look(name)
                found.append(Name(kind, name, True, about, size, rows))
            except InputError as error:
                found.append(Name(kind, name, False, str(error)))
    return found


def _attacks(paper: Paper) -> list[str]:
    asked = [step.option("--attack") for step in paper.steps]
    tables = [
        ((step.table or {}).get("changes", {}).get("attack") or {}).get("name")
        for step in paper.steps
    ]
    return [name for name in (*asked, *tables) if name and name != "none"]


def look_at_model(name: str) -> tuple[str, int, int]:
    """A checkpoint's family and size, without its weights: its configuration, tokenizer and list of
    files alone.

    Raises ModelError or ResourceError as opening it would.
    """
    from transformers import AutoConfig, AutoTokenizer

    from prunescope.engine.models.base import hub_reason, open_base
    from prunescope.engine.models.families import family_of

    if name == "embedded" or expanded(name).exists() or name.startswith((".", "/", "~")):
        base = open_base(name)
        return f"{base.family.name}, here", 0, 0
    try:
        files = _files_of(name, "model")
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
        family = family_of(config, name)
        AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except InputError:
        raise
    except Exception as error:  # a tokenizer that is missing raises anything
        raise ResourceError(
            f"The checkpoint {name!r} cannot be fetched from the hub ({hub_reason(error)}); check "
            "the name "
            "and the network, or give a local folder with --base."
        ) from error
    if not any(fnmatch(file, "*.safetensors") for file in files):
        raise ModelError(
            f"{name} has no safetensors weights on the hub, and only these are loaded; name "
            "another with --base."
        )
    size = sum(files.values())
    return (
        f"{family.name}, {config.num_hidden_layers} blocks of width {config.hidden_size}",
        size,
        0,
    )


def _files_of(name: str, kind: str) -> dict[str, int]:
    """Name → bytes of what would be fetched of a repository."""
    from huggingface_hub import HfApi

    from prunescope.engine.models.base import PATTERNS

    told = HfApi().repo_info(name, repo_type=kind, files_metadata=True)
    wanted = (
        PATTERNS
        if kind == "model"
        else ["*.parquet", "*.json*", "*.csv", "*.tsv", "*.arrow", "*.txt", "*.zst", "*.gz"]
    )
    return {
        one.rfilename: one.size or 0
        for one in told.siblings or []
        if any(fnmatch(one.rfilename, part) for part in wanted)
    }


def look_at_data(name: str, classes: int = 0) -> tuple[str, int, int]:
    """A data set's columns, classes and splits, without its rows. Raises DataError or ResourceError
    as loading it would, and DataError where it has another number of classes than the recipe, if
    that is told.
    """
    from prunescope.engine.data.load import EMBEDDED, looks_like_path

    if name == EMBEDDED or expanded(name).exists() or looks_like_path(name):
        from prunescope.engine.data import load_dataset

        data = load_dataset(name)
        rows = 0 if data.train is None else len(data.train)
        return f"{rows:,} training rows and {len(data.evaluation):,} others, here", 0, rows
    from prunescope.engine.data.hub import outline

    found = outline(name)
    if "train" not in found.rows:
        raise DataError(
            f"{name} has no training split, it has {', '.join(found.rows)}; name other data."
        )
    if classes and found.classes and len(found.classes) != classes:
        raise DataError(
            f"{name} has the {len(found.classes)} classes {', '.join(found.classes)}, and the "
            f"recipe {classes}; name "
            "other data."
        )
    size = sum(_files_of(name.partition(":")[0], "dataset").values())
    splits = ", ".join(
        f"{split} {count:,}" if count else split for split, count in found.rows.items()
    )
    called = f"; classes {', '.join(found.classes)}" if found.classes else ""
    return (
        f"text {found.text!r}, label {found.label!r}{called}; rows: {splits}",
        size,
        found.rows["train"] or 0,
    )


def look_at_attack(name: str, resources: str | None) -> tuple[str, int, int]:
    """What an attack would use. Raises SettingError for an unknown one, ResourceError for what it
    lacks here.
    """
    from prunescope.engine.attacks.recipes import recipe_named
    from prunescope.engine.attacks.resources import find_resources

    used = recipe_named(name).used(find_resources(resources))
    return (
        ", ".join(f"{part} ({source.origin})" for part, source in used.items()) or "needs nothing",
        0,
        0,
    )


def check_commands(paper: Paper, parse: Callable[[tuple[str, ...]], Any]) -> None:
    """Raises SettingError for a step whose command would be refused for how it is written, or once
    others have run for hours: where it needs accuracy under attack and the attack is none.
    """
    without = set[str | None]()  # folders of members that are judged without an attack
    for step in paper.steps:
        try:
            options = parse(step.command)
        except SystemExit:
            raise SettingError(
                f"The step {step.name} cannot be run: python -m engine {' '.join(step.command)}"
            ) from None
        attack = ((step.table or {}).get("changes", {}).get("attack") or {}).get("name")
        if step.command[0] == "members" and options.attack == "none":
            without.add(step.option("--out"))
        if attack == "none" or (
            step.command[0] == "average" and options.by == "aua" and options.members in without
        ):
            raise SettingError(
                f"The step {step.name} needs accuracy under attack, and the attack is none; name "
                "one: "
                "--attack NAME."
            )


def work_of(step: Step, rows: dict[str, int]) -> str:
    """A step's work in words: training rows read forward and backward, texts read, texts attacked."""
    from prunescope.engine.training.recipe import read_recipe
    from prunescope.engine.training.recipe import recipe_path as member_recipe

    data = step.option("--data") or ""
    passes = 0.0
    if step.command[0] == "members":
        recipe = read_recipe(member_recipe(step.option("--recipe") or ""))
        passes = sum(
            one.epochs * (one.adv_steps if one.adversarial != "none" else 1)
            for one in recipe.members
        )
    elif step.command[0] == "finetune":
        steps = float(step.option("--adv-steps") or 2) if step.option("--adversarial") else 1.0
        passes = float(step.option("--epochs") or 1) * steps
    parts = [f"{passes * rows[data]:,.0f} training rows"] if passes and rows.get(data) else []
    parts += [f"{passes:g} passes over the training rows"] if passes and not rows.get(data) else []
    if step.command[0] in ("study", "evaluate", "distances"):
        levels = (
            len((step.option("--levels") or "0").split(",")) if step.command[0] == "study" else 1
        )
        parts.append(f"{levels * int(step.option('--eval-examples') or 0):,} texts read at most")
        if step.option("--attack") not in (None, "none"):
            parts.append(
                f"{levels * int(step.option('--attack-examples') or 0):,} attacked at most"
            )
    if step.table is not None:
        parts.append(_table_work(step))
    return ", ".join(parts)


def _table_work(step: Step) -> str:
    from prunescope.engine.subnetworks.protocol_file import protocol_path, read_protocol

    assert step.table is not None
    told = read_protocol(protocol_path(step.table["recipe"]))
    changes = step.table["changes"]
    seeds, levels = (
        len(changes.get("seeds", told.seeds)),
        changes.get("cells", {}).get("sparsities"),
    )
    models = sum(len(levels or cell.sparsities) if cell.sparse else 1 for cell in told.cells)
    return f"{seeds * models} models trained"


def words(name: Name) -> str:
    """One line about a name."""
    size = f"; {format_bytes(name.bytes)} on the hub" if name.bytes else ""
    return f"{'ok' if name.fine else 'no':<3} {name.kind:<6} {name.name}: {name.about}{size}"
