"""Prune a victim block by block, each group of linears after the groups before it were pruned.

The dense model and one pruned model for every sparsity run side by side over the same streams of
real tokens. Within a block the order is q, k, v → attention output → intermediate → output, and the
statistics of a group are collected with all earlier groups pruned. The sparsities share the dense
model's forward pass and never see each other, so many in one pass equal as many passes.
"""

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from prunescope.engine.errors import SettingError
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import Progress
from prunescope.engine.pruning.activations import (
    GROUPS,
    CalibrationStream,
    calibration_streams,
    cls_embeddings,
)
from prunescope.engine.pruning.allocation import Shares
from prunescope.engine.pruning.checks import check_tokens, notices_of_zeros
from prunescope.engine.pruning.data_free import prune_without_text
from prunescope.engine.pruning.groups import (
    Group,
    GroupStatistics,
    SparsityRun,
    collect_statistics,
    dense_reference,
    factorise_statistics,
    prune_group,
    untouched_report,
)
from prunescope.engine.pruning.heads import retarget_heads
from prunescope.engine.pruning.importance import Importance, measure_importance, sample_stream
from prunescope.engine.pruning.memory import (
    halve_tokens,
    out_of_memory,
    retry_with_fewer_tokens,
    sparsities_at_once,
)
from prunescope.engine.pruning.plan import Plan, Pruned, level_name
from prunescope.engine.pruning.precision import forward_precision
from prunescope.engine.pruning.solvers import loss_curves
from prunescope.engine.pruning.targets import Factor, factorise

STREAM = 8192  # tokens that go through a layer together


@dataclass
class SharedMeasurements:
    """What is measured once for a victim, its calibration text and a plan, for every sparsity."""

    importance: Importance | None = None
    losses: dict[str, list[float]] | None = None  # by layer, at the allocation's grid


