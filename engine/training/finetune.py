"""Fine-tune one classifier on labelled texts or pairs, plainly or adversarially, and write it."""

import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer

from prunescope.engine.data import Examples
from prunescope.engine.errors import DataError, SettingError, TrainingDiverged
from prunescope.engine.export.card import CardFacts, name_alone, write_card
from prunescope.engine.export.folder import WEIGHTS as MODEL_FILE
from prunescope.engine.models.adapters import old_names
from prunescope.engine.models.base import Base, classifier
from prunescope.engine.models.tokens import token_ids
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import check_seed
from prunescope.engine.store.atomic import atomic_folder, new_folder
from prunescope.engine.store.checksums import file_sha256
from prunescope.engine.training import checkpoint
from prunescope.engine.training.loop import EncodedExamples, Training
from prunescope.engine.training.spec import TrainSpec

CHECKED = 1000  # most rows that early stopping looks at
RECORD = "member.json"  # beside the weights: what decided them, and how the training went
WEIGHTS = "adapter_model.safetensors"  # as peft calls the file
SHARE = 0.05  # of the training examples, at most


@dataclass(frozen=True, slots=True)
class TrainingSetup:
    """What all members of one recipe have in common."""

    base: Base
    data: Examples
    label_names: tuple[str, ...]
    head_seed: int = 0
    max_tokens: int = 128
    device: str = "cpu"
    precision: str = "auto"  # of the forward passes: auto is bf16 on CUDA, else fp32

    def __post_init__(self) -> None:
        check_seed(self.head_seed, "`head_seed`")
        if not 3 <= self.max_tokens <= self.base.limit:
            raise SettingError(
                f"max_tokens is {self.max_tokens}; {self.base.name} takes 3 to {self.base.limit}."
            )
        if self.precision not in ("auto", "fp32", "bf16"):
            raise SettingError(
                f"The precision {self.precision!r} is unknown; choose auto, fp32 or bf16."
            )

    def computed_in(self) -> str:
        """`fp32` or `bf16`."""
        if self.precision != "auto":
            return self.precision
        return "bf16" if self.device.startswith("cuda") else "fp32"

    def identity(self, spec: TrainSpec) -> dict[str, Any]:
        """Everything that decides the weights, on one kind of machine."""
        return {
            "base_sha256": self.base.sha256,
            "data": self.data.fingerprint(),
            "labels": list(self.label_names),
            "head_seed": self.head_seed,
            "max_tokens": self.max_tokens,
            "precision": self.computed_in(),
            "device": self.device.split(":")[0],
            "spec": asdict(spec),
        }


