"""Sets of fine-tuned members and their averages with scores, read from the bundle and from
the user's cache.

    members/<name>/members.json        the members of a recipe with their scores
    members/<name>/average-<by>.json   how an average of them came about
    members/<name>/evaluation.json     members and averages on the evaluation examples, dense and
    pruned

Only figures are read here, so a page that shows them imports neither torch nor transformers.
"""

import json
from pathlib import Path
from typing import Any

from prunescope.engine.store import Store
from prunescope.engine.training.records import (
    ORDERS,
    Evaluated,
    MadeAverage,
    Member,
    MemberSet,
    Score,
)


def member_sets(store: Store) -> list[MemberSet]:
    """All sets with scored members: bundled ones first, of those the ones that were evaluated.

    What cannot be read is named in the store's notices.
    """
    sets = []
    for base, bundled in ((store.bundled, True), (store.root, False)):
        for path in sorted((base / "members").glob("*/members.json")):
            try:
                sets.append(_read(path, bundled))
            except (OSError, ValueError, KeyError, TypeError) as error:
                store.notices.append(
                    f"The members in {path.parent} cannot be read ({type(error).__name__}: "
                    f"{error}); make them again with `prunescope members`."
                )
    return sorted(
        sets, key=lambda members: (not members.bundled, not members.evaluated, members.name)
    )


def _read(path: Path, bundled: bool) -> MemberSet:
    manifest = json.loads(path.read_text(encoding="utf-8"))
    averages = {}
    for by in ORDERS:
        file = path.parent / f"average-{by}.json"
        if file.is_file():
            averages[by] = MadeAverage.of(json.loads(file.read_text(encoding="utf-8")))
    members = tuple(
        Member(
            entry["name"],
            entry["spec"],
            entry["status"],
            entry["reason"],
            None if entry["acc"] is None else Score.of(entry),
            entry["averaged"],
        )
        for entry in manifest["members"]
    )
    evaluated, how = _evaluation(path.parent / "evaluation.json")
    return MemberSet(
        path.parent.name,
        path.parent,
        bundled,
        manifest["base"],
        manifest["data_name"],
        manifest["about"],
        manifest["rows"],
        manifest["selection"],
        members,
        averages,
        evaluated,
        how,
    )


def _evaluation(file: Path) -> tuple[tuple[Evaluated, ...], dict[str, Any] | None]:
    if not file.is_file():
        return (), None
    record = json.loads(file.read_text(encoding="utf-8"))
    rows = record.pop("levels")
    return tuple(Evaluated(row["model"], row["sparsity"], Score.of(row)) for row in rows), record
