"""The pretrained checkpoint that fine-tuning starts from, and the classifier made of it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification

from prunescope.engine.data.hub_errors import hub_reason, network_errors
from prunescope.engine.errors import ModelError, PruneScopeError, ResourceError
from prunescope.engine.formatting import error_line
from prunescope.engine.models.adapters import old_names
from prunescope.engine.models.architecture import Architecture, head_modules, word_rows
from prunescope.engine.models.config import ONE_LABEL, read_config, set_label_names
from prunescope.engine.models.embedded import BASE_SHA256, embedded_base
from prunescope.engine.models.examine import examine
from prunescope.engine.models.files import check_files
from prunescope.engine.models.fit import fit, pad_id, prepare_config
from prunescope.engine.models.tokenizer import open_tokenizer
from prunescope.engine.models.weights import LoadedModel, check_finite, load_weights
from prunescope.engine.paths import expanded
from prunescope.engine.store.checksums import file_sha256, sha256_of

if TYPE_CHECKING:  # it takes longer to import than PyTorch
    from peft import PeftModel

PATTERNS = ["*.safetensors", "*.json", "vocab.*", "merges.txt", "*.model"]


@dataclass(frozen=True, slots=True)
class Base:
    """A checkpoint on disk: its files, not its weights in memory."""

    name: str
    folder: Path
    sha256: str  # over its safetensors files
    architecture: Architecture
    tokenizer: Any
    limit: int  # most tokens that its positions and its tokenizer allow
    pad_id: int  # what fills the rows of a batch
    notices: tuple[str, ...] = ()  # what there is to know of how it was opened
    head: int | None = None  # labels of a head that it has already


def open_base(name: str) -> Base:
    """Open `embedded`, a local folder or a hub name as a start for fine-tuning.

    Raises ModelError for what is not a safetensors checkpoint that `examine` understands and for
    one that cannot work, ResourceError when it cannot be fetched.
    """
    folder = _folder(name)
    files = sorted(folder.glob("*.safetensors"))
    if not files or not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder} has no config.json with safetensors weights, so fine-tuning cannot start "
            "from it; save one with model.save_pretrained(folder)."
        )
    check_files(folder)
    try:
        config = read_config(folder, local_only=True)
        tokenizer = open_tokenizer(folder)
    except PruneScopeError:
        raise
    except Exception as error:  # damaged files raise anything, a bare Exception included
        raise ModelError(
            f"{folder} cannot be opened as a checkpoint ({error_line(error)}); save model and "
            "tokenizer again."
        ) from error
    # A missing head is drawn at random, and drawn again for every classifier.
    with torch.random.fork_rng(devices=[]):
        loaded = _loaded(folder, config, name)
    loaded.model.eval()
    prepare_config(loaded.model.config, tokenizer, name, word_rows(loaded.model))
    architecture = examine(loaded.model, name)
    fitted = fit(name, architecture, loaded.model, tokenizer)
    sha256 = BASE_SHA256 if name == "embedded" else sha256_of("|".join(map(file_sha256, files)))
    is_local = name != "embedded" and expanded(name).is_dir()
    return Base(
        str(folder.resolve()) if is_local else name,  # a whole path opens from anywhere
        folder,
        sha256,
        architecture,
        tokenizer,
        fitted.limit,
        pad_id(loaded.model.config, tokenizer),
        (*loaded.notices, *fitted.notices),
        None if loaded.headless else int(config.num_labels),
    )


def _loaded(folder: Path, config: Any, name: str) -> LoadedModel:
    """The checkpoint as a classifier. Raises ModelError where its weights cannot be read, do not
    fit or are not finite.
    """
    try:
        loaded = load_weights(
            AutoModelForSequenceClassification, folder, config, name, local_only=True
        )
    except PruneScopeError:
        raise
    except Exception as error:  # a config that cannot be built raises anything, KeyError included
        raise ModelError(
            f"The weights in {folder} cannot be read ({error_line(error)}); save the checkpoint "
            "again."
        ) from error
    check_finite(loaded.model, name)
    return loaded


def _folder(name: str) -> Path:
    if name == "embedded":
        return embedded_base()
    local = expanded(name)
    if local.is_dir():
        return local
    if local.exists() or name.startswith((".", "/", "~")):
        raise ModelError(
            f"There is no model folder {local}; check the path, or give a hub name such as "
            "bert-base-uncased."
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(snapshot_download(name, allow_patterns=PATTERNS))
    except network_errors(OSError, HfHubHTTPError, HFValidationError) as error:
        raise ResourceError(
            f"The checkpoint {name!r} cannot be fetched from the hub ({hub_reason(error)}); check "
            "the name and the network, or give a local folder."
        ) from error


def classifier(base: Base, names: tuple[str, ...], head_seed: int, rank: int) -> Any:
    """A classifier over the base in single precision; its head is fresh, drawn with `head_seed`,
    unless the base has one.

    `rank` above 0 puts LoRA adapters on every linear of every block, and they and the head learn; 0
    lets all weights learn. Raises ModelError when the base's own head is for another number of
    labels.
    """
    if base.head not in (None, len(names)):
        raise ModelError(
            f"The head of {base.name} is for another number of labels than the {len(names)} of the "
            f"data ({', '.join(names[:4])}…): it gives {base.head}; start from a checkpoint "
            "without a head."
        )
    config = read_config(base.folder, local_only=True)
    config.num_labels = len(names)
    if config.problem_type not in ONE_LABEL:  # that of another head
        config.problem_type = None
    torch.manual_seed(head_seed)
    model = _loaded(base.folder, config, base.name).model
    prepare_config(model.config, base.tokenizer, base.name, word_rows(model))
    set_label_names(model.config, names)
    return model if rank == 0 else adapted(model, base.architecture, rank)


def adapted(model: nn.Module, architecture: Architecture, rank: int) -> "PeftModel":
    """The model with LoRA adapters of a rank on its prunable linears; they and the head learn,
    nothing else.
    """
    from peft import LoraConfig, PeftModel, TaskType, get_peft_model

    blocks = len(architecture.blocks) + 1
    inside = dict.fromkeys(path[blocks:].partition(".")[2] for path in architecture.paths.values())
    targets = rf".*{re.escape(architecture.blocks)}\.\d+\.({'|'.join(map(re.escape, inside))})"
    turned = any(linear.turned for linear in architecture.linears(model).values())
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,
        target_modules=targets,
        modules_to_save=head_modules(model),
        fan_in_fan_out=turned,
    )
    with old_names():
        with_adapters = get_peft_model(model, config)
    assert isinstance(with_adapters, PeftModel)
    return with_adapters
