"""The calibration text on its way through the dense model and one pruned model for every sparsity,
side by side.

Every model reads every batch in a greenlet of its own, by its own forward pass. A pass pauses where
a group of linears is about to read its input, and hands that input out; when all passes have come
there, the group is pruned, and they go on with the new weights. So no architecture's forward is
written again here, and nothing is computed twice.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from greenlet import getcurrent, greenlet
from torch import Tensor, nn

from prunescope.engine.models.architecture import Architecture
from prunescope.engine.models.dry_run import OUTPUT
from prunescope.engine.models.forward import Batch, inputs_of, outputs_of
from prunescope.engine.models.victim import Victim

SELECTION_EVERY = 5  # every fifth sentence is held apart, to select the strength α


class _Pass(greenlet):  # type: ignore[misc]
    """One forward pass; what the hooks of its model know of it."""

    def __init__(self, state: "ActivationState", model: Any, until: int = 0) -> None:
        super().__init__(lambda: model(**state.batch.inputs) and None)
        self.state = state
        self.until = until  # it runs past the stops before
        self.stops: set[int] = set()  # at which it has paused
        self.inputs: dict[str, Tensor] = {}  # of the modules whose inputs are residuals
        self.output: Any = state.output  # of the last block that ran


class ActivationState:
    """One model between two groups of linears, on one batch."""

    def __init__(
        self, model: Any, architecture: Architecture, batch: Batch, waits: bool = True
    ) -> None:
        self.architecture, self.batch = architecture, batch
        self.x = torch.empty(0)  # (tokens, d_in), the input of the next group
        # (tokens, d_out), added to the output of the next group; None: nothing is
        self.residual: Tensor | None = None
        self.stop: int | None = None  # the next group, or linear of the head; None: the end
        self.waits = waits  # whether its pass stays in memory between two groups
        # where it does not: the blocks that are behind it, and what the last of them put out
        self.blocks, self.output = 0, None
        self._model = model
        self._pass: _Pass | None = _Pass(self, model) if waits else None

    def advance(self) -> None:
        """Run to the next group that `pausing` stops at, or to the end; without waiting, `read`
        does so when the group is read.
        """
        self.x, self.residual = self.x.new_empty(0), None
        if not self.waits:
            self.stop = 0 if self.stop is None else self.stop + 1
            return
        assert self._pass is not None
        self.stop = self._pass.switch()

    def enter(self) -> None:
        """Run to the group that is to be read, where no pass waits there."""
        if self.waits:
            return
        assert self.stop is not None
        self._pass = _Pass(self, self._model, self.stop)
        if (stop := self._pass.switch()) != self.stop:
            raise RuntimeError(f"a pass stopped at group {stop}, not at {self.stop}")

    def leave(self) -> None:
        """End a pass that is not to wait."""
        if not self.waits:
            self._end()

    def close(self) -> None:
        """End a pass that is still running."""
        self._end()
        self.stop = self.output = None

    def _end(self) -> None:
        if self._pass:
            self._pass.throw()  # GreenletExit
        self._pass = None  # it knows this state, and holds the model
        self.x, self.residual = self.x.new_empty(0), None

    def take(self, stop: int, value: Tensor, inputs: dict[str, Tensor]) -> None:
        """Keep the input of a group, or of a linear of the head, and its residual."""
        groups, batch = self.architecture.groups, self.batch
        if not self.waits:
            assert self._pass is not None
            self.blocks, self.output = self.architecture.blocks_before(stop), self._pass.output
        if stop >= len(groups):  # of the head: a row a sentence
            self.x = batch.read_by_head(value, self.architecture.reads)
            return
        group = groups[stop]
        self.x = batch.real(value) if group.per_token else value.flatten(0, -2)
        if group.residual:
            parts = [batch.real(inputs[path]) for path in group.residual]
            self.residual = parts[0] if len(parts) == 1 else torch.stack(parts).sum(dim=0)


@contextmanager
def pausing(model: nn.Module, architecture: Architecture, heads: bool = False) -> Iterator[None]:
    """Passes of a model pause before every group of linears, and with `heads` before every linear
    of the head. Other forward passes of the model are as ever.
    """
    groups = architecture.groups
    last_use = {path: stop for stop, group in enumerate(groups) for path in group.residual}
    with ExitStack() as stack:
        for path in last_use:
            module, keep = model.get_submodule(path.removeprefix(OUTPUT)), partial(_keep, path)
            watched = outputs_of if path.startswith(OUTPUT) else inputs_of
            stack.enter_context(watched(module, keep))
        for stop, group in enumerate(groups):
            for layer in group.layers:
                linear = model.get_submodule(architecture.paths[layer])
                stack.enter_context(inputs_of(linear, partial(_pause, stop, last_use)))
        for stop, path in enumerate(architecture.heads if heads else (), start=len(groups)):
            stack.enter_context(
                inputs_of(model.get_submodule(path), partial(_pause, stop, last_use))
            )
        for index, block in enumerate(architecture.modules(model)):
            stack.enter_context(_replayed(index, block))
        yield


@contextmanager
def _replayed(index: int, block: nn.Module) -> Iterator[None]:
    """A block that is behind a pass answers by what the last such block put out. What any other
    puts out is remembered by its pass.
    """
    forward = block.forward

    def answer(*args: Any, **kwargs: Any) -> Any:
        current = getcurrent()
        if not isinstance(current, _Pass) or current.state.waits:
            return forward(*args, **kwargs)
        if index < current.state.blocks:
            return _copy(current.output)
        output = forward(*args, **kwargs)
        current.output = _copy(output)
        return output

    own = vars(block).get("forward")
    block.forward = answer
    try:
        yield
    finally:
        del block.forward
        if own is not None:
            block.forward = own


def _copy(output: Any) -> Any:
    """What a block puts out, in memory of its own: what comes after may change it in place."""
    if isinstance(output, tuple):
        return tuple(map(_copy, output))
    return output.clone() if isinstance(output, Tensor) else output


def _keep(path: str, value: Tensor) -> None:
    """Keep a module's input, which will be added to a linear's output."""
    current = getcurrent()
    if isinstance(current, _Pass):
        current.inputs[path] = value


def _pause(stop: int, last_use: dict[str, int], value: Tensor) -> None:
    """Pause a pass before a linear, the first time that one of its group runs."""
    current = getcurrent()
    if not isinstance(current, _Pass) or stop in current.stops or stop < current.until:
        return
    current.stops.add(stop)
    current.state.take(stop, value, current.inputs)
    for path in [path for path in current.inputs if last_use[path] <= stop]:
        del current.inputs[path]
    parent = current.parent
    assert parent is not None
    parent.switch(stop)


class CalibrationStream:
    """One batch of calibration text on its way through the dense model and the pruned ones."""

    def __init__(
        self,
        batch: Batch,
        selection: bool,
        dense: ActivationState | None,
        pruned: list[ActivationState],
        forward: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.batch = batch
        self._forward = forward  # what passes run in
        self._readers = 0
        self.selection = selection  # its tokens select the strength α and fit no correction
        self._dense = dense  # None where no statistic asks for it
        self.pruned = pruned  # one a sparsity; empty where H is of the dense model's inputs

    @property
    def dense(self) -> ActivationState:
        """The dense model's state."""
        assert self._dense is not None
        return self._dense

    def inputs(self, index: int) -> ActivationState:
        """The state that the statistics of the sparsity at `index` are taken from."""
        return self.pruned[index] if self.pruned else self.dense

    @property
    def states(self) -> list[ActivationState]:
        """Those of all models."""
        return [*([] if self._dense is None else [self._dense]), *self.pruned]

    @property
    def waits(self) -> bool:
        """Whether its passes stay in memory between two groups."""
        return all(state.waits for state in self.states)

    @contextmanager
    def read(self) -> Iterator[None]:
        """A block in which the inputs of the next group are there, in every state."""
        self._readers += 1
        if self._readers == 1:
            with self._forward():
                for state in self.states:
                    state.enter()
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                for state in self.states:
                    state.leave()

    def close(self) -> None:
        """End all passes."""
        for state in self.states:
            state.close()


