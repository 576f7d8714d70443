"""What lies in a model's folder in place of its files, and what reading it fails with."""

from pathlib import Path

from prunescope.engine.errors import ModelError

STAND_INS = {  # the first bytes of what is no file of a model
    b"version https://git-lfs": "a Git LFS pointer and not the file itself; run `git lfs pull` in "
    "its folder",
    b"<!doctype html": "a web page; download the file itself",
    b"<html": "a web page; download the file itself",
}
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
    """Raises ModelError for a file of a model that something else stands in for, or that is empty."""
    for pattern in FILES:
        for path in sorted(folder.glob(pattern)):
            if not path.is_file():
                continue
            with path.open("rb") as file:
                head = file.read(64).lstrip().lower()
            for start, what in STAND_INS.items():
                if head.startswith(start):
                    raise ModelError(f"{path} is {what}.")
            if not head:
                raise ModelError(f"{path} is empty; copy it again.")
