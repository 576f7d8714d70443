"""Average members into one dense model: all of them, or greedily those that help.

W̄ = 1/k Σ W_i over the weights of k members. Source: model soups (Wortsman et al., ICML 2022); P1,
Algorithm 3.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from prunescope.engine.attacks.catalogue import ATTACKS
from prunescope.engine.data import load_dataset
from prunescope.engine.data.matching import can_match, unmatched
from prunescope.engine.errors import DataError, ModelError, SettingError, StoreError
from prunescope.engine.export.card import CardFacts, CardScore
from prunescope.engine.export.folder import export_model
from prunescope.engine.formatting import pluralize
from prunescope.engine.models.average import WeightAverage
from prunescope.engine.models.classes import in_order
from prunescope.engine.models.fingerprint import fingerprint_of
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import Rate
from prunescope.engine.store import write_atomic
from prunescope.engine.store.atomic import new_folder
from prunescope.engine.training.class_names import named_data
from prunescope.engine.training.members import (
    MANIFEST,
    Say,
    cached_score,
    ignore_notice,
)
from prunescope.engine.training.records import ORDERS, AverageStep, MadeAverage, Score
from prunescope.engine.training.selection import Selection, SelectionSpec, split_selection


def value_of(score: Score, by: str) -> int:
    """The number that a greedy average compares: examples correct, or correct under attack."""
    rate = score.aua if by == "aua" else score.acc
    if rate is None:
        raise SettingError(
            "A greedy average by Aua needs an attack on the selection set; judge with `attack`, "
            "or use `by=acc`."
        )
    return rate.hits


def greedy(
    names: Sequence[str],
    by: str,
    single: Callable[[str], Score],
    together: Callable[[Sequence[str]], Score],
) -> MadeAverage:
    """Greedy averaging: members in falling order of their own value, each kept where the average is
    then at least as good.

    Ties in the order are broken by accuracy, then by place. Source: algorithm 3 of the seed paper,
    after Wortsman et al., ICML 2022; its sign of comparison is read as ≥.
    """
    singles = {name: single(name) for name in names}
    order = sorted(
        names,
        key=lambda name: (-value_of(singles[name], by), -singles[name].acc.hits, names.index(name)),
    )
    taken, best = [order[0]], singles[order[0]]
    steps = [AverageStep(order[0], best, True)]
    for name in order[1:]:
        score = together([*taken, name])
        keep = value_of(score, by) >= value_of(best, by)
        steps.append(AverageStep(name, score, keep))
        if keep:
            taken, best = [*taken, name], score
    return MadeAverage(by, singles, tuple(steps), tuple(taken), best)


def uniform(
    names: Sequence[str], single: Callable[[str], Score], together: Callable[[Sequence[str]], Score]
) -> MadeAverage:
    """The average of all members, with what every further member did to it, in the given order."""
    singles = {name: single(name) for name in names}
    scores = [
        singles[name] if position == 0 else together(names[: position + 1])
        for position, name in enumerate(names)
    ]
    steps = tuple(AverageStep(name, score, True) for name, score in zip(names, scores, strict=True))
    return MadeAverage("uniform", singles, steps, tuple(names), scores[-1])


def average_victims(open_member: Callable[[str], Victim], names: Sequence[str]) -> Victim:
    """W̄ = 1/k Σ W_i over all weights; integer buffers are the first member's, heads are aligned by
    label names.

    Members are opened one after the other. Raises ModelError naming the first difference in
    architecture, vocabulary or labels.
    """
    mean, first = WeightAverage(), open_member(names[0])
    for position, name in enumerate(names):
        member = first if position == 0 else open_member(name)
        mean.add(name, _aligned(first, member, names[0], name))
    average = first.copy()
    average.model.load_state_dict(mean.value())
    average.name, average.fingerprint = (
        f"average of {len(names)}",
        fingerprint_of(average.model, average.tokenizer),
    )
    return average


def _aligned(first: Victim, other: Victim, first_name: str, other_name: str) -> dict[str, Tensor]:
    """The weights of a member with its labels in the first one's order."""

    def refuse(difference: str) -> ModelError:
        return ModelError(f"{other_name} cannot be averaged with {first_name}: {difference}.")

    kinds = first.model.config.model_type, other.model.config.model_type
    if kinds[0] != kinds[1]:
        raise refuse(f"it is {kinds[1]}, not {kinds[0]}")
    mine, theirs = (victim.tokenizer.get_vocab().items() for victim in (first, other))
    if different := sorted(set(mine) ^ set(theirs), key=lambda item: (item[1], item[0])):
        word, number = different[0]
        raise refuse(f"their vocabularies differ, first at {number} ({word!r})")
    if first.num_labels != other.num_labels:
        raise refuse(f"it has {other.num_labels} labels, not {first.num_labels}")
    fitted = in_order(other, first.label_names)
    if not can_match(first.label_names, fitted.label_names):
        clash = unmatched(first_name, first.label_names, other_name, other.label_names)
        raise ModelError(f"{clash}, so they cannot be averaged.")
    return {name: value.detach() for name, value in fitted.model.state_dict().items()}


