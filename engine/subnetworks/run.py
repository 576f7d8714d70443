"""Find one subnetwork, or train one full model with a debiasing loss, and write it as an ordinary
model folder.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from prunescope.engine.data import Examples
from prunescope.engine.errors import ModelError, SettingError
from prunescope.engine.export.folder import export_model
from prunescope.engine.export.packed import save_packed
from prunescope.engine.models.base import classifier
from prunescope.engine.models.classes import check_classes, in_order
from prunescope.engine.models.families import HEADS
from prunescope.engine.models.fingerprint import fingerprint_of
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.pruning.patterns import zeros_of
from prunescope.engine.pruning.plan import LayerReport, Pruned
from prunescope.engine.store.atomic import new_folder
from prunescope.engine.subnetworks.bias import BiasPredictions
from prunescope.engine.subnetworks.debias import guessing, losses_of_rows
from prunescope.engine.subnetworks.masks import HardConcrete, Shrinking, StraightThrough
from prunescope.engine.subnetworks.snapshots import Snapshots
from prunescope.engine.subnetworks.spec import SubnetworkSpec, check_smoothing
from prunescope.engine.training.callbacks import Course
from prunescope.engine.training.finetune import Shared, encoded, split_for_stopping
from prunescope.engine.training.loop import Training
from prunescope.engine.training.members import Say, unsaid
from prunescope.engine.training.spec import TrainSpec


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a search works with beside its settings."""

    shared: Shared  # base, rows, label names, lengths
    start: str | None = (
        None  # a fine-tuned model to start from; None is the pretrained base with a fresh head
    )
    mask_from: str | None = None  # isolated: the model whose zeros are kept
    bias: BiasPredictions | None = None  # every loss but "ce" needs one
    teacher: str | None = (
        None  # confidence regularisation: the model whose probabilities are scaled
    )
    snapshots: tuple[
        float, ...
    ] = ()  # shares of the steps at which the model is written as it then is


