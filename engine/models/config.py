"""What a model's config.json says, checked: which model it is, how many labels it tells apart and
what these are called.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prunescope.engine.errors import ModelError

# Values of `problem_type` by which a text has one label, and all that there are.
ONE_LABEL = (None, "single_label_classification")
PROBLEM_TYPES = (*ONE_LABEL, "multi_label_classification", "regression")


def read_config(source: str | Path, local_only: bool) -> Any:
    """The configuration of a local folder or a hub name.

    Raises ModelError where a folder's config.json is not JSON, names no model_type, or numbers no
    labels, and for a model that needs code of its own, that transformers does not know, or that is
    quantised; what else transformers raises is passed on.
    """
    # it takes a second, and a check of a file needs none of it
    from transformers import AutoConfig, __version__

    if local_only:
        config_in(Path(source) / "config.json")
    try:
        config = AutoConfig.from_pretrained(
            source, local_files_only=local_only, trust_remote_code=False
        )
    except ValueError as error:
        if "trust_remote_code" in str(error):
            raise ModelError(
                f"{source} needs code of its own (auto_map in its config.json), and nothing that a "
                "model brings is run; give one of an architecture that transformers has."
            ) from error
        if "does not recognize this architecture" in str(error):
            raise ModelError(
                f"The architecture of {source} is unknown to transformers {__version__}; install a "
                "newer transformers, or give another model."
            ) from error
        raise
    if getattr(config, "quantization_config", None) is not None:
        raise ModelError(
            f"{source} is quantised (quantization_config in its config.json), and only weights in "
            "fp32, fp16 or bf16 can be pruned; give the model that it was made from."
        )
    return config


def config_in(path: Path) -> dict[str, Any]:
    """The content of a config.json. Raises ModelError where it cannot be a model's."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path} cannot be opened as a model's config ({error}); copy it again, or write it "
            "with model.save_pretrained."
        ) from error
    if not isinstance(content, dict):
        raise ModelError(
            f"{path} holds a {type(content).__name__}, not a config; write it with "
            "model.save_pretrained."
        )
    if not isinstance(content.get("model_type"), str):  # else the folder's name would be searched
        raise ModelError(
            f"{path} does not say which model this is: its model_type is "
            f'{content.get("model_type")!r}; add a line such as "model_type": "bert".'
        )
    labels = content.get("id2label")
    if labels is not None and not (isinstance(labels, dict) and all(map(_is_number, labels))):
        raise ModelError(
            f"The id2label of {path} is {json.dumps(labels)[:80]}; write it from numbers to names, "
            'as in {"0": "negative", "1": "positive"}.'
        )
    numbers = content.get("label2id")  # transformers 5 takes anything for it and for the next
    if not isinstance(numbers, dict | None):
        raise ModelError(
            f"The label2id of {path} is {json.dumps(numbers)[:80]}; write it from names to "
            'numbers, as in {"negative": 0, "positive": 1}.'
        )
    if (problem := content.get("problem_type")) not in PROBLEM_TYPES:
        raise ModelError(
            f"The problem_type of {path} is {problem!r}; write {ONE_LABEL[-1]!r} for a classifier "
            "that gives one label a text."
        )
    return content


def _is_number(key: str) -> bool:
    return key.strip().isdecimal() and key.isascii()


def label_names(config: Any, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(the names of a classifier's labels in the order of its outputs, notices).

    Raises ModelError for a model that does not give one of several labels, and for labels that
    share a name.
    """
    if config.problem_type not in ONE_LABEL:
        raise ModelError(
            f"{name} has the problem_type {config.problem_type!r}, and only classifiers that give "
            f"one label a text can be studied; give one of the problem_type {ONE_LABEL[-1]!r}."
        )
    numbers = sorted(config.id2label)
    if len(numbers) < 2:
        raise ModelError(
            f"{name} has num_labels {len(numbers)}: it gives a number for a text (problem_type "
            "'regression'), and only classifiers with two labels or more can be studied."
        )
    names = tuple(str(config.id2label[number]) for number in numbers)
    if twice := [label for label in names if names.count(label) > 1]:
        raise ModelError(
            f"The id2label of {name} calls {names.count(twice[0])} labels {twice[0]!r}; give each "
            "a name of its own in config.json."
        )
    if numbers == list(range(len(numbers))):
        return names, ()
    return names, (
        f"The id2label of {name} has the numbers {', '.join(map(str, numbers))}; its names are "
        f"taken in this order for the outputs 0 to {len(names) - 1}: {', '.join(names)}.",
    )


def set_label_names(config: Any, names: Sequence[str]) -> None:
    """Call the labels of a configuration by these names, in the order of the outputs."""
    config.id2label = dict(enumerate(names))
    config.label2id = {name: number for number, name in enumerate(names)}
