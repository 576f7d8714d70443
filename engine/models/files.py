"""Whether the files in a model's folder are what they should be."""

import os
from pathlib import Path

from prunescope.engine.data.stand_ins import HEAD, stand_in
from prunescope.engine.errors import ModelError
from prunescope.engine.paths import expanded

FILES = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "adapter_config.json",
    "tokenizer*.json",
    "vocab.*",
    "*.model",
)


def check_files(folder: Path) -> None:
    """Raises ModelError for a file that is empty, or that only stands for a file of a model."""
    for path in (path for pattern in FILES for path in sorted(folder.glob(pattern))):
        if not path.is_file():
            continue
        with path.open("rb") as file:
            head = file.read(HEAD)
        if problem := stand_in(head):
            raise ModelError(f"{path} is {problem}.")
        if not head.strip():
            raise ModelError(f"{path} is empty; copy it again.")


def check_model_path(name: str) -> None:
    """Whether a model that is named by its folder is there. Raises ModelError."""
    if is_local_name(name):
        check_folder(expanded(name))


def is_local_name(name: str) -> bool:
    """Whether a name can only be meant as a folder."""
    return (
        name.startswith((".", "/", "~"))
        or not name.strip()
        or "\\" in name
        or "://" in name
        or os.path.isabs(name)
    )


def check_folder(folder: Path) -> None:
    """Whether a folder holds a model's config and weights. Raises ModelError."""
    if not folder.is_dir():
        raise ModelError(
            f"There is no model folder {folder}; check the path, or give a hub name such as "
            "bert-base-uncased."
        )
    if not any((folder / name).is_file() for name in ("config.json", "adapter_config.json")):
        raise ModelError(
            f"{folder} has no config.json, so it is not a model folder; save one with "
            "model.save_pretrained."
        )
    if not list(folder.glob("*.safetensors")):
        names = ", ".join(sorted(path.name for path in folder.iterdir())[:6]) or "nothing"
        raise ModelError(
            f"{folder} has no safetensors weights (found {names}); only safetensors are loaded: "
            "convert with model.save_pretrained(folder, safe_serialization=True)."
        )
    check_files(folder)
