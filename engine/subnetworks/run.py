"""Find one subnetwork, or train one full model with a debiasing loss, and write it as an ordinary
model folder.
"""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prunescope.engine.data import Examples
from prunescope.engine.export.card import CardFacts, name_alone
from prunescope.engine.export.folder import export_model
from prunescope.engine.export.packed import save_packed
from prunescope.engine.models.classes import in_order
from prunescope.engine.models.fingerprint import fingerprint_of
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.pruning.patterns import zeros_of
from prunescope.engine.pruning.plan import LayerReport, Pruned
from prunescope.engine.store.atomic import new_folder
from prunescope.engine.subnetworks.debias import guessing, losses_of_rows
from prunescope.engine.subnetworks.masks import HardConcrete, Shrinking, StraightThrough
from prunescope.engine.subnetworks.search_inputs import (
    SearchInputs,
    check_inputs,
    masks_of_model,
    matrices_of,
    starting_model,
    teacher_probabilities,
)
from prunescope.engine.subnetworks.snapshots import Snapshots
from prunescope.engine.subnetworks.spec import SubnetworkSpec
from prunescope.engine.training.callbacks import TrainerCallback
from prunescope.engine.training.checkpoint import forked_random_state, training_key
from prunescope.engine.training.finetune import encode_examples, split_for_stopping
from prunescope.engine.training.loop import Training
from prunescope.engine.training.members import Say, ignore_notice
from prunescope.engine.training.spec import TrainSpec


def find_subnetwork(
    spec: SubnetworkSpec,
    train: TrainSpec,
    inputs: SearchInputs,
    out: Path,
    report: Progress = SILENT,
    say: Say = ignore_notice,
) -> tuple[Pruned, dict[str, Any]]:
    """Train and write to `out`, whole or not at all: packed where something is pruned, else an
    ordinary model folder.

    A run that was cut short leaves a checkpoint beside `out`, and the same call goes on from it to
    the same bytes. Returns the pruned victim and its record. Raises InputError before any training
    on what cannot be used, and TrainingDiverged.
    """
    new_folder(out)
    check_inputs(spec, train, inputs)
    shared = inputs.shared
    with forked_random_state(shared.device):
        victim = starting_model(inputs)
        masks = masks_of_model(inputs, spec, victim) if spec.method == "isolated" else None
        taught = teacher_probabilities(inputs, report) if spec.loss == "confreg" else None
        identity = _identity(spec, train, inputs, victim, masks)
        keep = out.with_name(f"{out.name}.checkpoint")
        chosen, held_out = split_for_stopping(shared.data, train)
        rows = replace(
            encode_examples(shared, chosen),
            supervised=_losses(spec, inputs, chosen, taught),
            guessing=_guessing(spec, inputs, chosen),
        )
        torch.manual_seed(train.seed)
        key = training_key(identity)
        callback = _callback(spec, victim, masks, inputs, out, key)
        training = Training(
            victim.model,
            train,
            rows,
            encode_examples(shared, held_out) if held_out else None,
            key,
            device=shared.device,
            precision=shared.computed_in(),
            keep=keep,
            callback=callback,
        )
        done = training.run(report)
    victim.model.eval()
    pruned = as_pruned(victim, spec)
    record = {
        **identity,
        "base": shared.base.name,
        "achieved": pruned.achieved,
        "rows": len(chosen),
        "steps": done.steps,
        "final_loss": round(done.final_loss, 6),
        "best": done.best and list(done.best),
    }
    write(pruned, out, record)
    keep.unlink(missing_ok=True)
    return pruned, record


def write(pruned: Pruned, out: Path, record: dict[str, Any]) -> None:
    """Packed where something is pruned, else dense; `prunescope.json` in it holds the record."""
    if pruned.achieved > 0:
        save_packed(pruned.victim, out, record, card=_card(pruned, record))
    else:
        export_model(pruned.victim, out, record, _card(pruned, record))