def average_folder(
    folder: Path,
    by: str,
    out: Path,
    *,
    device: str = "auto",
    report: Progress = SILENT,
    say: Say = ignore_notice,
) -> dict[str, Any]:
    """Average the members of a recipe's folder and write the model to `out`, with `prunescope.json`
    beside its weights.

    The members are judged on the rows they were judged on before. Raises SettingError, DataError,
    ModelError, StoreError.
    """
    manifest = read_manifest(folder)
    if (done := len(manifest["members"])) < manifest["planned"]:
        raise ModelError(
            f"Only {done} of {manifest['planned']} members in {folder} are there; let `python -m "
            "engine members` end first."
        )
    names = [entry["name"] for entry in manifest["members"] if entry["status"] == "trained"]
    if not names:
        raise ModelError(
            f"No member in {folder} can be averaged; all of them diverged or did not learn."
        )
    selection = restore_selection(manifest)
    return _average(
        names,
        lambda name: load_victim(str((folder / name).resolve()), device),
        by,
        selection,
        folder,
        out,
        report,
        say,
    )


def average_models(
    models: Sequence[str],
    by: str,
    selection: Selection,
    out: Path,
    scores: Path,
    *,
    device: str = "auto",
    report: Progress = SILENT,
    say: Say = ignore_notice,
) -> dict[str, Any]:
    """Average any fine-tuned models of one base: hub names, local folders, embedded victims."""
    return _average(
        models, lambda name: load_victim(name, device), by, selection, scores, out, report, say
    )


def _average(
    names: Sequence[str],
    open_member: Callable[[str], Victim],
    by: str,
    selection: Selection,
    scores: Path,
    out: Path,
    report: Progress,
    say: Say,
) -> dict[str, Any]:
    if by not in ORDERS:
        raise SettingError(f"There is no average by {by!r}; choose {', '.join(ORDERS)}.")
    if not (out / "config.json").is_file():
        new_folder(out)  # before the long work, not after it
    first = open_member(names[0])
    members_notices = dict.fromkeys(first.notices)
    for name in names[1:]:  # before the long work, not in the middle of it
        member = open_member(name)
        _aligned(first, member, names[0], name)
        members_notices |= dict.fromkeys(member.notices)
    # and all members are read in the first one's order
    selection, notices = selection.fitted(first.label_names, names[0])
    for notice in (*members_notices, *notices):
        say(notice)
    steps = report.each(range(2 * len(names)))  # singles, then averages

    def part(name: str) -> Progress:
        return next(steps)[1].part(0, 1, f"{name}: ")

    def judged(victim: Victim, name: str) -> Score:
        score = cached_score(in_order(victim, first.label_names), selection, scores, part(name))
        for notice in score.notices:
            say(f"{name}: {notice}")
        return score

    def single(name: str) -> Score:
        return judged(open_member(name), name)

    def together(chosen: Sequence[str]) -> Score:
        return judged(average_victims(open_member, chosen), f"average of {len(chosen)}")

    result = (
        uniform(names, single, together) if by == "uniform" else greedy(names, by, single, together)
    )
    victim = in_order(average_victims(open_member, result.ingredients), first.label_names)
    record = {**result.as_json(), "selection": selection.about(), "fingerprint": victim.fingerprint}
    if not (out / "config.json").is_file():
        export_model(victim, out, record, _card(first, record, selection))
    elif load_victim(str(out.resolve()), "cpu").fingerprint != victim.fingerprint:
        raise StoreError(
            f"{out} holds another model than the average of {', '.join(result.ingredients)}; "
            "remove it, or name another folder with `out`."
        )
    write_atomic(
        scores / f"average-{by}.json",
        json.dumps({**record, "out": str(out)}, indent=1).encode() + b"\n",
    )
    return record


def _card(first: Victim, record: Mapping[str, Any], selection: Selection) -> CardFacts:
    """What the card of an average says: its members, and its scores on the selection set."""
    members = ", ".join(Path(name).name for name in record["ingredients"])
    last = [step for step in record["steps"] if step["taken"]][-1]
    scores = tuple(
        CardScore(measure, None, Rate(**last[measure]))
        for measure in ("acc", "aua")
        if last[measure]
    )
    attack = selection.about()["attack"]
    return CardFacts(
        title=f"Average of {pluralize(len(record['ingredients']), 'model')}",
        summary="Fine-tuned models of one base, averaged into one by PruneScope.",
        base=first.name,
        data="the selection set",
        made=(("Members", members), ("Chosen by", record["by"])),
        scores=scores,
        attack="" if attack == "none" else ATTACKS.get(attack, attack),
        label_names=tuple(first.label_names),
    )


def read_manifest(folder: Path) -> dict[str, Any]:
    """`members.json` of a folder. Raises ModelError where there is none, or one of another kind."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        _ = (
            [entry["status"] for entry in manifest["members"]],
            manifest["selection"]["fingerprint"],
            manifest["planned"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{folder} holds no judged members ({error}); make them with `prunescope members`."
        ) from error
    return manifest


def restore_selection(manifest: dict[str, Any]) -> Selection:
    """The examples that the members of a manifest were scored on.

    Raises DataError where the data has changed since.
    """
    recorded = manifest["selection"]
    spec = SelectionSpec(**{name: recorded[name] for name in asdict(SelectionSpec())})
    data, _, _ = named_data(
        load_dataset(manifest["data"], **manifest["columns"]), tuple(manifest["label_names"])
    )
    _, selection = split_selection(data, spec, manifest["columns"], manifest["allow_overlap"])
    selection, _ = selection.fitted(manifest["label_names"], "The members")
    if selection.examples.fingerprint() != recorded["fingerprint"]:
        raise DataError(
            f"{manifest['data']} has changed since the members were judged; run `prunescope "
            "members` again."
        )
    return selection
