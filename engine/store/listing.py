"""The list of studies, from the index: quick for thousands of them, and right however they were
written.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.engine.records import Study
from prunescope.engine.store.index import Entry, Index, level_summary
from prunescope.engine.store.layers import KEY, Store

PIN = "pinned"  # the file in a study's folder that keeps clean-up away


@dataclass(frozen=True, slots=True)
class StudyRow:
    """One study in a list."""

    key: str
    # "user", "shared" or "bundled": where its head is; the user's own levels lie over it.
    layer: str
    about: dict[str, Any]
    # Ascending: sparsity, achieved, acc, aua, asr (values alone) and seconds of each.
    levels: tuple[dict[str, Any], ...]
    bytes: int  # of what the user's own folder holds of it, or of the layer where it is not there
    modified: float  # the newest of its files, s since 1970
    pinned: bool
    # The method's solver by its word in the identity, see `studies.stored`; None where it has none.
    solver: str | None = None


def study_rows(store: Store) -> list[StudyRow]:
    """Every study of every layer, bundled ones first. Damage is set aside and named in the store's
    notices.
    """
    index, parts = Index(store.root), dict[str, dict[str, Any]]()
    for layer in reversed(store.layers):
        for entry in index.entries(layer, lambda path: _summary(store, path)):
            if KEY.fullmatch(entry.study):
                _add(
                    parts.setdefault(entry.study, {"levels": {}, "bytes": {}, "modified": 0.0}),
                    entry,
                    layer,
                )
    rows = [_row(store, key, part) for key, part in parts.items() if "about" in part]
    return sorted(
        rows, key=lambda row: (row.layer != "bundled", row.about.get("order", 99), row.key)
    )


def _summary(store: Store, path: Path) -> dict[str, Any] | None:
    if path.name == "study.json":
        head = store.head(path)
        return None if head is None else _head_summary(head)
    study = store.study_head(path.parent.name)
    level = store.level_at(path, study.identity) if study is not None else None
    return None if level is None else level_summary(level)


def _head_summary(head: Study) -> dict[str, Any]:
    return {"about": head.about, "solver": head.solver}


def _add(part: dict[str, Any], entry: Entry, layer: Path) -> None:
    if entry.name == "study.json":
        part.setdefault("about", entry.summary["about"])
        part.setdefault("solver", entry.summary["solver"])
        part.setdefault("layer", layer)
    else:
        part["levels"][entry.summary["sparsity"]] = entry.summary
    part["bytes"][layer] = part["bytes"].get(layer, 0) + entry.size
    part["modified"] = max(part["modified"], entry.modified)


def _row(store: Store, key: str, part: dict[str, Any]) -> StudyRow:
    names = {store.bundled: "bundled", store.shared: "shared", store.root: "user"}
    levels = tuple(part["levels"][sparsity] for sparsity in sorted(part["levels"]))
    size = part["bytes"].get(store.root) or next(iter(part["bytes"].values()))
    return StudyRow(
        key,
        names[part["layer"]],
        part["about"],
        levels,
        size,
        part["modified"],
        (store.root / "studies" / key / PIN).is_file(),
        part["solver"],
    )