def _card(pruned: Pruned, record: dict[str, Any]) -> CardFacts:
    """What the card of a subnetwork, or of a fully trained model, says."""
    share = f"{100 * pruned.achieved:.1f}% zeros in its prunable weights"
    base = name_alone(str(record["base"]))
    return CardFacts(
        title=f"{'Subnetwork of ' if pruned.achieved > 0 else ''}{base}, trained",
        summary=f"A classifier with {share}, trained by PruneScope.",
        base=base,
        made=(
            ("Zeros in the prunable weights", f"{100 * pruned.achieved:.2f}%"),
            ("Training examples", f"{record['rows']:,}"),
            ("Steps", f"{record['steps']:,}"),
            ("Final loss", f"{record['final_loss']:.4f}"),
        ),
    )


def _callback(
    spec: SubnetworkSpec,
    victim: Victim,
    masks: dict[str, Tensor] | None,
    inputs: SearchInputs,
    out: Path,
    key: str,
) -> TrainerCallback:
    matrices, trained = matrices_of(victim, spec.head)
    spec.check_matrices({name: weight.numel() for name, weight in matrices.items()})
    if spec.method == "full":
        return Snapshots(victim, inputs.snapshots, out, key)
    if spec.method == "isolated":
        return Shrinking(victim.model, matrices, spec, masks)
    if spec.method == "imp":
        return Shrinking(victim.model, matrices, spec)
    kind = StraightThrough if spec.method == "mask" else HardConcrete
    return kind(victim.model, matrices, spec, trained)


def _losses(
    spec: SubnetworkSpec, inputs: SearchInputs, rows: Examples, taught: dict[int, Tensor] | None
) -> Any:
    if inputs.bias is None:
        return losses_of_rows("ce", None, None, (), inputs.shared.device)
    from prunescope.engine.subnetworks.bias import row_ids

    log_bias = inputs.bias.of(rows, len(inputs.shared.label_names), "the training data")
    teacher = (
        None
        if taught is None
        else torch.stack([taught[number] for number in row_ids(rows).tolist()])
    )
    return losses_of_rows(spec.loss, log_bias, teacher, rows.labels, inputs.shared.device)


def _guessing(spec: SubnetworkSpec, inputs: SearchInputs, rows: Examples) -> float:
    if inputs.bias is None:
        return 0.0
    log_bias = inputs.bias.of(rows, len(inputs.shared.label_names), "the training data")
    return guessing(spec.loss, torch.tensor(rows.labels), log_bias)


def _identity(
    spec: SubnetworkSpec,
    train: TrainSpec,
    inputs: SearchInputs,
    victim: Victim,
    masks: dict[str, Tensor] | None,
) -> dict[str, Any]:
    """Everything that decides the weights, on one kind of machine."""
    masks_sha256 = None
    if masks is not None:
        digest = hashlib.sha256()
        for name in sorted(masks):
            digest.update(name.encode() + masks[name].cpu().numpy().tobytes())
        masks_sha256 = digest.hexdigest()
    names = inputs.shared.label_names
    teacher = (
        None
        if inputs.teacher is None
        else in_order(load_victim(inputs.teacher, "cpu"), names).fingerprint
    )
    return {
        **inputs.shared.identity(train),
        "subnetwork": spec.identity(),
        "start": victim.fingerprint,
        "masks": masks_sha256,
        "bias": inputs.bias and inputs.bias.sha256,
        "teacher": teacher,
    }


def as_pruned(victim: Victim, spec: SubnetworkSpec) -> Pruned:
    """The victim with a report of every prunable layer; zeros are counted as they are."""
    requested = spec.sparsity if spec.prunes else 0.0
    with torch.no_grad():
        for weight in matrices_of(victim, "masked")[0].values():
            weight.add_(0.0)  # −0.0, which masking makes of a negative weight, becomes 0.0
    layers = tuple(
        LayerReport(
            name,
            weight.numel(),
            int((weight == 0).sum()),
            requested,
            0,
            weight.shape[1],
            0.0,
            False,
            0.0,
        )
        for name, weight in victim.prunable().items()
    )
    if spec.prunes and (
        wrong := [layer for layer in layers if layer.zeros < zeros_of(layer.weights, requested)]
    ):
        raise RuntimeError(f"{wrong[0].layer} has {wrong[0].zeros} zeros, fewer than asked for")
    pruned = replace(victim, fingerprint=fingerprint_of(victim.model, victim.tokenizer))
    return Pruned(pruned, requested, layers)
