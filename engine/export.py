"""Write a pruned victim as an ordinary model folder."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from engine.errors import StoreError
from engine.models.victim import Victim


def free_folder(folder: Path | str) -> Path:
    """The folder as a path. Raises StoreError when something is there already."""
    target = Path(folder).expanduser()
    if target.exists() and any(target.iterdir() if target.is_dir() else [target]):
        raise StoreError(f"{target} is there already; name another folder with --out, or remove it.")
    return target


def export_model(victim: Victim, folder: Path | str, provenance: dict[str, Any]) -> Path:
    """Save model, tokenizer and `prunescope.json` to `folder`, whole or not at all.

    `AutoModelForSequenceClassification.from_pretrained(folder)` opens it; the zeros are stored as ordinary weights, so
    it is as large as the dense model. Raises StoreError when the folder is there already or cannot be written.
    """
    target = free_folder(folder)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".exporting-") as work:
            victim.model.save_pretrained(work, safe_serialization=True)
            victim.tokenizer.save_pretrained(work)
            (Path(work) / "prunescope.json").write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")
            if target.is_dir():
                target.rmdir()
            os.replace(work, target)
    except OSError as error:
        raise StoreError(f"{target} cannot be written ({error.strerror or error}); name another folder with --out.") from error
    return target
