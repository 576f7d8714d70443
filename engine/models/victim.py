"""A victim: a sequence classifier ready to be pruned and attacked."""

import copy
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from prunescope.engine.data.hub_errors import hub_reason, network_errors
from prunescope.engine.errors import ModelError, PruneScopeError, ResourceError, SettingError
from prunescope.engine.formatting import error_line, pluralize
from prunescope.engine.models.architecture import Architecture, word_rows
from prunescope.engine.models.average import average_adapters, merged_member
from prunescope.engine.models.base import open_base
from prunescope.engine.models.config import label_names, read_config, set_label_names
from prunescope.engine.models.embedded import (
    LABELS,
    adapter_folders,
    embedded_base,
    embedded_fingerprint,
)
from prunescope.engine.models.examine import examine
from prunescope.engine.models.files import check_folder, is_local_name
from prunescope.engine.models.fingerprint import PROBE, fingerprint_of
from prunescope.engine.models.fit import MAX_TOKENS, fit, pad_id, prepare_config, settle_pad
from prunescope.engine.models.forward import Batch, batches, device_tokens, read_batch
from prunescope.engine.models.linears import PrunableLinear
from prunescope.engine.models.packed import FILE as PACKED
from prunescope.engine.models.packed import is_packed, open_packed
from prunescope.engine.models.tokenizer import open_tokenizer
from prunescope.engine.models.tokens import token_ids
from prunescope.engine.models.weights import check_finite, load_weights
from prunescope.engine.paths import expanded


@dataclass(slots=True)
class Victim:
    """A classifier with its tokenizer and its architecture."""

    name: str
    model: Any
    tokenizer: Any
    architecture: Architecture
    fingerprint: str  # SHA-256 of the weights, or of the files they are made of
    label_names: tuple[str, ...]
    # Longer texts are cut: the least of MAX_TOKENS, the table of positions, and the tokenizer's own
    # model_max_length, at which a deployed pipeline would cut too.
    max_tokens: int
    notices: tuple[str, ...] = ()  # what there is to know of how it was opened

    @property
    def device(self) -> torch.device:
        """Where the model's weights are."""
        device: torch.device = self.model.device
        return device

    @property
    def num_labels(self) -> int:
        """Number of classes."""
        return int(self.model.config.num_labels)

    def encode(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None
    ) -> dict[str, list[list[int]]]:
        """Token ids of texts (or pairs), cut to the victim's limit. Raises DataError for a text
        without any.
        """
        if not texts:  # tokenizers fail on an empty list
            return {"input_ids": [], "attention_mask": []}
        return token_ids(self.tokenizer, texts, pairs, self.max_tokens)

    def batches(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        max_tokens: int | None = None,
    ) -> Iterator[Batch]:
        """The texts in batches on the victim's device; see `forward.batches`."""
        return self.encoded_batches(self.encode(texts, pairs), max_tokens)

    def encoded_batches(
        self, encoded: Mapping[str, list[list[int]]], max_tokens: int | None = None
    ) -> Iterator[Batch]:
        """Encoded texts in batches, by default of as many tokens as suit the device."""
        return batches(
            encoded,
            self.pad_id,
            self.device,
            max_tokens or device_tokens(self.device),
            self.architecture.pads,
            self.max_tokens,
        )

    @torch.inference_mode()
    def read(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None
    ) -> tuple[Tensor, Tensor]:
        """(logits (texts, labels), the last hidden states that the head reads (texts, width)) on
        the CPU, in the given order: [CLS], the last token's, or the mean.

        Raises ModelError where one of them is not finite.
        """
        logits = torch.empty(len(texts), self.num_labels)
        read = torch.empty(len(texts), int(self.model.config.get_text_config().hidden_size))
        for batch in self.batches(texts, pairs):
            rows = torch.tensor(batch.rows)
            scores, hidden = read_batch(self.model, self.architecture, batch)
            logits[rows], read[rows] = scores.float().cpu(), hidden.float().cpu()
        self.check_answers(logits, read)
        return logits, read

    def check_answers(self, *answers: Tensor) -> None:
        """Raises ModelError where an answer to texts, (texts, …) each, is not finite."""
        for answer in answers:
            if not bool((finite := answer.isfinite()).all()):
                bad = int((~finite.reshape(len(answer), -1).all(dim=1)).sum())
                raise ModelError(
                    f"{self.name} answers with NaN or infinity to {bad} of "
                    f"{pluralize(len(answer), 'text')}: its weights are finite and its activations "
                    "overflow, so nothing it says counts; give another checkpoint, or prune less."
                )

    @property
    def pad_id(self) -> int:
        """What fills the rows of a batch."""
        return pad_id(self.model.config, self.tokenizer)

    def linears(self) -> dict[str, PrunableLinear]:
        """The prunable linears by `block.module`, e.g. `0.query`, first block first."""
        return self.architecture.linears(self.model)

    def prunable(self) -> dict[str, Tensor]:
        """The prunable weights (d_out, d_in) by `block.module`, first block first."""
        return {layer: linear.weight for layer, linear in self.linears().items()}

    @property
    def achieved(self) -> float:
        """Zeros / prunable weights, counted, in [0, 1]."""
        weights = list(self.prunable().values())
        zeros = sum(int((weight == 0).sum()) for weight in weights)
        return zeros / sum(weight.numel() for weight in weights)

    def copy(self, own: Collection[str] | None = None) -> "Victim":
        """The same victim with weights of its own.

        With `own`, names of tensors, only these and the prunable weights are its own and the rest
        is shared, which nobody may change then.
        """
        shared: dict[int, Any] = {}
        if own is not None:
            prunable = {linear.parameter.data_ptr() for linear in self.linears().values()}
            shared = {
                id(parameter): parameter
                for name, parameter in self.model.named_parameters()
                if name not in own and parameter.data_ptr() not in prunable
            }
        return Victim(
            self.name,
            copy.deepcopy(self.model, shared),
            self.tokenizer,
            self.architecture,
            self.fingerprint,
            self.label_names,
            self.max_tokens,
            self.notices,
        )


