"""What a search for a subnetwork starts from: examples, starting model, mask, bias and teacher."""

from dataclasses import dataclass

from torch import Tensor, nn

from prunescope.engine.errors import ModelError, SettingError
from prunescope.engine.models.architecture import is_of_head
from prunescope.engine.models.base import classifier
from prunescope.engine.models.classes import check_classes, in_order
from prunescope.engine.models.fingerprint import fingerprint_of
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.progress import Progress
from prunescope.engine.subnetworks.bias import BiasPredictions, row_ids
from prunescope.engine.subnetworks.spec import SubnetworkSpec, check_smoothing
from prunescope.engine.training.finetune import TrainingSetup
from prunescope.engine.training.spec import TrainSpec


@dataclass(frozen=True, slots=True)
class SearchInputs:
    """What a search works with beside its settings."""

    shared: TrainingSetup  # base, rows, label names, lengths
    # a fine-tuned model to start from; None is the pretrained base with a fresh head
    start: str | None = None
    mask_from: str | None = None  # isolated: the model whose zeros are kept
    bias: BiasPredictions | None = None  # every loss but "ce" needs one
    # confidence regularisation: the model whose probabilities are scaled
    teacher: str | None = None
    snapshots: tuple[
        float, ...
    ] = ()  # shares of the steps at which the model is written as it then is


def check_inputs(spec: SubnetworkSpec, train: TrainSpec, inputs: SearchInputs) -> None:
    """Everything that can be refused before a model is loaded."""
    if train.rank:
        raise SettingError(
            f"The rank is {train.rank}; subnetworks are found in whole weights: use rank 0."
        )
    check_smoothing(spec.loss, train)
    if (spec.loss == "ce") != (inputs.bias is None):
        raise SettingError(
            "The loss ce takes no bias predictions; leave `bias` out, or choose poe, reweight or "
            "confreg."
            if spec.loss == "ce"
            else f"The loss {spec.loss} needs bias predictions; make them with `python -m "
            "engine biasmodel` and name their folder with `bias`."
        )
    if (spec.loss == "confreg") != (inputs.teacher is not None):
        raise SettingError(
            "A teacher is for the loss confreg alone, which needs one: a model fine-tuned with "
            "cross-entropy, `teacher=DIR`."
        )
    if (spec.method == "isolated") != (inputs.mask_from is not None):
        raise SettingError(
            "Fine-tuning in isolation keeps the zeros of a model that `mask_from` names, and "
            "nothing else does."
        )
    if inputs.snapshots and spec.method != "full":
        raise SettingError(
            "Only a full training writes the models on its way; leave `snapshots` out."
        )
    if inputs.bias is not None:
        inputs.bias.of(inputs.shared.data, len(inputs.shared.label_names), "the training data")


def starting_model(inputs: SearchInputs) -> Victim:
    """The model that a search starts from: fine-tuned, or the base with a fresh head."""
    shared = inputs.shared
    if inputs.start is None:
        model = classifier(shared.base, shared.label_names, shared.head_seed, 0)
        limit = min(shared.base.limit, 128)
        victim = Victim(
            "pretrained",
            model.to(shared.device),
            shared.base.tokenizer,
            shared.base.architecture,
            "",
            shared.label_names,
            limit,
        )
    else:
        victim = _load_for_task(inputs.start, shared)
        if victim.tokenizer.get_vocab() != shared.base.tokenizer.get_vocab():
            raise ModelError(
                f"{inputs.start} has another vocabulary than {shared.base.name}, by which the "
                "texts would be read; name its own base with `model`, or itself: "
                f"`model={inputs.start}`."
            )
        victim.model.requires_grad_(True)
    victim.fingerprint = fingerprint_of(victim.model, victim.tokenizer)
    return victim


def _load_for_task(model: str, shared: TrainingSetup) -> Victim:
    """A fine-tuned model, its classes in the order of the rows'. Raises ModelError for one of
    another number of classes.
    """
    victim, names = load_victim(model, shared.device), shared.label_names
    if victim.num_labels != len(names):
        raise ModelError(
            f"{model} has {victim.num_labels} classes ({', '.join(victim.label_names)}) and the "
            f"data {len(names)} ({', '.join(names)}); start from a model of this task."
        )
    check_classes(victim, names, model)
    return in_order(victim, names)


def matrices_of(
    victim: Victim, head: str
) -> tuple[dict[str, nn.Parameter], dict[str, nn.Parameter]]:
    """(the weights that are masked, the parameters that learn beside the masks), by name."""
    linears = {layer: linear.parameter for layer, linear in victim.linears().items()}
    top = {
        name: value
        for name, value in victim.model.named_parameters()
        if is_of_head(name, victim.architecture.body)
    }
    if head == "masked":
        linears |= {name: value for name, value in top.items() if value.ndim == 2}
    return linears, top if head == "trained" else {}


def masks_of_model(inputs: SearchInputs, spec: SubnetworkSpec, victim: Victim) -> dict[str, Tensor]:
    """Where the weights of another model are not 0."""
    assert inputs.mask_from is not None
    other = load_victim(inputs.mask_from, inputs.shared.device)
    theirs, mine = matrices_of(other, spec.head)[0], matrices_of(victim, spec.head)[0]
    if {name: weight.shape for name, weight in theirs.items()} != {
        name: weight.shape for name, weight in mine.items()
    }:
        raise ModelError(
            f"{inputs.mask_from} has other layers than {inputs.start or inputs.shared.base.name}; "
            "name a subnetwork of the same architecture."
        )
    masks = {name: weight.detach() != 0 for name, weight in theirs.items()}
    if empty := [name for name, mask in masks.items() if not bool(mask.any())]:
        raise ModelError(
            f"The mask of {inputs.mask_from} leaves nothing of {empty[0]}; name another subnetwork."
        )
    if all(bool(mask.all()) for mask in masks.values()):
        raise ModelError(
            f"{inputs.mask_from} has no zeros to keep; name a subnetwork with `mask_from`."
        )
    return masks


def teacher_probabilities(inputs: SearchInputs, report: Progress) -> dict[int, Tensor]:
    """Row id → the teacher's probabilities (classes,)."""
    assert inputs.teacher is not None
    teacher, data = _load_for_task(inputs.teacher, inputs.shared), inputs.shared.data
    probabilities_of: dict[int, Tensor] = {}
    for start in range(0, len(data), 256):
        report("read the teacher", start, len(data))
        part = data.take(range(start, min(start + 256, len(data))))
        probabilities = teacher.read(part.texts, part.pairs)[0].softmax(dim=1)
        probabilities_of |= dict(zip(row_ids(part).tolist(), probabilities, strict=True))
    return probabilities_of
