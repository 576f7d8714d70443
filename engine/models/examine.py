"""The architecture of a classifier, found by a dry run: its linears, which of them read one input,
what is added to their outputs, and which hidden states the head reads.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from prunescope.engine.errors import ModelError
from prunescope.engine.formatting import error_line, pluralize
from prunescope.engine.models.architecture import (
    Architecture,
    LinearGroup,
    Reads,
    blocks_of,
    positions_of,
    takes_types,
)
from prunescope.engine.models.dry_run import Call, Watched, dry_run
from prunescope.engine.models.linears import KINDS

# What the linears of a block are called in every record, where an architecture uses these names;
# other linears keep their own.
ROLES = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "attention_output",
    "intermediate.dense": "intermediate",
    "output.dense": "output",
    "attention.q_lin": "query",
    "attention.k_lin": "key",
    "attention.v_lin": "value",
    "attention.out_lin": "attention_output",
    "ffn.lin1": "intermediate",
    "ffn.lin2": "output",
}
UNUSUAL = 0.1  # share of a block's weights outside its linears from which a model is refused
# What rounding may change of a logit: relative to its difference from another text's, and to itself
SPREAD, ROUNDING = 1e-4, 2e-6


@torch.no_grad()
def examine(model: Any, where: str) -> Architecture:
    """The architecture of a classifier, by a dry run over made-up tokens; see `dry_run`.

    Raises ModelError in one sentence for what the pruner does not understand: no blocks, weights
    outside linear layers, tied layers, linears that a text does not reach, and inputs that are
    neither tokens nor the same for every text.
    """
    blocks, modules = blocks_of(model, where)
    body = _body(model, where)
    linears = {
        path: module
        for path, module in model.named_modules()
        if isinstance(module, KINDS) and path.startswith(f"{blocks}.")
    }
    _check_parameters(model, blocks, modules, where)
    try:
        watched, alone = dry_run(
            model,
            body,
            {path: _block_of(path, blocks) for path in linears},
            positions_of(model.config),
        )
    except (TypeError, ValueError, LookupError, AttributeError, RuntimeError) as error:
        raise ModelError(
            f"{where} cannot read a text ({error_line(error)}); correct its config.json, or save "
            "the model again with model.save_pretrained."
        ) from error
    names = _names(blocks, linears)
    calls, again = _by_path(watched.calls), _by_path(alone.calls)
    _check_calls(list(linears), calls, where)
    runs = _runs(calls, linears)
    second = {
        path: runs == 1 and _reads_twice(path, calls[path], again[path], where) for path in linears
    }
    order = [path for path in calls if path in linears]
    groups = tuple(_groups(order, calls, second, names, blocks, watched))
    ordered = [layer for group in groups for layer in group.layers]
    paths = {layer: path for path, layer in names.items()}
    last = max(i for i, call in enumerate(watched.calls) if call.path in linears)
    _check_between(watched.calls[:last], linears, where)
    heads = dict.fromkeys(
        call.path for call in watched.calls[last + 1 :] if call.path not in linears
    )
    return Architecture(
        str(model.config.model_type),
        body,
        blocks,
        {layer: paths[layer] for layer in ordered},
        groups,
        _reads(watched, where, model.config),
        tuple(heads),
        ("input_ids", *(["token_type_ids"] if takes_types(model) else [])),
        _is_same(watched.logits, alone.logits[0]),
        runs,
    )


def _is_same(padded: Tensor, alone: Tensor) -> bool:
    """Whether a text has the same logits, (labels,), alone as padded in a batch (texts, labels)."""
    differs = float((padded[0] - alone).abs().max())
    spread, largest = float((padded[0] - padded[1]).abs().max()), float(padded.abs().max())
    return differs <= max(SPREAD * spread, ROUNDING * largest)


def _body(model: Any, where: str) -> str:
    """The attribute of the encoder or decoder. Raises ModelError for a model that is both."""
    if getattr(model.config, "is_encoder_decoder", False):
        raise ModelError(
            f"{where} ({type(model).__name__}) has an encoder and a decoder, which are not "
            "supported; give a classifier with one of them."
        )
    prefix = str(model.base_model_prefix)
    if not isinstance(getattr(model, prefix, None), nn.Module):
        raise ModelError(
            f"{where} ({type(model).__name__}) has no body {prefix!r} below its head, so what the "
            "head reads cannot be found; give another architecture."
        )
    return prefix


def _check_parameters(model: nn.Module, blocks: str, modules: nn.ModuleList, where: str) -> None:
    """Raises ModelError where much of the blocks' weights lies outside linears, or is shared."""
    linears = [part for part in modules.modules() if isinstance(part, KINDS)]
    tensors = [linear.weight for linear in linears]
    if len({weight.data_ptr() for weight in tensors}) < len(tensors):
        twice = [
            name
            for name, module in model.named_modules()
            if isinstance(module, KINDS)
            and sum(module.weight.data_ptr() == weight.data_ptr() for weight in tensors) > 1
        ]
        raise ModelError(
            f"{where} uses one weight for several layers, {twice[0]} and {twice[1]}, which would "
            "be pruned for one of them alone; untie them and save the model again."
        )
    known = {id(parameter) for linear in linears for parameter in linear.parameters()}
    embeddings = {
        id(parameter)
        for part in modules.modules()
        if isinstance(part, nn.Embedding)
        for parameter in part.parameters()
    }
    others = {
        f"{blocks}.{name}": parameter
        for name, parameter in modules.named_parameters()
        if parameter.ndim > 1 and id(parameter) not in known | embeddings
    }
    outside = sum(parameter.numel() for parameter in others.values())
    total = outside + sum(weight.numel() for weight in tensors)
    if outside > UNUSUAL * total:
        raise ModelError(
            f"{100 * outside / total:.0f}% of the weights in {where}'s blocks lie outside linear "
            f"layers, as {next(iter(others))} does, and only linear layers are pruned; give "
            "another architecture."
        )


