"""A checkpoint's weights in the model that its config describes: their names, whether they fit,
whether they are finite.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from prunescope.engine.errors import ModelError
from prunescope.engine.formatting import pluralize
from prunescope.engine.models.architecture import blocks_of, is_of_head

INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"
# Names that only wrappers have: torch.compile, FullyShardedDataParallel, checkpointed activations.
WRAPPERS = re.compile(r"(?<![^.])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
# What architectures call the encoder or decoder below their heads, and nobody calls a wrapper.
BODIES = ("bert", "roberta", "distilbert", "electra", "deberta", "mpnet")
ORIGINAL, MASK = "_orig", "_mask"  # what torch.nn.utils.prune leaves of a weight until `remove`


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model with a checkpoint's weights in single precision."""

    model: Any
    notices: tuple[str, ...]  # how its weights' names were understood
    # The first weight of the head that the checkpoint lacks; it is drawn at random.
    headless: str | None


def load_weights(
    kind: Any, source: str | Path, config: Any, name: str, local_only: bool
) -> LoadedModel:
    """The model of an Auto class with the weights of a local folder or a hub name.

    Names under wrappers and what pruning leaves of a weight are understood. Raises ModelError
    naming the first tensor that has another shape than the config says, that is missing outside
    the head, or that lies in a block the config does not have. See `check_finite` for the rest.
    """
    check_kind(kind, config, name)
    settings = {
        "config": config,
        "use_safetensors": True,
        "local_files_only": local_only,
        "trust_remote_code": False,
        "output_loading_info": True,
        "dtype": torch.float32,
        "ignore_mismatched_sizes": True,  # said by `_check_shapes`, with the shapes
    }
    model, info = kind.from_pretrained(source, **settings)
    notices: tuple[str, ...] = ()
    if info["missing_keys"]:
        state, understood = _named_tensors(
            _files(source), info["missing_keys"], name, model.base_model_prefix
        )
        if understood:
            again, info_again = type(model).from_pretrained(None, state_dict=state, **settings)
            if len(info_again["missing_keys"]) < len(info["missing_keys"]):
                model, info, notices = again, info_again, understood
    # transformers 5 gives (name, shape in the weights, shape by the config)
    if mismatched := [key if isinstance(key, str) else key[0] for key in info["mismatched_keys"]]:
        _check_shapes(model, mismatched, _files(source), name)
    missing = sorted(info["missing_keys"])
    _check_names(missing, sorted(info["unexpected_keys"]), model, name)
    return LoadedModel(model, notices, missing[0] if missing else None)


def check_kind(kind: Any, config: Any, name: str) -> None:
    """Raises ModelError where transformers has no model of a kind for a configuration."""
    if type(config) not in kind._model_mapping:
        raise ModelError(
            f"{name} is of the architecture {config.model_type!r}, of which transformers has no "
            f"model for {kind.__name__}; give a text classifier."
        )


def check_finite(model: nn.Module, name: str, remedy: str = "load an undamaged checkpoint") -> None:
    """Raises ModelError naming the first parameter or buffer with NaN or infinity, and how many
    values are.
    """
    tensors = chain(model.named_parameters(), model.named_buffers())
    if not (damaged := [(key, tensor) for key, tensor in tensors if not _is_finite(tensor)]):
        return
    key, tensor = damaged[0]
    count = int((~tensor.isfinite()).sum())
    others = (
        f", and so are some of {pluralize(len(damaged) - 1, 'other tensor')}" if damaged[1:] else ""
    )
    raise ModelError(
        f"{name} cannot be used: {count} of the {tensor.numel()} values of {key} "
        f"{'is' if count == 1 else 'are'} NaN or infinite{others}; {remedy}."
    )


def _is_finite(tensor: Tensor) -> bool:
    """One pass and no mask as large as the tensor: NaN and infinity both survive into an end of the
    range.
    """
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    return bool(torch.isfinite(torch.stack(torch.aminmax(tensor.detach()))).all())


# Names


def plain_names(
    names: Iterable[str], missing: Iterable[str], body: str
) -> tuple[dict[str, str], str]:
    """(name → name without wrappers, what was left out as a part of a sentence).

    Left out are the modules that only wrappers add, wherever they stand, and what stands before
    each name that a model misses, where it is the same before all of them. A model's own body is
    no wrapper: the weights of a BERT are none of a RoBERTa's.
    """
    inner = {name: WRAPPERS.sub("", name) for name in names}
    before: set[str] = set()
    for key in missing:
        head, _, rest = key.partition(".")
        # "model" may be both: a wrapper of a BERT, and the body of a Llama
        endings = {f".{key}": {*BODIES}} | ({f".{rest}": {body, *BODIES}} if head == body else {})
        before |= {
            prefix
            for end, bodies in endings.items()
            for name in inner.values()
            if name.endswith(end)
            and bodies.isdisjoint((prefix := name.removesuffix(end[1:])).split("."))
        }
    prefix = before.pop() if len(before) == 1 else ""
    wrappers = dict.fromkeys(part for name in inner for part in WRAPPERS.findall(name))
    return (
        {name: value.removeprefix(prefix) for name, value in inner.items()},
        " and ".join(map(repr, [*wrappers, *([prefix] if prefix else [])])),
    )


