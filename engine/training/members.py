"""Run a recipe: fine-tune every member, judge it, and write `members.json`. What is finished is not
done again.

<out>/<member>/            an adapter, or a whole model where the rank is 0, with member.json
<out>/<member>.checkpoint  a member that was cut short <out>/<member>.diverged.json  why a member
came to nothing <out>/scores/              Acc and Aua on the judging rows, by content
<out>/members.json         the members with their scores, and which of them may be averaged
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from prunescope.engine.data import Classes, Dataset, Examples, fit_dataset, load_dataset, sample
from prunescope.engine.data.matching import class_places, numbers_named
from prunescope.engine.errors import DataError, SettingError, TrainingDiverged
from prunescope.engine.models.base import open_base
from prunescope.engine.models.victim import Victim, load_victim, pick_device
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.store import canonical, key_of, write_atomic
from prunescope.engine.training.finetune import (
    RECORD,
    Shared,
    finetune,
    finished_training,
    training_identity,
)
from prunescope.engine.training.recipe import Finish, read_recipe
from prunescope.engine.training.records import Score
from prunescope.engine.training.selection import Selection, SelectionSpec, training_rows
from prunescope.engine.training.spec import TrainSpec

MANIFEST = "members.json"
MADE = "The new model"  # for notices
MEMBER_SHARES = {"train": 7, "score": 3}  # of the time that a member takes
PASS_SHARES = {"first": 7, "second": 3}  # of the time that training takes with a second pass
Say = Callable[[str], None]  # told a sentence


def unsaid(sentence: str) -> None:
    """Tells nobody."""


def run_members(
    recipe_file: Path,
    data: str,
    out: Path,
    *,
    base: str = "embedded",
    select: SelectionSpec | None = None,
    label_names: tuple[str, ...] | None = None,
    device: str = "auto",
    precision: str = "auto",
    allow_overlap: bool = False,
    report: Progress = SILENT,
    say: Say = unsaid,
    **columns: str | None,
) -> dict[str, Any]:
    """Fine-tune and judge the members of a recipe; returns what `members.json` holds.

    A member that diverges, or that ends no better than guessing, is listed with the reason and is
    not for averaging.
    """
    recipe = read_recipe(recipe_file)
    found = load_dataset(data, **columns)  # type: ignore[arg-type]
    found, names, notices = named_data(found, label_names)
    rows, selection = training_rows(found, select or SelectionSpec(), columns, allow_overlap)
    selection, more = selection.fitted(names, MADE)
    further, others = _further(
        recipe.finish, names, {*selection.examples.row_keys(), *found.evaluation.row_keys()}
    )
    start = open_base(base)
    for notice in dict.fromkeys((*start.notices, *notices, *more, *others)):
        say(notice)
    shared = Shared(
        start, rows, names, recipe.head_seed, recipe.max_tokens, str(pick_device(device)), precision
    )
    listed: dict[str, Any] = {
        "data": data,
        "data_name": found.name,
        "base": base,
        "base_sha256": shared.base.sha256,
        "label_names": list(names),
        "about": recipe.about,
        "rows": len(rows),
        "selection": selection.about(),
        "columns": columns,
        "allow_overlap": allow_overlap,
        "planned": len(recipe.members),
        "members": [],
    }
    for spec, part in report.each(recipe.members, number=True):
        entry = _member(spec, recipe.finish, further, shared, out, selection, part, say)
        if entry["reason"]:
            say(f"{spec.name} is left out: {entry['reason']}")
        listed["members"].append(entry)
        write_atomic(out / MANIFEST, json.dumps(listed, indent=1).encode() + b"\n")
    return listed


def named_data(
    data: Dataset, given: tuple[str, ...] | None = None
) -> tuple[Dataset, tuple[str, ...], tuple[str, ...]]:
    """(the data with labels from 0 in the order of the class names, these names, notices), for a
    model that is trained on it.

    Names that are `given` and that the data has too stand in the order given; others are new names
    for the classes in the data's order, and a notice says which is which. Raises DataError, see
    `names_of`.
    """
    names, notices = data.label_names, data.notices
    places: dict[int, int] = {}
    if (
        names is None and (counted := numbers_named(data.classes)) is not None
    ):  # −1 and 1, or numbers from 1
        places, names = counted, tuple(map(str, counted))
    if given and names:
        if (order := class_places(names, given)) is not None:
            places = dict(zip(places or range(len(names)), order, strict=True))
        elif len(names) == len(given):
            pairs = ", ".join(
                f"{old} is called {new}" for old, new in zip(names, given, strict=True)
            )
            notices = (
                *notices,
                f"The classes of {data.name} get the names that were given: {pairs}.",
            )
    evaluation, train = (
        renumbered(data.evaluation, places),
        data.train and renumbered(data.train, places),
    )
    names = names_of(data.name, names, train or evaluation, given)
    return (
        replace(data, evaluation=evaluation, train=train, classes=Classes(names, True), notices=()),
        names,
        notices,
    )


def renumbered(examples: Examples, places: Mapping[int, int]) -> Examples:
    """The examples with other numbers for their labels; themselves where there are none."""
    return (
        replace(examples, labels=tuple(places[label] for label in examples.labels))
        if places
        else examples
    )


def names_of(
    where: str, own: tuple[str, ...] | None, rows: Examples, given: tuple[str, ...] | None = None
) -> tuple[str, ...]:
    """The class names: those that are given, else the data's `own`, else numbers.

    Raises DataError where the labels leave a gap, do not suit the names that were given, or differ
    in capitals alone.
    """
    present = sorted(set(rows.labels))
    if min(present) < 0:
        raise DataError(
            f"{rows.place(rows.labels.index(min(present)), where)} has the label {min(present)}, "
            "below 0; say what "
            "each label is with --label-map, −1 leaves rows out."
        )
    names = given or own or tuple(f"LABEL_{number}" for number in range(max(present) + 1))
    alike = {name.lower(): name for name in names}
    if twin := next((name for name in names if alike[name.lower()] != name), None):
        raise DataError(
            f"{where} has the labels {twin!r} and {alike[twin.lower()]!r}, which differ in "
            "capitals alone; write "
            "them alike, or say which class each is with --label-map."
        )
    if len(present) < 2:
        raise DataError(
            f"All {len(rows)} training rows have the label {present[0]}; give rows of at least two "
            "classes."
        )
    if missing := [number for number in range(len(names)) if number not in present]:
        raise DataError(
            f"No training row has the label {missing[0]}, of {len(names)} from 0 to "
            f"{len(names) - 1} "
            f"(present: {', '.join(map(str, present))}); number the labels without a gap."
        )
    if max(present) >= len(names):
        raise DataError(
            f"A training row has the label {max(present)} and there are {len(names)} label names "
            f"({', '.join(names)}); name all of them."
        )
    return names


def _member(
    spec: TrainSpec,
    finish: Finish | None,
    further: Examples | None,
    shared: Shared,
    out: Path,
    selection: Selection,
    report: Progress,
    say: Say,
) -> dict[str, Any]:
    settings = {"name": spec.name, "spec": asdict(spec)}
    failed, identity = out / f"{spec.name}.diverged.json", shared.identity(spec)
    parts = report.parts(MEMBER_SHARES)
    if finish is not None and further is not None:
        identity["finish"] = {**asdict(finish), "rows": further.fingerprint()}
    try:
        if (
            failed.is_file()
            and (told := json.loads(failed.read_text(encoding="utf-8")))["identity"] == identity
        ):
            raise TrainingDiverged(told["reason"])  # it would again
        record = _trained(spec, finish, further, shared, out, parts["train"], say)
    except TrainingDiverged as error:
        write_atomic(
            failed,
            json.dumps({"reason": str(error), "identity": identity}, indent=1).encode() + b"\n",
        )
        return {
            **settings,
            "status": "diverged",
            "reason": str(error),
            "acc": None,
            "aua": None,
            "averaged": False,
        }
    victim = load_victim(str((out / spec.name).resolve()), shared.device)
    score = scored(victim, selection, out, parts["score"])
    for notice in score.notices:
        say(f"{spec.name}: {notice}")
    share = (
        max(selection.examples.labels.count(label) for label in set(selection.examples.labels))
        / score.acc.n
    )
    guessing = score.acc.value is not None and score.acc.value <= share
    reason = (
        (
            f"it ends with an accuracy of {100 * (score.acc.value or 0):.1f} %, no better than "
            "always guessing the commonest "
            f"label ({100 * share:.1f} %)"
        )
        if guessing
        else ""
    )
    kept = ("rows", "steps", "final_loss", "stopped_early", "best")
    return {
        **settings,
        "status": "guessing" if guessing else "trained",
        "reason": reason,
        **score.as_json(),
        "averaged": not guessing,
        **{name: record[name] for name in kept},
    }


def _trained(
    spec: TrainSpec,
    finish: Finish | None,
    further: Examples | None,
    shared: Shared,
    out: Path,
    report: Progress,
    say: Say,
) -> dict[str, Any]:
    if finish is None or further is None:
        return _stage(spec, shared, out / spec.name, None, report, say)
    passes = report.parts(PASS_SHARES)
    first = out / f"{spec.name}-first-pass"
    _stage(spec, shared, first, None, passes["first"], say)
    mixed = _mixture(further, shared.data, finish, spec)
    short = replace(spec, epochs=finish.epochs, learning_rate=finish.learning_rate)
    return _stage(short, replace(shared, data=mixed), out / spec.name, first, passes["second"], say)


def _further(
    finish: Finish | None, names: tuple[str, ...], judged: set[tuple[str, str]]
) -> tuple[Examples | None, tuple[str, ...]]:
    """(the rows of the second pass in the numbering of the first, without those that anything is
    judged by; notices).
    """
    if finish is None:
        return None, ()
    data, notices = fit_dataset(load_dataset(finish.data), names, MADE)
    if data.train is None:
        raise DataError(
            f"{finish.data}, which the recipe finishes on, has no training split; name other data."
        )
    return data.train.take(
        [row for row, key in enumerate(data.train.row_keys()) if key not in judged]
    ), notices


def _mixture(further: Examples, data: Examples, finish: Finish, spec: TrainSpec) -> Examples:
    replayed = data.take(sample(data, finish.replay, spec.seed))
    if (further.pairs is None) != (replayed.pairs is None):
        raise SettingError(
            f"{finish.data} and the first pass's rows cannot be mixed; only one of them holds "
            "pairs."
        )
    pairs = (
        None if further.pairs is None or replayed.pairs is None else further.pairs + replayed.pairs
    )
    return Examples(further.texts + replayed.texts, pairs, further.labels + replayed.labels)


def _stage(
    spec: TrainSpec, shared: Shared, folder: Path, start: Path | None, report: Progress, say: Say
) -> dict[str, Any]:
    """One pass of one member, unless its record says that exactly this was done before, on whatever
    machine.
    """
    identity = training_identity(spec, shared, start)
    if (record := finished_training(folder, identity)) is not None:
        return record
    if (folder / RECORD).is_file():
        raise SettingError(
            f"{folder} holds a member made with other settings, rows or base; name another folder "
            "with --out, or remove it."
        )
    return finetune(spec, shared, folder, start=start, report=report, say=say)


def scored(victim: Victim, selection: Selection, out: Path, report: Progress) -> Score:
    """The score of a model on the judging rows, kept by content."""
    identity = {"victim": victim.fingerprint, **selection.identity()}
    path = out / "scores" / f"{key_of(identity)}.json"
    if path.is_file():
        return Score.of(json.loads(path.read_text(encoding="utf-8")))
    score = selection.score(victim, report)
    write_atomic(path, canonical({**identity, **score.as_json()}) + b"\n")
    return score