class StreamsInTurn(Sequence[CalibrationStream]):
    """Streams whose inputs are there while it is their turn in a loop."""

    def __init__(self, streams: Sequence[CalibrationStream]) -> None:
        self._streams = streams

    def __len__(self) -> int:
        return len(self._streams)

    def __getitem__(self, index: Any) -> Any:
        return self._streams[index]

    def __iter__(self) -> Iterator[CalibrationStream]:
        for stream in self._streams:
            with stream.read():
                yield stream


class InTurn(Sequence[Tensor | None]):
    """What is computed of the streams' inputs, each at its turn in a loop. It is computed once for
    streams whose passes wait, which have the memory for it.
    """

    def __init__(
        self,
        streams: Sequence[CalibrationStream],
        compute: Callable[[CalibrationStream], Tensor | None],
    ) -> None:
        self._streams, self._compute = streams, compute
        self._known: dict[int, Tensor | None] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def __getitem__(self, index: Any) -> Any:
        if index not in self._known:
            stream = self._streams[index]
            with stream.read():
                value = self._compute(stream)
            if not stream.waits:
                return value
            self._known[index] = value
        return self._known[index]

    def __iter__(self) -> Iterator[Tensor | None]:
        return (self[index] for index in range(len(self)))


def calibration_streams(
    victim: Victim,
    encoded: dict[str, list[list[int]]],
    max_tokens: int,
    pruned: Sequence[Victim],
    needs_dense: bool,
    waiting: float = math.inf,
    forward: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[CalibrationStream]:
    """The encoded calibration text in batches of at most `max_tokens` tokens, those of the
    selection sentences last, for the dense model, where it is needed, and the pruned ones.

    Passes of `waiting` tokens, all of a text where it is not longer, stay in memory between two
    groups. Passes that run later run in `forward()`.
    """
    sentences = range(len(encoded["input_ids"]))
    for selection in (False, True):
        indices = [
            i for i in sentences if (i % SELECTION_EVERY == SELECTION_EVERY - 1) is selection
        ]
        part = {name: [lists[i] for i in indices] for name, lists in encoded.items()}
        for batch in victim.encoded_batches(part, max_tokens):
            waiting -= batch.tokens
            dense, *states = (
                ActivationState(model.model, victim.architecture, batch, waiting >= 0)
                for model in (victim, *pruned)
            )
            yield CalibrationStream(
                batch, selection, dense if needs_dense else None, states, forward
            )