def _named_tensors(
    files: Mapping[str, Path], missing: Iterable[str], name: str, body: str
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """(a checkpoint's tensors under the names that its model knows, notices on what changed)."""
    plain, prefix = plain_names(files, missing, body)
    pruned = sorted(
        stem
        for key in plain.values()
        if key.endswith(ORIGINAL)
        and f"{(stem := key.removesuffix(ORIGINAL))}{MASK}" in plain.values()
    )
    if not prefix and not pruned:
        return {}, ()
    state = {plain[key]: tensor for key, tensor in _tensors(files)}
    for stem in pruned:
        weight, mask = state.pop(f"{stem}{ORIGINAL}"), state.pop(f"{stem}{MASK}")
        if weight.shape != mask.shape:
            raise ModelError(
                f"{stem}{ORIGINAL} of {name} has the shape {tuple(weight.shape)} and its mask "
                f"{tuple(mask.shape)}; call torch.nn.utils.prune.remove and save the model again."
            )
        state[stem] = weight * mask.to(weight.dtype)
    notices = []
    if prefix:
        notices.append(f"The names of {name}'s weights are read without {prefix}.")
    if pruned:
        notices.append(
            f"Pruning with torch left {pluralize(len(pruned), 'weight')} of {name} as {ORIGINAL} "
            f"and {MASK}, {pruned[0]} first; each is read as their product."
        )
    return state, tuple(notices)


def _check_names(missing: list[str], unexpected: list[str], model: Any, name: str) -> None:
    """Raises ModelError where a weight outside the head is missing, or a block's is left over."""
    lacking = [key for key in missing if not is_of_head(key, model.base_model_prefix)]
    if lacking:
        instead = f"; it has {unexpected[0]} instead" if unexpected else ""
        raise ModelError(
            f"The weights of {name} lack {lacking[0]}"
            + (f" and {pluralize(len(lacking) - 1, 'other tensor')}" if lacking[1:] else "")
            + f" that its config asks for{instead}; {_remedy(unexpected)}."
        )
    path, blocks = blocks_of(model, name)
    block = re.compile(rf"(?:^|\.){re.escape(path.rpartition('.')[2])}\.\d+\.")
    if extra := [key for key in unexpected if block.search(key)]:
        raise ModelError(
            f"The weights of {name} hold {extra[0]}"
            + (f" and {pluralize(len(extra) - 1, 'other tensor')}" if extra[1:] else "")
            + f" for which its config, with {pluralize(len(blocks), 'block')}, has no "
            f"place; {_remedy(extra)}."
        )


def _remedy(unexpected: Iterable[str]) -> str:
    """What to do about weights that a model does not know, by their names."""
    if any(".base_layer." in key or ".lora_" in key for key in unexpected):
        return "merge the adapter with model.merge_and_unload() and save the model again"
    if any(key.endswith(ORIGINAL) for key in unexpected):
        return "call torch.nn.utils.prune.remove on each pruned module and save the model again"
    return "save model and config together with model.save_pretrained"


def _check_shapes(model: Any, keys: Iterable[str], files: Mapping[str, Path], name: str) -> None:
    """Raises ModelError for the first of the tensors that have another shape, with both shapes."""
    state = model.state_dict()
    key = min(keys, key=lambda key: (-state[key].dim(), key))  # a matrix says more than its bias
    expected = tuple(state[key].shape)
    stored = _stored_shape(key, files)
    is_head = is_of_head(key, model.base_model_prefix)
    remedy = (
        "name each of its labels once in id2label of config.json"
        if is_head
        else "correct config.json"
    )
    raise ModelError(
        f"The weights of {name} do not fit its config: {key} has the shape "
        f"{stored or 'of another size'} in the weights and {expected} by the config; {remedy}, or "
        "save both together with model.save_pretrained."
    )


def _stored_shape(key: str, files: Mapping[str, Path]) -> tuple[int, ...] | None:
    """The shape of a model's tensor in its files, where it may stand with more or fewer names
    before it.
    """
    for stored, path in files.items():
        plain = WRAPPERS.sub("", stored).replace(".gamma", ".weight").replace(".beta", ".bias")
        if plain == key or plain.endswith(f".{key}") or key.endswith(f".{plain}"):
            with safe_open(str(path), framework="pt") as file:
                return tuple(file.get_slice(stored).get_shape())
    return None


# Files


def _files(source: str | Path) -> dict[str, Path]:
    """Tensor → the file it is in, as transformers chooses the files."""
    folder = Path(source)
    if not folder.is_dir():  # a hub name, whose files are in the cache by now
        from transformers.utils.hub import cached_file

        folder = Path(str(cached_file(str(source), "config.json", local_files_only=True))).parent
    paths = [folder / WEIGHTS]
    if not paths[0].is_file():
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"]
        paths = [folder / file for file in sorted(set(index.values()))]
    files: dict[str, Path] = {}
    for path in paths:
        with safe_open(str(path), framework="pt") as file:
            files |= dict.fromkeys(file.keys(), path)
    return files


def _tensors(files: Mapping[str, Path]) -> Iterable[tuple[str, Tensor]]:
    for path in dict.fromkeys(files.values()):
        with safe_open(str(path), framework="pt") as file:
            for key in file.keys():  # noqa: SIM118  not a dict
                yield key, file.get_tensor(key)
