"""What the card of a pruned model says: how it was made, and what the store measured of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prunescope.engine.config.study import StudySpec
from prunescope.engine.export.card import CardFacts, CardScore, is_local, name_alone
from prunescope.engine.pruning.plan import Pruned
from prunescope.engine.reading.commands import export_command, repeat_command, shell
from prunescope.engine.reading.titles import (
    attack_title,
    data_title,
    method_title,
    model_title,
    tuning_title,
)
from prunescope.engine.records import LevelResult, Study
from prunescope.engine.store import Store, victim_key
from prunescope.engine.store.shipped import ShippedModel

PATHS = (
    "model",
    "data",
    "layers",
    "resources",
    "calibration_data",
)  # settings that may name a file of this machine
MEASURES = ("acc", "aua", "asr")


def study_card(
    store: Store, study: Study, pruned: Pruned, shipped: ShippedModel | None = None
) -> CardFacts:
    """The facts of the card of a pruned model.

    Its scores are those that a study in the store measured of the same weights, with an attack
    where there is one, and those of a model that ships were measured as it ships. Paths of this
    machine stay here: of them a card has the last part alone.
    """
    about, sparsity = study.about, pruned.sparsity
    measured = _measured(store, study, sparsity)
    scored = measured or study
    level: LevelResult | ShippedModel | None = shipped or scored.level(sparsity)
    portable = _portable(study)
    base, data = str(about["spec"]["model"]), data_title(about["data"])
    attacked = {**portable.about["spec"], "attack": _attack_of(scored)}
    measuring = replace(portable, about={**portable.about, "spec": attacked})
    levels = (0.0, sparsity) if sparsity else (0.0,)
    return CardFacts(
        title=f"{model_title(base)}, {f'{100 * sparsity:g}% sparse' if sparsity else 'dense'}",
        summary=(
            f"{model_title(base)} with {100 * pruned.achieved:.1f}% zeros in its prunable weights, "
            f"pruned by {method_title(about)} on {data} without {_without(about)}, by PruneScope."
            if sparsity
            else f"{model_title(base)} as it is: the dense model, of which nothing was pruned."
        ),
        base=name_alone(base),
        data=data_title(scored.about["data"]),
        made=_made(about, pruned, data),
        scores=_scores(scored.level(0.0), level),
        attack=attack_title(scored.about["attack"]),
        command=shell(export_command(portable, sparsity, form="folder")),
        remaking=f"This makes it again{', before the rounding' if shipped else ''}",
        measuring=shell(repeat_command(measuring, levels)),
        notices=tuple(pruned.notices),
        label_names=tuple(about["label_names"]),
    )


def _made(about: Mapping[str, Any], pruned: Pruned, data: str) -> tuple[tuple[str, str], ...]:
    counts = about["counts"]
    files = "".join(f" and {file}" for file in about.get("calibration_data", ()))
    return (
        ("Method", method_title(about)),
        ("Pattern", str(about["pattern"])),
        (
            "Zeros in the prunable weights",
            f"{100 * pruned.sparsity:g}% requested, {100 * pruned.achieved:.2f}% achieved",
        ),
        (
            "Calibration",
            f"{counts['calibration']} texts of {data}{files}, "
            f"{about['calibration_tokens']:,} tokens, seed {about['seed']}",
        ),
    )


def _without(about: Mapping[str, Any]) -> str:
    """What a pruned model was made without."""
    return "labels" if tuning_title(about) else "retraining"


def _measured(store: Store, study: Study, sparsity: float) -> Study | None:
    """The study that measured these weights: one with an attack before one without, and the one
    with most examples.
    """
    key = victim_key(study.identity, sparsity)
    heads = [head for head in store.studies() if victim_key(head.identity, sparsity) == key]
    studies = (store.study(head.key) for head in heads)
    levels = [
        (level.aua is not None, level.acc.n, each.key, each)
        for each in studies
        if each is not None and (level := each.level(sparsity)) is not None
    ]
    return max(levels, key=lambda entry: entry[:3])[-1] if levels else None


def _scores(
    dense: LevelResult | None, level: LevelResult | ShippedModel | None
) -> tuple[CardScore, ...]:
    if level is None:
        return ()
    rates = ((name, getattr(dense, name, None), getattr(level, name)) for name in MEASURES)
    return tuple(CardScore(name, of_dense, rate) for name, of_dense, rate in rates if rate)


def _attack_of(study: Study) -> str:
    attack = str(study.about["attack"])
    return StudySpec().attack if attack == "none" else attack


def _portable(study: Study) -> Study:
    """The study with paths of this machine replaced by paths to fill in."""
    spec = dict(study.about["spec"])
    for name in PATHS:
        value = spec.get(name)
        if isinstance(value, str) and is_local(value):
            files = value.split(",") if name == "calibration_data" else [value]
            spec[name] = ",".join(f"PATH/TO/{name_alone(file)}" for file in files)
    return replace(study, about={**study.about, "spec": spec})