def _block_of(path: str, blocks: str) -> str:
    return path[len(blocks) + 1 :].split(".")[0]


def _names(blocks: str, linears: Iterable[str]) -> dict[str, str]:
    """Path → `block.module`, the shortest ending of the path that names one linear of a block."""
    inside = re.compile(rf"{re.escape(blocks)}\.(\d+)\.(.+)")
    parts = {path: match.groups() for path in linears if (match := inside.fullmatch(path))}
    relative = list(dict.fromkeys(rest for _, rest in parts.values()))
    roles = [ROLES[rest] for rest in relative if rest in ROLES]
    shown = {
        rest: ROLES[rest] if roles.count(ROLES.get(rest, "")) == 1 else _ending(rest, relative)
        for rest in relative
    }
    names = list(shown.values())
    shown = {
        rest: name if names.count(name) == 1 else rest.replace(".", "_")
        for rest, name in shown.items()
    }
    return {path: f"{block}.{shown[rest]}" for path, (block, rest) in parts.items()}


def _ending(path: str, others: Sequence[str]) -> str:
    words = path.split(".")
    for count in range(1, len(words)):
        ending = words[-count:]
        if sum(other.split(".")[-count:] == ending for other in others) == 1:
            return "_".join(ending)
    return "_".join(words)


def _by_path(calls: Sequence[Call]) -> dict[str, list[Call]]:
    """The calls of every linear, in the order of the first ones."""
    by_path: dict[str, list[Call]] = {}
    for call in calls:
        by_path.setdefault(call.path, []).append(call)
    return by_path


