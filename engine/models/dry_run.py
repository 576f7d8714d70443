"""A classifier reads a few made-up tokens while its modules and its additions are watched."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from prunescope.engine.models.architecture import word_rows
from prunescope.engine.models.forward import differentiable, inputs_of, outputs_of
from prunescope.engine.models.linears import KINDS

LONG, SHORT = 11, 7  # tokens of the two made-up texts, where there are positions for as many
OUTPUT = "="  # before the path of a module: what it gives, not what it reads
ADDITIONS = {"add", "add_", "__add__", "__radd__", "__iadd__"}
Key = tuple[int, int]  # where a tensor's memory begins, and how many values it has
Rows = Literal["tokens", "sentences", "constant", "other"]


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a linear."""

    path: str
    key: Key
    shape: tuple[int, ...]
    rows: Rows  # what the rows of its input stand for
    tensor: Tensor
    version: int  # how often the memory was written to: an input changed in place is another


@dataclass(slots=True)
class Watched:
    """What was seen of one forward pass."""

    lengths: tuple[int, ...]
    calls: list[Call] = field(default_factory=list)  # of linears, in order
    # path of a linear → the modules before it in the block whose inputs (with OUTPUT before the
    # path: whose outputs) are added to its output
    residuals: dict[str, tuple[str, ...]] = field(default_factory=dict)
    logits: Tensor = field(default_factory=lambda: torch.empty(0))  # (texts, labels)
    # whether the logits of a text depend on its last hidden states, (texts, tokens)
    read: Tensor = field(default_factory=lambda: torch.empty(0))


def made_up_batch(model: Any, lengths: Sequence[int]) -> dict[str, Tensor]:
    """Texts of ordinary ids, padded on the right; every text is the beginning of the same one."""
    config = model.config
    special = {
        value
        for name in ("pad", "bos", "eos", "cls", "sep", "mask", "unk")
        if isinstance(value := getattr(config, f"{name}_token_id", None), int)
    }
    rows = word_rows(model)
    ordinary = [number for number in range(rows) if number not in special] or [0]
    text = [ordinary[(7 * i + 3) % len(ordinary)] for i in range(max(lengths))]
    pad = getattr(config, "pad_token_id", None)
    padded = [
        text[:length] + [pad if isinstance(pad, int) else 0] * (max(lengths) - length)
        for length in lengths
    ]
    mask = [[1] * length + [0] * (max(lengths) - length) for length in lengths]
    device = model.device
    return {
        "input_ids": torch.tensor(padded, device=device),
        "attention_mask": torch.tensor(mask, device=device),
    }


def dry_run(
    model: Any, body: str, blocks: Mapping[str, str], positions: int
) -> tuple[Watched, Watched]:
    """(a short text padded beside a long one, the short text alone) as the model reads them.

    `blocks` has the paths of the linears that count, each with the block it belongs to.
    """
    long = min(LONG, positions)
    short = min(SHORT, long - 1)
    return _watch(model, body, blocks, (short, long)), _watch(model, body, blocks, (short,))


@torch.enable_grad()
def _watch(model: Any, body: str, blocks: Mapping[str, str], lengths: tuple[int, ...]) -> Watched:
    watched = Watched(lengths)
    size = (len(lengths), max(lengths))
    additions = _Additions(blocks)
    inputs: list[tuple[str, Tensor]] = []  # of all modules, in order; keeps the memory in use
    started: dict[str, int] = {}  # path of a linear → the inputs before it
    last: list[Tensor] = []

    def before(path: str, module: nn.Module, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        tensor = next(
            (value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)), None
        )
        if tensor is None:
            return
        if isinstance(module, KINDS):
            shape = tuple(tensor.shape)
            watched.calls.append(
                Call(path, key_of(tensor), shape, _rows(shape, size), tensor, tensor._version)
            )
            started.setdefault(path, len(inputs))
            additions.block = blocks.get(path, "")
        inputs.append((path, tensor))

    def after(path: str, output: Tensor) -> None:
        additions.outputs.setdefault(key_of(output), []).append(path)
        inputs.append((f"{OUTPUT}{path}", output))

    with ExitStack() as stack:
        for path, module in model.named_modules():
            stack.enter_context(_before(module, path, before))
            if path in blocks:
                stack.enter_context(outputs_of(module, partial(after, path)))
        stack.enter_context(differentiable(model))
        stack.enter_context(outputs_of(getattr(model, body), last.append))
        stack.enter_context(additions)
        watched.logits = model(**made_up_batch(model, lengths))[0]
    generator = torch.Generator().manual_seed(0)
    signs = torch.randn(watched.logits.shape, generator=generator).to(watched.logits)
    (gradient,) = torch.autograd.grad((watched.logits * signs).sum(), last)
    watched.read = (gradient != 0).any(dim=-1)
    if not bool(watched.read.any()):  # where a head is saturated
        watched.read = _read_by_noise(model, body, lengths)
    watched.logits = watched.logits.detach()
    readers: dict[Key, tuple[int, str]] = {}  # of a tensor: the first module that gave or read it
    for number, (path, tensor) in enumerate(inputs):
        readers.setdefault(key_of(tensor), (number, path))
    for path, keys in additions.addends.items():
        sources = [readers[key] for key in keys if key in readers]
        # what is computed after the linear is not yet there when it is pruned
        if earlier := [source for number, source in sources if number < started[path]]:
            watched.residuals[path] = tuple(earlier)
    return watched


