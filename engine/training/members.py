"""Run a recipe: fine-tune every member, score it on the selection set, and write `members.json`.

<out>/<member>/               an adapter, or a whole model where the rank is 0, with member.json
<out>/<member>.checkpoint     a member that was cut short
<out>/<member>.diverged.json  why a member came to nothing
<out>/scores/                 Acc and Aua on the selection set, by content
<out>/members.json            the members with their scores, and which of them may be averaged

What is finished is not done again.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from prunescope.engine.data import Examples, fit_dataset, load_dataset, sample
from prunescope.engine.errors import DataError, SettingError, TrainingDiverged
from prunescope.engine.models.base import open_base
from prunescope.engine.models.victim import Victim, load_victim, pick_device
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.store import canonical, key_of, write_atomic
from prunescope.engine.training.class_names import named_data
from prunescope.engine.training.finetune import (
    RECORD,
    TrainingSetup,
    finetune,
    finished_training,
    training_identity,
)
from prunescope.engine.training.recipe import Finish, read_recipe
from prunescope.engine.training.records import Score
from prunescope.engine.training.selection import Selection, SelectionSpec, split_selection
from prunescope.engine.training.spec import TrainSpec

MANIFEST = "members.json"
MADE = "The new model"  # for notices
MEMBER_SHARES = {"train": 7, "score": 3}  # of the time that a member takes
PASS_SHARES = {"first": 7, "second": 3}  # of the time that training takes with a second pass
Say = Callable[[str], None]  # told a sentence


def ignore_notice(sentence: str) -> None:
    """Drop a notice."""


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
    say: Say = ignore_notice,
    **columns: str | None,
) -> dict[str, Any]:
    """Fine-tune and score the members of a recipe; returns the content of `members.json`.

    A member that diverges, or that ends no better than guessing, is listed with the reason and is
    not for averaging.
    """
    recipe = read_recipe(recipe_file)
    dataset = load_dataset(data, **columns)  # type: ignore[arg-type]
    dataset, names, notices = named_data(dataset, label_names)
    rows, selection = split_selection(dataset, select or SelectionSpec(), columns, allow_overlap)
    selection, more = selection.fitted(names, MADE)
    further, others = _second_pass_examples(
        recipe.finish, names, {*selection.examples.row_keys(), *dataset.evaluation.row_keys()}
    )
    start = open_base(base)
    for notice in dict.fromkeys((*start.notices, *notices, *more, *others)):
        say(notice)
    shared = TrainingSetup(
        start, rows, names, recipe.head_seed, recipe.max_tokens, str(pick_device(device)), precision
    )
    listed: dict[str, Any] = {
        "data": data,
        "data_name": dataset.name,
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


def _member(
    spec: TrainSpec,
    finish: Finish | None,
    further: Examples | None,
    shared: TrainingSetup,
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
            and (failure := json.loads(failed.read_text(encoding="utf-8")))["identity"] == identity
        ):
            raise TrainingDiverged(failure["reason"])  # it would again
        record = _train_member(spec, finish, further, shared, out, parts["train"], say)
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
    score = cached_score(victim, selection, out, parts["score"])
    for notice in score.notices:
        say(f"{spec.name}: {notice}")
    reason = _no_better_than_guessing(score, selection)
    summary = ("rows", "steps", "final_loss", "stopped_early", "best")
    return {
        **settings,
        "status": "guessing" if reason else "trained",
        "reason": reason,
        **score.as_json(),
        "averaged": not reason,
        **{name: record[name] for name in summary},
    }


def _no_better_than_guessing(score: Score, selection: Selection) -> str:
    """Why a member learned nothing; empty where it beats always naming the commonest label."""
    labels = selection.examples.labels
    commonest = max(map(labels.count, set(labels))) / score.acc.n
    if score.acc.value is None or score.acc.value > commonest:
        return ""
    return (
        f"it ends with an accuracy of {100 * score.acc.value:.1f} %, no better than always "
        f"guessing the commonest label ({100 * commonest:.1f} %)"
    )


def _train_member(
    spec: TrainSpec,
    finish: Finish | None,
    further: Examples | None,
    shared: TrainingSetup,
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


def _second_pass_examples(
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
    spec: TrainSpec,
    shared: TrainingSetup,
    folder: Path,
    start: Path | None,
    report: Progress,
    say: Say,
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
            "with `out`, or remove it."
        )
    return finetune(spec, shared, folder, start=start, report=report, say=say)


def cached_score(victim: Victim, selection: Selection, out: Path, report: Progress) -> Score:
    """The score of a model on the selection set, kept by content."""
    identity = {"victim": victim.fingerprint, **selection.identity()}
    path = out / "scores" / f"{key_of(identity)}.json"
    if path.is_file():
        return Score.of(json.loads(path.read_text(encoding="utf-8")))
    score = selection.score(victim, report)
    write_atomic(path, canonical({**identity, **score.as_json()}) + b"\n")
    return score