def _check_calls(linears: Sequence[str], calls: dict[str, list[Call]], where: str) -> None:
    """Raises ModelError for linears that a text need not reach, and for inputs of other shapes."""
    if unused := [path for path in linears if path not in calls]:
        raise ModelError(
            f"{where} has {pluralize(len(unused), 'linear layer')} that a text need not reach, "
            f"{unused[0]} first, as a mixture of experts has; only models whose layers all read "
            "every text are pruned."
        )
    for path in linears:
        if calls[path][0].rows == "other":
            raise ModelError(
                f"The input of {path} in {where} has the shape {calls[path][0].shape}, which is "
                "not one row a token; give another architecture."
            )


def _check_between(calls: Sequence[Call], linears: Iterable[str], where: str) -> None:
    """Raises ModelError where linears run among the blocks' and lie outside the list of blocks."""
    known = set(linears)
    first = next(i for i, call in enumerate(calls) if call.path in known) if calls else 0
    if other := [call.path for call in calls[first:] if call.path not in known]:
        raise ModelError(
            f"{where} runs {other[0]} among its blocks, which lies outside their list; its blocks "
            "are in several lists, and only models with one list of blocks are pruned."
        )


def _runs(calls: dict[str, list[Call]], linears: Iterable[str]) -> int:
    """How often the blocks run over one text: more than once where they share their weights."""
    counts = {
        len(calls[path]) if all(call.rows == "tokens" for call in calls[path]) else 1
        for path in linears
    }
    return counts.pop() if len(counts) == 1 else 1


def _reads_twice(path: str, runs: list[Call], again: list[Call], where: str) -> bool:
    """Whether a linear reads a second input beside the tokens. Raises ModelError where that depends
    on the text.
    """
    if len(runs) == 1:
        return False
    first, second = runs[1].tensor, again[1].tensor if len(again) > 1 else None
    if len(runs) > 2 or second is None or not torch.equal(first, second):
        raise ModelError(
            f"{where} runs {path} {len(runs)} times over one text, each time over other inputs, "
            "and other layers once; only models whose blocks run alike are pruned."
        )
    return True


def _groups(
    order: Sequence[str],
    calls: dict[str, list[Call]],
    second: dict[str, bool],
    names: dict[str, str],
    blocks: str,
    watched: Watched,
) -> list[LinearGroup]:
    """Linears of a block that read the same tensors, as groups in the order of first calls."""
    runs: dict[tuple[object, ...], list[str]] = {}
    for path in order:
        key = (
            _block_of(path, blocks),
            calls[path][0].key,
            calls[path][0].version,
            second[path] and calls[path][1].key,
        )
        runs.setdefault(key, []).append(path)
    # in a group, as the model defines them
    defined = {path: number for number, path in enumerate(names)}
    return [
        LinearGroup(
            tuple(names[path] for path in sorted(run, key=defined.__getitem__)),
            watched.residuals.get(run[0], ()) if len(run) == 1 else (),
            calls[run[0]][0].rows == "tokens",
            second[run[0]],
        )
        for run in runs.values()
    ]


def _reads(watched: Watched, where: str, config: Any) -> Reads:
    """Which last hidden states the logits of the padded text depend on."""
    real, read = watched.lengths[0], watched.read[0].tolist()
    if read[0] and not any(read[1:]):
        if getattr(config, "is_decoder", False):
            raise ModelError(
                f"{where} is a decoder (is_decoder in its config.json) whose head reads the first "
                "token, which sees no other, so it answers alike to every text; correct its "
                "config.json."
            )
        return "first"
    if read[real - 1] and not any(read[: real - 1]) and not any(read[real:]):
        return "last"
    if all(read[:real]):
        return "mean"
    if not any(read):
        raise ModelError(
            f"{where} answers alike whatever its head reads, as with weights that are all 0; train "
            "it first, or load an undamaged checkpoint."
        )
    raise ModelError(
        f"The head of {where} reads the hidden states {[i for i, one in enumerate(read) if one]} "
        f"of a text of {real} tokens, and only heads that read the first, the last or all are "
        "understood; give another architecture."
    )