class LayerwisePruner:
    """Prunes one victim, with one calibration set and one plan, to any number of sparsities."""

    def __init__(
        self,
        victim: Victim,
        texts: Sequence[str],
        pairs: Sequence[str] | None,
        plan: Plan,
        shares: Shares,
        report: Progress,
        shared: SharedMeasurements,
    ) -> None:
        """Encode the text and measure what `shared` lacks.

        Raises SettingError for too little text.
        """
        if not texts:
            raise SettingError(
                f"The method {plan.method.name!r} needs calibration text; give at least a few "
                "hundred sentences."
            )
        self.victim, self.plan, self.shares = victim, plan, shares
        self.report, self.shared = report, shared
        self.blocks = victim.family.blocks(victim.model)
        self.encoded = victim.encode(texts, pairs)
        self.tokens = sum(len(ids) for ids in self.encoded["input_ids"])
        self.notices = list(check_tokens(victim, plan, self.tokens, len(texts)))
        if shared.importance is None and (plan.method.importance or plan.allocation != "uniform"):
            shared.importance = retry_with_fewer_tokens(
                lambda tokens: measure_importance(
                    victim, texts, pairs, report, stream_tokens=tokens
                ),
                sample_stream(victim.device),
                self.notices,
            )
        self.max_tokens = STREAM
        # groups of linears times sparsities: those done, the most that was reported, and all
        self.done, self.reported, self.total = 0, 0, 1

    def run(self, sparsities: Sequence[float]) -> Iterator[Pruned]:
        """The pruned models in order, as many at once as memory allows, fewer after it ran out."""
        self._allocate(sparsities)
        remaining, most = list(sparsities), len(sparsities)
        while remaining:
            if remaining[0] == 0:
                yield prune_without_text(self.victim, self.plan, self.shares, remaining.pop(0))
                continue
            most = min(most, sparsities_at_once(self.victim, self.tokens))
            batch, before = list(itertools.takewhile(bool, remaining))[:most], self.done
            try:
                runs = self._prune_together(batch)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                most, self.done = self._reduce_memory(len(batch), error), before
                continue
            for run in runs:
                remaining.pop(0)
                yield self._finished(run)

    def _allocate(self, sparsities: Sequence[float]) -> None:
        """Count the work ahead, and measure the layers' losses where the allocation needs them."""
        measured = self.plan.allocation == "uniform" or self.shared.losses is not None
        rounds = sum(map(bool, sparsities)) + (not measured)
        self.total = len(self.blocks) * len(GROUPS) * rounds
        if not measured:
            self.shared.losses = retry_with_fewer_tokens(
                self._losses, self.max_tokens, self.notices
            )
        if self.plan.allocation != "uniform" and self.shared.losses is not None:
            self.shares = replace(self.shares, losses=self.shared.losses)

    def _reduce_memory(self, sparsities: int, error: Exception) -> int:
        """How many sparsities to try at once after memory ran out; halves the streams once that is
        one. Raises SettingError where the streams cannot be shorter.
        """
        if self.victim.device.type == "cuda":
            torch.cuda.empty_cache()
        if sparsities > 1:
            self.notices.append(
                f"Memory ran out with {sparsities} sparsities at once; {sparsities // 2} are tried."
            )
            return sparsities // 2
        self.max_tokens = halve_tokens(self.max_tokens, self.notices, error)
        return 1

    # not inference_mode: the pruned weights must stay ordinary tensors, fit for training
    @torch.no_grad()
    def _prune_together(self, sparsities: Sequence[float]) -> list[SparsityRun]:
        """All sparsities in one pass over the calibration text."""
        runs = [
            SparsityRun(sparsity, self.shares.at(sparsity), copy.deepcopy(self.blocks))
            for sparsity in sparsities
        ]
        inputs = self._streams(len(runs) if self.plan.method.inputs == "sparse" else 0)
        for group in self._groups():
            self._prune_group(group, runs, inputs)
            self._advance(group, inputs, runs if self.plan.method.inputs == "sparse" else [])
        if self.plan.method.heads:
            dense = cls_embeddings([stream.dense for stream in inputs], inputs)
            for index, run in enumerate(runs):
                run.cls = dense, cls_embeddings([stream.pruned[index] for stream in inputs], inputs)
        self._report("pruned")
        return runs

    def _groups(self) -> Iterator[Group]:
        """The groups of linears of all blocks, in the order in which the model runs them."""
        for index, block in enumerate(self.blocks):
            for number in range(len(GROUPS)):
                yield Group(index, number, block)

    def _streams(self, pruned_models: int) -> list[CalibrationStream]:
        return list(calibration_streams(self.victim, self.encoded, self.max_tokens, pruned_models))

    def _prune_group(
        self, group: Group, runs: Sequence[SparsityRun], inputs: Sequence[CalibrationStream]
    ) -> None:
        """Prune a group in every run."""
        method, weight = self.plan.method, torch.cat(group.weights)
        identical = all(stream.identical for stream in inputs)
        drifted = method.target != "none" and not identical
        references = [
            dense_reference(method, weight, stream.dense) if drifted else None for stream in inputs
        ]
        token_weights = self._token_weights(group, inputs)
        statistics = factor = None
        for index, run in enumerate(runs):
            which = f", sparsity {index + 1}" if len(runs) > 1 else ""
            tick = partial(self._report, f"block {group.index + 1}: {' '.join(group.names)}{which}")
            self.done += 1
            if not any(run.shares[layer] for layer in group.layers):
                run.reports += map(untouched_report, group.layers, group.weights)
                continue
            if statistics is None or factor is None or not identical:  # else shared by all runs
                collect = partial(
                    collect_statistics, weight, inputs, references, index, method, token_weights
                )
                statistics, factor = self._factorised(collect, tick)
            prune_group(group, run, statistics, factor, self.plan, self.shared.importance, tick)

    def _factorised(
        self, collect: Callable[..., GroupStatistics], tick: Callable[[], None]
    ) -> tuple[GroupStatistics, Factor]:
        """The statistics and their factor, in float64 where single precision is too coarse."""
        statistics = collect(tick)
        factor = factorise_statistics(statistics.gram, self.plan.method)
        if self.plan.method.greedy and factor.coarse:
            statistics = collect(tick, double=True)
            factor = factorise_statistics(statistics.gram, self.plan.method)
        return statistics, factor

    def _token_weights(
        self, group: Group, inputs: Sequence[CalibrationStream]
    ) -> list[Tensor | None]:
        """ω of every token of every stream, None where all tokens count alike."""
        importance = self.shared.importance if self.plan.method.importance else None
        if importance is None:
            return [None] * len(inputs)
        device = group.weights[0].device
        return [importance.token_weights(group.layers, part.stream, device) for part in inputs]

    @torch.no_grad()
    def _losses(self, max_tokens: int) -> dict[str, list[float]]:
        """The loss of every layer if it alone were pruned, from the dense model's inputs; see
        `Shares`.
        """
        importance = self.shared.importance
        if importance is None:
            raise RuntimeError("losses of layers are compared by their importance")
        self.max_tokens, self.done = max_tokens, 0
        inputs, method = self._streams(0), self.plan.method
        losses: dict[str, list[float]] = {}
        for group in self._groups():
            tick = partial(self._report, f"block {group.index + 1}: losses")
            tick()
            self.done += 1
            no_references, token_weights = [None] * len(inputs), self._token_weights(group, inputs)
            statistics = collect_statistics(
                torch.cat(group.weights), inputs, no_references, 0, method, token_weights, tick
            )
            factor = factorise(statistics.gram.hessian(), method.damping)
            metrics = [importance.outputs[layer] for layer in group.layers]
            curves = loss_curves(group.weights, factor, metrics, tick)
            for layer, curve in zip(group.layers, curves, strict=True):
                losses[layer] = [importance.scale[layer] * loss for loss in curve]
            self._advance(group, inputs, [])
        return losses

    def _advance(
        self, group: Group, inputs: Sequence[CalibrationStream], runs: Sequence[SparsityRun]
    ) -> None:
        """Take every model through a group."""
        with forward_precision(self.plan.precision, self.victim.device):
            for stream in inputs:
                self._report(f"block {group.index + 1}: forward")
                lengths = stream.stream.lengths
                # No pruned models: the losses are being measured, on the dense model
                if self.plan.method.needs_dense or not stream.pruned:
                    stream.dense.advance(group.number, group.block, lengths)
                for state, run in zip(stream.pruned, runs, strict=True):
                    state.advance(group.number, run.blocks[group.index], lengths)

    def _report(self, stage: str) -> None:
        """Report how far the whole call is; never less than before, although a pass that ran out of
        memory begins again.
        """
        self.reported = max(self.reported, self.done)
        self.report(stage, self.reported, self.total)

    @torch.no_grad()
    def _finished(self, run: SparsityRun) -> Pruned:
        """A victim of its own with the weights of a run."""
        pruned = self.victim.copy()
        pruned.name = level_name(self.victim.name, run.sparsity)
        for source, block in zip(run.blocks, pruned.family.blocks(pruned.model), strict=True):
            for name, linear in block.linears.items():
                linear.weight, linear.bias = source.linears[name].weight, source.linears[name].bias
        if run.cls is not None:
            retarget_heads(self.victim, pruned, *run.cls)
        zeros = notices_of_zeros(self.victim, pruned, self.plan, run.reports, run.sparsity)
        notices = (*self.notices, *zeros)
        return Pruned(pruned, run.sparsity, tuple(run.reports), notices, run.seconds)
