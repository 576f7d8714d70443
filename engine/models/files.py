"""Whether the files in a model's folder are what they should be."""

from pathlib import Path

from prunescope.engine.data.stand_ins import HEAD, stand_in
from prunescope.engine.errors import ModelError

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