def pick_device(name: str = "auto") -> torch.device:
    """`auto` is CUDA where there is one, else the CPU. Raises SettingError for a device that is not
    here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, device=name).cpu()  # `meta` holds nothing that could come back
        return torch.device(name)
    except (RuntimeError, AssertionError) as error:
        raise SettingError(
            f"The device {name!r} is not available here; use auto, cpu or cuda."
        ) from error


def load_victim(name: str = "embedded", device: str = "auto") -> Victim:
    """Load `embedded`, `embedded:NAME`, a local folder, or a hub name, in evaluation mode.

    A folder may hold a whole model, a packed one, or a member's adapter over the embedded base.

    Raises ModelError for anything that is not a safetensors sequence classifier that `examine`
    understands, and ResourceError when a hub name cannot be fetched.
    """
    if name == "embedded" or name.startswith("embedded:"):
        return _embedded(name.partition(":")[2] or "sst2", pick_device(device))
    local = expanded(name)
    if local.exists() or is_local_name(name):
        check_folder(local)
        if is_packed(local):
            return _load_packed(local, pick_device(device))
        if (local / "adapter_config.json").is_file():
            return _load_member(local, pick_device(device))
        return _load(str(local), local.name, pick_device(device), local_only=True)
    return _load(name, name, pick_device(device), local_only=False)


def _embedded(which: str, device: torch.device) -> Victim:
    base = embedded_base()
    model = average_adapters(base, adapter_folders(which)).to(device)
    if which in LABELS:
        set_label_names(model.config, LABELS[which])
    tokenizer = open_tokenizer(base)
    return _victim(
        "MiniLM-L6" if which == "sst2" else f"MiniLM-L6 ({which})",
        model,
        tokenizer,
        embedded_fingerprint(which),
    )


def _load_packed(folder: Path, device: torch.device) -> Victim:
    if (folder / "model.safetensors").exists():
        raise ModelError(
            f"{folder} holds both {PACKED} and model.safetensors; remove the one that is not meant."
        )
    model, _ = open_packed(folder, device)
    try:
        tokenizer = open_tokenizer(folder)
    except PruneScopeError:
        raise
    except Exception as error:  # damaged tokenizer files raise anything, a bare Exception included
        raise ModelError(
            f"{folder} has no tokenizer that can be opened ({error_line(error)}); copy the folder "
            "again, or write it again with `prunescope export --format packed`."
        ) from error
    return _victim(folder.name, model, tokenizer)


def _load_member(folder: Path, device: torch.device) -> Victim:
    """An adapter written by this program, merged into the base that its record names."""
    try:
        record = json.loads((folder / "member.json").read_text(encoding="utf-8"))
        base, base_sha256 = open_base(record["base"]), record["base_sha256"]
        names = tuple(map(str, record["labels"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{folder} is an adapter without a readable record of its base ({error}); only "
            "adapters made by `prunescope members` or `finetune` are opened."
        ) from error
    if base.sha256 != base_sha256:
        raise ModelError(
            f"{folder} was made on another {record['base']} (SHA-256 {base_sha256[:16]}…, here "
            f"{base.sha256[:16]}…); restore that base, or train the member again."
        )
    model = merged_member(base.folder, folder).to(device)
    set_label_names(model.config, names)
    return _victim(folder.name, model, base.tokenizer)


def _load(source: str, name: str, device: torch.device, local_only: bool) -> Victim:
    try:
        config = read_config(source, local_only)
        loaded = load_weights(AutoModelForSequenceClassification, source, config, name, local_only)
        tokenizer = open_tokenizer(source, local_only)
    except PruneScopeError:
        raise
    except Exception as error:  # damaged files raise anything, a bare Exception included
        if local_only or not isinstance(error, network_errors(OSError, ValueError)):
            raise ModelError(
                f"{source} cannot be opened as a model ({error_line(error)}); save it again with "
                "model.save_pretrained and tokenizer.save_pretrained, or give another one."
            ) from error
        raise ResourceError(
            f"The model {source!r} cannot be fetched from the hub ({hub_reason(error)}); check "
            "the name and the network, or give a local folder."
        ) from error
    if loaded.headless:
        raise ModelError(
            f"{name} is not a sequence classifier: its weights lack {loaded.headless}; fine-tune "
            "it first, or give a fine-tuned checkpoint."
        )
    return _victim(name, loaded.model.to(device), tokenizer, notices=loaded.notices)


def _victim(
    name: str,
    model: Any,
    tokenizer: Any,
    fingerprint: str | None = None,
    notices: tuple[str, ...] = (),
) -> Victim:
    """A model and its tokenizer as a victim. Raises ModelError where they cannot work, alone or
    together.
    """
    model.eval()
    check_finite(model, name)
    names, of_names = label_names(model.config, name)
    if of_names:  # as it is exported, too
        set_label_names(model.config, names)
    padded = prepare_config(model.config, tokenizer, name, word_rows(model))
    architecture = examine(model, name)
    of_padding = settle_pad(model.config, tokenizer, architecture, name) if padded else ()
    fitted = fit(name, architecture, model, tokenizer)
    victim = Victim(
        name,
        model,
        tokenizer,
        architecture,
        fingerprint or fingerprint_of(model, tokenizer),
        names,
        min(fitted.limit, MAX_TOKENS),
        (*notices, *of_names, *_of_own_code(model.config, name), *of_padding, *fitted.notices),
    )
    if tokenizer(PROBE)["input_ids"]:
        try:
            victim.read([PROBE])  # activations may overflow where no weight does
        except (TypeError, ValueError, LookupError, AttributeError, RuntimeError) as error:
            raise ModelError(
                f"{name} cannot read a text ({error_line(error)}); correct its config.json, or "
                "save the model again with model.save_pretrained."
            ) from error
    return victim


def _of_own_code(config: Any, name: str) -> tuple[str, ...]:
    """A notice where a model brings code of its own, which is never run."""
    if not getattr(config, "auto_map", None):
        return ()
    return (
        f"The config of {name} names code of its own (auto_map), which is not run; the model is "
        f"read as transformers' own {config.model_type}.",
    )