@torch.no_grad()
def _read_by_noise(model: Any, body: str, lengths: tuple[int, ...]) -> Tensor:
    """Whether the logits of a text change with each of its last hidden states, (texts, tokens)."""
    batch, generator = made_up_batch(model, lengths), torch.Generator().manual_seed(0)
    plain, read = model(**batch)[0], torch.zeros(len(lengths), max(lengths), dtype=torch.bool)
    for token in range(max(lengths)):

        def disturb(_module: nn.Module, _inputs: Any, output: Any, token: int = token) -> None:
            state = output[0][:, token]
            noise = torch.randn(state.shape, generator=generator).to(state)
            state += 10 * noise * state.std()

        handle = model.get_submodule(body).register_forward_hook(disturb)
        try:
            read[:, token] = (model(**batch)[0] != plain).any(dim=1).cpu()
        finally:
            handle.remove()
    return read


@torch.no_grad()
def second_inputs(model: Any, second: Mapping[str, str]) -> dict[str, Tensor]:
    """Key → what its linear reads when it runs for the second time, (rows, d_in), for the paths of
    linears that read a second input, such as DeBERTa's relative positions.
    """
    if not second:
        return {}
    inputs: dict[str, list[Tensor]] = {name: [] for name in second}
    with ExitStack() as stack:
        for name, path in second.items():
            stack.enter_context(inputs_of(model.get_submodule(path), inputs[name].append))
        model(**made_up_batch(model, (SHORT,)))
    return {name: runs[1].flatten(0, -2) for name, runs in inputs.items()}


def key_of(tensor: Tensor) -> Key:
    """What tells tensors apart that exist at the same time; a reshaped view has the same."""
    return tensor.data_ptr(), tensor.numel()


def _rows(shape: tuple[int, ...], size: tuple[int, int]) -> Rows:
    sentences, tokens = size
    if shape[:-1] in (size, (sentences * tokens,)):
        return "tokens"
    if shape[:-1] in ((sentences,), (sentences, 1)):
        return "sentences"
    return "constant" if len(shape) == 2 or shape[0] == 1 else "other"


class _Additions(TorchFunctionMode):
    """What is added to the outputs of linears, in the blocks that they belong to."""

    def __init__(self, blocks: Mapping[str, str]) -> None:
        super().__init__()
        self._blocks = blocks
        self.block = ""  # of the linear that ran last
        # an output of linears, or a sum that holds it → their paths
        self.outputs: dict[Key, list[str]] = {}
        self.addends: dict[str, list[Key]] = {}
        self._sums: list[Tensor] = []  # keeps their memory in use

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        if getattr(func, "__name__", "") not in ADDITIONS or len(args) != 2 or kwargs:
            return func(*args, **(kwargs or {}))
        terms = [term for term in args if isinstance(term, Tensor)]
        keys = [key_of(term) for term in terms]
        result = func(*args, **(kwargs or {}))
        if len(terms) == 2 and terms[0].shape == terms[1].shape:
            self._sums += [*terms, result]
            for key, other in (keys, keys[::-1]):
                self._add(self.outputs.get(key, ()), other, key_of(result))
        return result

    def _add(self, paths: Iterable[str], addend: Key, result: Key) -> None:
        for path in list(paths):
            if self._blocks[path] == self.block:
                self.addends.setdefault(path, []).append(addend)
                known = self.outputs.setdefault(result, [])
                if path not in known:
                    known.append(path)


@contextmanager
def _before(module: nn.Module, path: str, call: Any) -> Iterator[None]:
    handle = module.register_forward_pre_hook(
        lambda module, args, kwargs: call(path, module, args, kwargs), with_kwargs=True
    )
    try:
        yield
    finally:
        handle.remove()
