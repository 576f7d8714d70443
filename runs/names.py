"""A dry run's look at every name that a table uses: does it resolve, and what would be fetched?

No weights and no examples are fetched.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from functools import partial

from prunescope.engine.errors import DataError, InputError, ModelError, ResourceError
from prunescope.engine.formatting import format_bytes
from prunescope.engine.paths import expanded
from prunescope.runs.sizes import DataSet

Description = tuple[str, int]  # (what there is, bytes that a run fetches)
DATA_FILES = "*.parquet *.json* *.csv *.tsv *.arrow *.txt *.zst *.gz".split()


def every_name_resolves(
    base: str, sets: Sequence[DataSet], attacks: Sequence[str], options: argparse.Namespace
) -> bool:
    """Print a line for the base, each data set and each attack; False where one cannot be used."""
    lookups: list[tuple[str, str, Callable[[], Description]]] = [
        ("model", base, partial(look_at_model, base)),
        *(("data", d.source, partial(look_at_data, d.source, len(d.labels))) for d in sets),
        *(("attack", name, partial(look_at_attack, name, options.resources)) for name in attacks),
    ]
    lines = [_line(kind, name, look) for kind, name, look in lookups]  # all of them, in order
    return all(lines)


def _line(kind: str, name: str, look: Callable[[], Description]) -> bool:
    try:
        about, size = look()
    except InputError as error:
        sys.stdout.write(f"no  {kind:<6} {name}: {error}\n")
        return False
    fetched = f"; {format_bytes(size)} on the hub" if size else ""
    sys.stdout.write(f"ok  {kind:<6} {name}: {about}{fetched}\n")
    return True


def look_at_model(name: str) -> Description:
    """The family and size of a checkpoint, from its configuration, tokenizer and list of files.

    Raises ModelError or ResourceError as opening it would.
    """
    from transformers import AutoConfig

    from prunescope.engine.data.hub_errors import hub_reason
    from prunescope.engine.models.base import PATTERNS, open_base
    from prunescope.engine.models.tokenizer import open_tokenizer

    if name == "embedded" or expanded(name).exists() or name.startswith((".", "/", "~")):
        return f"{open_base(name).architecture.name}, here", 0
    try:
        files = _files_of(name, "model", PATTERNS)
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
        open_tokenizer(name, local_only=False)
    except InputError:
        raise
    except Exception as error:  # a tokenizer that is missing raises anything
        raise ResourceError(
            f"The checkpoint {name!r} cannot be fetched from the hub ({hub_reason(error)}); check "
            "the name and the network, or give a local folder with --base."
        ) from error
    if not any(fnmatch(file, "*.safetensors") for file in files):
        raise ModelError(
            f"{name} has no safetensors weights on the hub, and only these are loaded; name "
            "another with --base."
        )
    size = f"{config.num_hidden_layers} blocks of width {config.hidden_size}"
    return f"{config.model_type}, {size}", sum(files.values())


def look_at_data(name: str, classes: int = 0) -> Description:
    """The columns, classes and splits of a data set, without its examples.

    Raises DataError or ResourceError as loading it would, and DataError where it has another number
    of classes than the table, as far as the hub tells.
    """
    from prunescope.engine.data import load_dataset
    from prunescope.engine.data.load import EMBEDDED, looks_like_path

    if name == EMBEDDED or expanded(name).exists() or looks_like_path(name):
        data = load_dataset(name)
        train = 0 if data.train is None else len(data.train)
        return f"{train:,} training examples and {len(data.evaluation):,} others, here", 0
    from prunescope.engine.data.hub import outline

    layout = outline(name)
    if "train" not in layout.rows:
        splits = ", ".join(layout.rows)
        raise DataError(f"{name} has no training split, it has {splits}; name other data.")
    if classes and layout.classes and len(layout.classes) != classes:
        raise DataError(
            f"{name} has the {len(layout.classes)} classes {', '.join(layout.classes)}, and the "
            f"table {classes}; name other data."
        )
    counts = ", ".join(f"{split} {n:,}" if n else split for split, n in layout.rows.items())
    names = f"; classes {', '.join(layout.classes)}" if layout.classes else ""
    about = f"text {layout.text!r}, label {layout.label!r}{names}; examples: {counts}"
    return about, sum(_files_of(name.partition(":")[0], "dataset", DATA_FILES).values())


def look_at_attack(name: str, resources: str | None) -> Description:
    """What an attack uses. Raises SettingError for an unknown one, ResourceError for what it lacks
    here.
    """
    from prunescope.engine.attacks.recipes import recipe_named
    from prunescope.engine.attacks.resources import find_resources

    used = recipe_named(name).used(find_resources(resources))
    parts = ", ".join(f"{part} ({source.origin})" for part, source in used.items())
    return parts or "needs nothing", 0


def _files_of(name: str, kind: str, patterns: Sequence[str]) -> dict[str, int]:
    """Name → bytes of what would be fetched of a repository on the hub."""
    from huggingface_hub import HfApi

    info = HfApi().repo_info(name, repo_type=kind, files_metadata=True)
    return {
        file.rfilename: file.size or 0
        for file in getattr(info, "siblings", None) or []
        if any(fnmatch(file.rfilename, pattern) for pattern in patterns)
    }