def finetune(
    spec: TrainSpec,
    shared: TrainingSetup,
    out: Path,
    *,
    start: Path | None = None,
    report: Progress = SILENT,
    say: Callable[[str], None] = lambda sentence: None,
) -> dict[str, Any]:
    """Train one model and write it to `out`, whole or not at all: an adapter where the rank is
    above 0, else all weights.

    `start` is an adapter to go on from. A run that was cut short leaves a checkpoint beside `out`,
    and the same call goes on from it to the same bytes; `say` is told where that is impossible.
    Nothing is trained where `out` already holds the result of exactly this training. Returns the
    record: what decided it, the number of examples, steps, final loss and the best check. The
    global random state is left as it was. Raises TrainingDiverged, DataError, SettingError,
    StoreError.
    """
    identity = training_identity(spec, shared, start)
    if (record := finished_training(out, identity)) is not None:
        return record
    new_folder(out)  # before the long work, not after it
    key = checkpoint.training_key(identity)
    keep = out.with_name(f"{out.name}.checkpoint")
    if reason := checkpoint.unusable(keep, key):
        say(
            f"The checkpoint {keep} is not used: {reason}. The training begins anew and replaces "
            "it."
        )
    rows, held_out = split_for_stopping(shared.data, spec)
    with checkpoint.forked_random_state(shared.device):
        model = _model(spec, shared, start).to(shared.device)
        training = Training(
            model,
            spec,
            encode_examples(shared, rows),
            encode_examples(shared, held_out) if held_out else None,
            key,
            device=shared.device,
            precision=shared.computed_in(),
            keep=keep,
        )
        done = training.run(report)
    record = {
        "base": shared.base.name,
        **identity,
        "rows": len(rows),
        "held_out": len(held_out) if held_out else 0,
        "steps": done.steps,
        "final_loss": round(done.final_loss, 6),
        "stopped_early": done.stopped,
        "best": None
        if done.best is None
        else {"step": done.best[0], "accuracy": done.best[1], "loss": done.best[2]},
    }
    with atomic_folder(out) as work:
        _write(model, shared, work)
        (work / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        if not isinstance(model, PeftModel):  # an adapter is a part of an average
            size = (work / MODEL_FILE).stat().st_size
            write_card(work, model, _card(shared, record), "folder", size)
    keep.unlink(missing_ok=True)
    return record


def _card(shared: TrainingSetup, record: dict[str, Any]) -> CardFacts:
    """What the card of a fine-tuned model says."""
    return CardFacts(
        title=f"{name_alone(shared.base.name)}, fine-tuned",
        summary="A classifier, fine-tuned from a pretrained checkpoint by PruneScope.",
        base=name_alone(shared.base.name),
        made=(
            ("Training examples", f"{record['rows']:,}"),
            ("Steps", f"{record['steps']:,}"),
            ("Final loss", f"{record['final_loss']:.4f}"),
        ),
        label_names=tuple(shared.label_names),
    )


def training_identity(spec: TrainSpec, shared: TrainingSetup, start: Path | None) -> dict[str, Any]:
    """Everything that decides the weights of one training, the adapter it goes on from included."""
    return {
        **shared.identity(spec),
        "start": None if start is None else file_sha256(start / WEIGHTS),
    }


def finished_training(folder: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The record of a training that ended in `folder`; None where another one did, or none.

    A model trained on another kind of machine, in the precision that suits that one, counts as
    this training.
    """
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    expected = dict(identity)
    if record.get("device") != identity["device"]:
        del expected["device"], expected["precision"]
    return record if {name: record.get(name) for name in expected} == expected else None


def split_for_stopping(data: Examples, spec: TrainSpec) -> tuple[Examples, Examples | None]:
    """(examples to train on, rows that early stopping looks at): disjoint by text, drawn with the
    spec's seed.
    """
    if not spec.patience:
        return data, None
    texts = data.row_keys()
    distinct = sorted(set(texts))
    random.Random(spec.seed).shuffle(distinct)
    held_out_texts = set(distinct[: min(CHECKED, max(1, round(SHARE * len(distinct))))])
    held_out = [row for row, text in enumerate(texts) if text in held_out_texts]
    rest = [row for row, text in enumerate(texts) if text not in held_out_texts]
    if not rest:
        raise DataError(
            f"{len(data)} training rows are too few to hold some out for early stopping; give "
            "more, or patience 0."
        )
    return data.take(rest), data.take(held_out)


def encode_examples(shared: TrainingSetup, data: Examples) -> EncodedExamples:
    """The examples as token ids, with the inputs that the base takes."""
    tokenizer = shared.base.tokenizer
    ids = token_ids(tokenizer, data.texts, data.pairs, shared.max_tokens)
    inputs = {
        name: lists
        for name, lists in ids.items()
        if name in (*shared.base.architecture.inputs, "attention_mask")
    }
    return EncodedExamples(inputs, data.labels, shared.base.pad_id)


def _model(spec: TrainSpec, shared: TrainingSetup, start: Path | None) -> Any:
    if start is not None:
        model = classifier(shared.base, shared.label_names, shared.head_seed, 0)
        with old_names():
            trained = PeftModel.from_pretrained(model, str(start), is_trainable=True).float()
        torch.manual_seed(spec.seed)
        return trained
    trained = classifier(shared.base, shared.label_names, shared.head_seed, spec.rank)
    torch.manual_seed(spec.seed)
    for module in trained.modules():
        # the head is shared, the adapters' starting points are the member's own
        if isinstance(module, LoraLayer):
            module.reset_lora_parameters("default", init_lora_weights=True)
    return trained


def _write(model: Any, shared: TrainingSetup, folder: Path) -> None:
    if isinstance(model, PeftModel):
        save_adapter(model, folder)
        return
    model.save_pretrained(folder, safe_serialization=True)
    shared.base.tokenizer.save_pretrained(folder)


def save_adapter(model: PeftModel, folder: Path) -> None:
    """Write the adapter in half precision; what is shipped is also what is evaluated.

    Raises TrainingDiverged for a weight beyond what half precision holds, 65,504.
    """
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.half()
            if not parameter.isfinite().all():
                raise TrainingDiverged(
                    f"{name} has grown beyond what half precision holds; lower the learning rate."
                )
    model.peft_config["default"].base_model_name_or_path = ""
    model.save_pretrained(str(folder), safe_serialization=True)
    (folder / "README.md").unlink(missing_ok=True)
