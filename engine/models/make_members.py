"""`python -m engine members`: from a recipe and a data set to adapters."""

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from engine.data import check_labels, load_dataset
from engine.errors import DataError
from engine.models.embedded import BASE_SHA256, embedded_base
from engine.models.recipe import run_recipe
from engine.models.victim import pick_device
from engine.progress import Reporter, silent


def make_members(
    recipe: Path, data: str, out: Path, device: str = "auto", report: Reporter = silent, **columns: str | None
) -> list[dict[str, Any]]:
    """Fine-tune the members of a recipe on the training split of `data`, starting from the embedded base."""
    train = load_dataset(data, **columns).train  # type: ignore[arg-type]
    if train is None:
        raise DataError(f"{data} has no training split; members are fine-tuned on one, never on the evaluation set.")
    num_labels = max(train.labels) + 1
    check_labels(train, num_labels, f"{data}, train")
    tokenizer = AutoTokenizer.from_pretrained(embedded_base(), local_files_only=True)
    return run_recipe(recipe, embedded_base(), BASE_SHA256, tokenizer, train, num_labels, out,
                      device=str(pick_device(device)), report=report)  # fmt: skip

