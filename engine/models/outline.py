"""What a model's files say of it without loading it: its classes and its size. Light to import."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from prunescope.engine.errors import ModelError, ResourceError
from prunescope.engine.models.config import config_in, label_names
from prunescope.engine.models.embedded import LABELS, adapter_folders
from prunescope.engine.models.files import check_folder, is_local_name
from prunescope.engine.paths import expanded

CONFIG = "config.json"
EMBEDDED_PRUNABLE = 10_616_832  # weights of MiniLM-L6's linear layers
# What families call the width, the intermediate width and the number of blocks.
WIDTH = ("hidden_size", "dim", "d_model", "n_embd")
INNER = ("intermediate_size", "hidden_dim", "encoder_ffn_dim", "d_ff", "n_inner")
BLOCKS = ("num_hidden_layers", "n_layers", "encoder_layers", "num_layers", "n_layer")


@dataclass(frozen=True, slots=True)
class ModelOutline:
    """A classifier as its files describe it."""

    name: str
    classes: tuple[str, ...] = ()  # empty where only loading the model tells
    prunable: int | None = None  # about; None where the config does not tell
    family: str = ""  # such as "bert"
    inner: int = 0  # inputs of its widest layer, which need calibration tokens; 0 is unknown
    notices: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether its files are here; a hub name that was not fetched has none."""
        return bool(self.classes or self.family)


def model_outline(name: str) -> ModelOutline:
    """The outline of `embedded`, `embedded:NAME`, a folder, or a hub name that was fetched before.

    A hub name that is not on this machine has an empty outline. Raises ModelError for a folder that
    holds no classifier.
    """
    if name == "embedded" or name.startswith("embedded:"):
        return _embedded(name.partition(":")[2] or "sst2")
    folder = expanded(name)
    if folder.exists() or is_local_name(name):
        check_folder(folder)
        return _of_folder(folder, folder.name)
    if name.count("/") > 1:
        raise ModelError(
            f"There is no model folder {name!r}, and a name on the hub has one slash at most; "
            "check the path."
        )
    cached = _cached_config(name)
    return ModelOutline(name) if cached is None else _of_config(config_in(cached), name)


def fetch_outline(name: str) -> ModelOutline:
    """The outline of a model, a hub name's fetched from the hub.

    Raises ModelError or ResourceError.
    """
    outline = model_outline(name)
    if outline.is_known or is_local_name(name) or expanded(name).exists():
        return outline
    from prunescope.engine.data.hub_errors import hub_reason, network_errors
    from prunescope.engine.models.config import read_config

    try:
        return _of_config(read_config(name, local_only=False).to_dict(), name)
    except network_errors(OSError, ValueError) as error:
        raise ResourceError(
            f"The model {name!r} cannot be fetched from the hub ({hub_reason(error)}); check the "
            "name and the network, or give a local folder."
        ) from error


def _embedded(which: str) -> ModelOutline:
    adapter_folders(which)
    name = "MiniLM-L6" if which == "sst2" else f"MiniLM-L6 ({which})"
    return ModelOutline(name, LABELS.get(which, ()), EMBEDDED_PRUNABLE, "bert", 1536)


def _of_folder(folder: Path, name: str) -> ModelOutline:
    if not (folder / CONFIG).is_file():  # a member's adapter, whose classes its base knows
        return ModelOutline(name)
    return _of_config(config_in(folder / CONFIG), name)


def _of_config(config: Mapping[str, Any], name: str) -> ModelOutline:
    id2label = config.get("id2label")
    count = config.get("num_labels")
    if not isinstance(id2label, Mapping):
        count = count if isinstance(count, int) else 2  # what transformers takes
        id2label = {number: f"LABEL_{number}" for number in range(count)}
    numbered = {int(number): label for number, label in id2label.items()}
    described = SimpleNamespace(problem_type=config.get("problem_type"), id2label=numbered)
    classes, notices = label_names(described, name)
    inner = _first(config, INNER) or 4 * _first(config, WIDTH)
    prunable = _prunable(_first(config, WIDTH), inner, _first(config, BLOCKS))
    return ModelOutline(name, classes, prunable, str(config.get("model_type", "")), inner, notices)


def _first(config: Mapping[str, Any], names: tuple[str, ...]) -> int:
    values = (config.get(name) for name in names)
    return next((value for value in values if isinstance(value, int) and value > 0), 0)


def _prunable(width: int, inner: int, blocks: int) -> int | None:
    """Weights of query, key, value, output and the two layers of the feed-forward part."""
    weights = blocks * (4 * width * width + 2 * width * inner)
    return weights or None


def _cached_config(name: str) -> Path | None:
    """The config of a hub name, where it was fetched before; nothing is fetched."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        path = try_to_load_from_cache(name, CONFIG)
    except HFValidationError as error:
        raise ModelError(f"{name!r} is no name of a model on the hub; check it.") from error
    return Path(path) if isinstance(path, str) else None