def find_subnetwork(
    spec: SubnetworkSpec,
    train: TrainSpec,
    given: Inputs,
    out: Path,
    report: Progress = SILENT,
    say: Say = unsaid,
) -> tuple[Pruned, dict[str, Any]]:
    """Train and write to `out`, whole or not at all: packed where something is pruned, else an
    ordinary model folder.

    A run that was cut short leaves a checkpoint beside `out`, and the same call goes on from it to
    the same bytes. Returns the pruned victim and its record. Raises InputError before any training
    on what cannot be used, and TrainingDiverged.
    """
    new_folder(out)
    check(spec, train, given)
    shared = given.shared
    with torch.random.fork_rng(
        devices=[torch.device(shared.device)] if shared.device.startswith("cuda") else []
    ):
        victim = _started(given)
        masks = _masks_from(given, spec, victim) if spec.method == "isolated" else None
        taught = _teacher(given, report) if spec.loss == "confreg" else None
        identity = _identity(spec, train, given, victim, masks)
        keep = out.with_name(f"{out.name}.checkpoint")
        chosen, held_out = split_for_stopping(shared.data, train)
        rows = replace(
            encoded(shared, chosen),
            supervised=_losses(spec, given, chosen, taught),
            guessing=_guessing(spec, given, chosen),
        )
        torch.manual_seed(train.seed)
        key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        course = _course(spec, victim, masks, given, out, key)
        training = Training(
            victim.model,
            train,
            rows,
            encoded(shared, held_out) if held_out else None,
            key,
            device=shared.device,
            precision=shared.computed_in(),
            keep=keep,
            course=course,
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
        save_packed(pruned.victim, out, record)
    else:
        export_model(pruned.victim, out, record)


def check(spec: SubnetworkSpec, train: TrainSpec, given: Inputs) -> None:
    """Everything that can be refused before a model is loaded."""
    if train.rank:
        raise SettingError(
            f"The rank is {train.rank}; subnetworks are found in whole weights: use rank 0."
        )
    check_smoothing(spec.loss, train)
    if (spec.loss == "ce") != (given.bias is None):
        raise SettingError(
            "The loss ce takes no bias predictions; leave --bias out, or choose poe, reweight or "
            "confreg."
            if spec.loss == "ce"
            else f"The loss {spec.loss} needs bias predictions; make them with `python -m "
            "engine biasmodel` and name their folder with --bias."
        )
    if (spec.loss == "confreg") != (given.teacher is not None):
        raise SettingError(
            "A teacher is for the loss confreg alone, which needs one: a model fine-tuned with "
            "cross-entropy, "
            "--teacher DIR."
        )
    if (spec.method == "isolated") != (given.mask_from is not None):
        raise SettingError(
            "Fine-tuning in isolation keeps the zeros of a model that --mask-from names, and "
            "nothing else does."
        )
    if given.snapshots and spec.method != "full":
        raise SettingError(
            "Only a full training writes the models on its way; leave --snapshots out."
        )
    if given.bias is not None:
        given.bias.of(given.shared.data, len(given.shared.label_names), "the training data")


def _started(given: Inputs) -> Victim:
    shared = given.shared
    if given.start is None:
        model = classifier(shared.base, shared.label_names, shared.head_seed, 0)
        limit = min(shared.base.limit, 128)
        made = Victim(
            "pretrained",
            model.to(shared.device),
            shared.base.tokenizer,
            shared.base.family,
            "",
            shared.label_names,
            limit,
        )
    else:
        made = _of_this_task(given.start, shared)
        if made.tokenizer.get_vocab() != shared.base.tokenizer.get_vocab():
            raise ModelError(
                f"{given.start} has another vocabulary than {shared.base.name}, by which the texts "
                "would be read; "
                f"name its own base with --model, or itself: --model {given.start}."
            )
        made.model.requires_grad_(True)
    made.fingerprint = fingerprint_of(made.model, made.tokenizer)
    return made


def _of_this_task(model: str, shared: Shared) -> Victim:
    """A fine-tuned model, its classes in the order of the rows'. Raises ModelError for one of
    another number of classes.
    """
    victim, names = load_victim(model, shared.device), shared.label_names
    if victim.num_labels != len(names):
        raise ModelError(
            f"{model} has {victim.num_labels} classes ({', '.join(victim.label_names)}) and the "
            f"data {len(names)} "
            f"({', '.join(names)}); start from a model of this task."
        )
    check_classes(victim, names, model)
    return in_order(victim, names)


def matrices_of(
    victim: Victim, head: str
) -> tuple[dict[str, nn.Parameter], dict[str, nn.Parameter]]:
    """(the weights that are masked, the parameters that learn beside the masks), by name."""
    blocks = victim.family.blocks(victim.model)
    linears = {
        f"{index}.{name}": cast(nn.Parameter, linear.weight)
        for index, block in enumerate(blocks)
        for name, linear in block.linears.items()
    }
    top = {
        name: value
        for name, value in victim.model.named_parameters()
        if name.split(".")[0] in HEADS or ".pooler." in f".{name}"
    }
    if head == "masked":
        linears |= {name: value for name, value in top.items() if value.ndim == 2}
    return linears, top if head == "trained" else {}


def _course(
    spec: SubnetworkSpec,
    victim: Victim,
    masks: dict[str, Tensor] | None,
    given: Inputs,
    out: Path,
    key: str,
) -> Course:
    matrices, trained = matrices_of(victim, spec.head)
    spec.check_matrices({name: weight.numel() for name, weight in matrices.items()})
    if spec.method == "full":
        return Snapshots(victim, given.snapshots, out, key)
    if spec.method == "isolated":
        return Shrinking(victim.model, matrices, spec, masks)
    if spec.method == "imp":
        return Shrinking(victim.model, matrices, spec)
    kind = StraightThrough if spec.method == "mask" else HardConcrete
    return kind(victim.model, matrices, spec, trained)


def _masks_from(given: Inputs, spec: SubnetworkSpec, victim: Victim) -> dict[str, Tensor]:
    """Where the weights of another model are not 0."""
    assert given.mask_from is not None
    other = load_victim(given.mask_from, given.shared.device)
    theirs, mine = matrices_of(other, spec.head)[0], matrices_of(victim, spec.head)[0]
    if {name: weight.shape for name, weight in theirs.items()} != {
        name: weight.shape for name, weight in mine.items()
    }:
        raise ModelError(
            f"{given.mask_from} has other layers than {given.start or given.shared.base.name}; "
            "name a subnetwork of "
            "the same architecture."
        )
    masks = {name: weight.detach() != 0 for name, weight in theirs.items()}
    if empty := [name for name, mask in masks.items() if not bool(mask.any())]:
        raise ModelError(
            f"The mask of {given.mask_from} leaves nothing of {empty[0]}; name another subnetwork."
        )
    if all(bool(mask.all()) for mask in masks.values()):
        raise ModelError(
            f"{given.mask_from} has no zeros to keep; name a subnetwork with --mask-from."
        )
    return masks


def _losses(
    spec: SubnetworkSpec, given: Inputs, rows: Examples, taught: dict[int, Tensor] | None
) -> Any:
    if given.bias is None:
        return losses_of_rows("ce", None, None, (), given.shared.device)
    from prunescope.engine.subnetworks.bias import row_ids

    log_bias = given.bias.of(rows, len(given.shared.label_names), "the training data")
    teacher = (
        None
        if taught is None
        else torch.stack([taught[number] for number in row_ids(rows).tolist()])
    )
    return losses_of_rows(spec.loss, log_bias, teacher, rows.labels, given.shared.device)


def _guessing(spec: SubnetworkSpec, given: Inputs, rows: Examples) -> float:
    if given.bias is None:
        return 0.0
    log_bias = given.bias.of(rows, len(given.shared.label_names), "the training data")
    return guessing(spec.loss, torch.tensor(rows.labels), log_bias)


def _teacher(given: Inputs, report: Progress) -> dict[int, Tensor]:
    """row id → the teacher's probabilities (classes,)."""
    from prunescope.engine.subnetworks.bias import row_ids

    assert given.teacher is not None
    teacher, data = _of_this_task(given.teacher, given.shared), given.shared.data
    found: dict[int, Tensor] = {}
    for start in range(0, len(data), 256):
        report("read the teacher", start, len(data))
        part = data.take(range(start, min(start + 256, len(data))))
        probabilities = teacher.read(part.texts, part.pairs)[0].softmax(dim=1)
        found |= dict(zip(row_ids(part).tolist(), probabilities, strict=True))
    return found


def _identity(
    spec: SubnetworkSpec,
    train: TrainSpec,
    given: Inputs,
    victim: Victim,
    masks: dict[str, Tensor] | None,
) -> dict[str, Any]:
    """Everything that decides the weights, on one kind of machine."""
    kept = None
    if masks is not None:
        digest = hashlib.sha256()
        for name in sorted(masks):
            digest.update(name.encode() + masks[name].cpu().numpy().tobytes())
        kept = digest.hexdigest()
    names = given.shared.label_names
    teacher = (
        None
        if given.teacher is None
        else in_order(load_victim(given.teacher, "cpu"), names).fingerprint
    )
    return {
        **given.shared.identity(train),
        "subnetwork": spec.identity(),
        "start": victim.fingerprint,
        "masks": kept,
        "bias": given.bias and given.bias.sha256,
        "teacher": teacher,
    }


def as_pruned(victim: Victim, spec: SubnetworkSpec) -> Pruned:
    """The victim with a report of every prunable layer; zeros are counted as they are."""
    asked = spec.sparsity if spec.prunes else 0.0
    with torch.no_grad():
        for weight in matrices_of(victim, "masked")[0].values():
            weight.add_(0.0)  # −0.0, which masking makes of a negative weight, becomes 0.0
    layers = tuple(
        LayerReport(
            name,
            weight.numel(),
            int((weight == 0).sum()),
            asked,
            0,
            weight.shape[1],
            0.0,
            False,
            0.0,
        )
        for name, weight in victim.prunable().items()
    )
    if spec.prunes and (
        wrong := [one for one in layers if one.zeros < zeros_of(one.weights, asked)]
    ):
        raise RuntimeError(f"{wrong[0].layer} has {wrong[0].zeros} zeros, fewer than asked for")
    made = replace(victim, fingerprint=fingerprint_of(victim.model, victim.tokenizer))
    return Pruned(made, asked, layers)
