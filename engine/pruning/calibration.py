"""The calibration text of one pruning: its batches, how its tokens count, and its way through the
models.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from prunescope.engine.models.forward import Batch
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.activations import (
    CalibrationStream,
    StreamsInTurn,
    calibration_streams,
    pausing,
)
from prunescope.engine.pruning.groups import Group, collect_statistics
from prunescope.engine.pruning.importance import Importance
from prunescope.engine.pruning.memory import tokens_that_wait
from prunescope.engine.pruning.plan import Plan
from prunescope.engine.pruning.precision import forward_precision
from prunescope.engine.pruning.shared_blocks import shared_grams
from prunescope.engine.pruning.statistics import Gram


@dataclass
class Calibration:
    """The encoded text, with the victim that reads it and what decides how it counts."""

    victim: Victim
    encoded: dict[str, list[list[int]]]
    plan: Plan
    importance: Importance | None
    max_tokens: int  # of one batch; smaller after memory ran out
    report: Callable[[str], None]

    @property
    def tokens(self) -> int:
        """Number of calibration tokens."""
        return sum(len(ids) for ids in self.encoded["input_ids"])

    @contextmanager
    def streams(self, pruned: Sequence[Victim]) -> Iterator[list[CalibrationStream]]:
        """The text in the dense model, where a statistic needs it, and in pruned ones, at the first
        group; all passes end with the block.
        """
        method, architecture = self.plan.method, self.victim.architecture
        needs_dense = method.needs_dense or not pruned
        models = len(pruned) + needs_dense
        streams: list[CalibrationStream] = []
        with ExitStack() as stack:
            for victim in (self.victim, *pruned):
                stack.enter_context(pausing(victim.model, architecture, method.heads))
            for stream in calibration_streams(
                self.victim,
                self.encoded,
                self.max_tokens,
                pruned,
                needs_dense,
                tokens_that_wait(self.victim, self.tokens, models),
                partial(forward_precision, self.plan.precision, self.victim.device),
            ):
                stack.callback(stream.close)
                streams.append(stream)
            self.advance("embeddings", streams)
            yield streams

    def advance(self, after: str, streams: Sequence[CalibrationStream]) -> None:
        """Take every model to its next group."""
        with forward_precision(self.plan.precision, self.victim.device):
            for stream in streams:
                self.report(f"{after}: forward")
                for state in stream.states:
                    state.advance()
        stops = {state.stop for stream in streams for state in stream.states if state.waits}
        if len(stops) > 1:  # what the dry run saw of the order does not hold
            raise RuntimeError(f"passes of one model wait at different groups: {stops}")

    def token_weights(self, group: Group, batches: Sequence[Batch]) -> list[Tensor | None]:
        """ω of every token of every batch, None where all tokens count alike."""
        importance = self.importance if self.plan.method.importance else None
        if importance is None or not group.of_model.per_token:
            return [None] * len(batches)
        device = group.weights[0].device
        return [importance.token_weights(group.layers, batch, device) for batch in batches]

    def dense_grams(self, groups: Sequence[Group]) -> Iterator[Gram]:
        """The statistics of every group from the dense model's inputs, in order."""
        if self.victim.architecture.runs > 1:
            yield from self.shared_grams(groups)
            return
        with self.streams([]) as inputs:
            for group in groups:
                yield collect_statistics(
                    torch.cat(group.weights),
                    StreamsInTurn(inputs),
                    [None] * len(inputs),
                    0,
                    self.plan.method,
                    self.token_weights(group, [stream.batch for stream in inputs]),
                    partial(self.report, f"{group.block}: losses"),
                    second=group.second,
                ).gram
                self.advance(group.block, inputs)

    def shared_grams(self, groups: Sequence[Group]) -> list[Gram]:
        """The statistics of every group of blocks that share their weights."""
        return shared_grams(
            self.victim,
            groups,
            self.plan.method.centre,
            self.victim.encoded_batches(self.encoded, self.max_tokens),
            self.token_weights,
            partial(self.report, "statistics of shared blocks"),
        )
