"""The class names that the card of a data set gives: README.md with YAML, or dataset_infos.json,
beside its files.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

LARGEST = 1 << 22  # bytes
LABEL = "ClassLabel"  # the kind of a feature that names its numbers


def card_names(folder: Path) -> dict[str, tuple[str, ...]]:
    """Column → names of its class numbers, where the cards of all configurations in a folder agree;
    nothing without a card.
    """
    candidates: dict[str, set[tuple[str, ...]]] = {}
    for features in _features(folder):
        for column, names in features:
            candidates.setdefault(column, set()).add(names)
    return {column: names.copy().pop() for column, names in candidates.items() if len(names) == 1}


def _features(folder: Path) -> Iterator[list[tuple[str, tuple[str, ...]]]]:
    card, infos = _text(folder / "README.md"), _text(folder / "dataset_infos.json")
    if card.startswith("---"):
        try:
            head = yaml.safe_load(card[3:].partition("\n---")[0])
        except yaml.YAMLError:
            head = None  # a page for people, which need not be a card
        about = head.get("dataset_info") if isinstance(head, Mapping) else None
        for info in about if isinstance(about, list) else [about]:
            features = info.get("features") if isinstance(info, Mapping) else None
            yield [
                (str(feature["name"]), names)
                for feature in features or ()
                if isinstance(feature, Mapping)
                and "name" in feature
                and (names := _of_yaml(feature.get("dtype")))
            ]
    try:
        content = json.loads(infos or "{}")
    except ValueError:
        content = {}
    for info in content.values() if isinstance(content, dict) else ():
        features = info.get("features") if isinstance(info, Mapping) else None
        kinds = {
            column: feature
            for column, feature in (features or {}).items()
            if isinstance(feature, Mapping)
        }
        labels = {
            column: feature for column, feature in kinds.items() if feature.get("_type") == LABEL
        }
        yield [
            (column, tuple(map(str, feature["names"])))
            for column, feature in labels.items()
            if isinstance(feature.get("names"), list)
        ]


def _of_yaml(dtype: Any) -> tuple[str, ...]:
    names = dtype.get("class_label", {}).get("names") if isinstance(dtype, Mapping) else None
    if isinstance(names, list):
        return tuple(map(str, names))
    if isinstance(names, Mapping) and all(str(number).isdecimal() for number in names):
        return tuple(str(name) for _, name in sorted(names.items(), key=lambda item: int(item[0])))
    return ()


def _text(path: Path) -> str:
    try:
        return (
            path.read_text(encoding="utf-8")
            if path.is_file() and path.stat().st_size <= LARGEST
            else ""
        )
    except (OSError, UnicodeDecodeError):
        return ""
