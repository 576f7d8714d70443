"""Prune a victim block by block, each group of linears after the groups before it were pruned.

The dense model and one pruned model for every sparsity run side by side over the same batches, and
statistics are collected over real tokens. The groups come in the order in which the model runs
them, and the statistics of each are collected with all earlier ones pruned. The sparsities share
the dense model's forward pass and never see each other, so many in one pass equal as many passes.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch

from prunescope.engine.errors import SettingError
from prunescope.engine.models.forward import device_tokens
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import Progress
from prunescope.engine.pruning.activations import CalibrationStream, InTurn, StreamsInTurn
from prunescope.engine.pruning.allocation import Shares
from prunescope.engine.pruning.calibration import Calibration
from prunescope.engine.pruning.checks import check_tokens, notices_of_architecture, notices_of_zeros
from prunescope.engine.pruning.data_free import prune_without_text
from prunescope.engine.pruning.groups import (
    Group,
    GroupStatistics,
    SparsityRun,
    collect_statistics,
    dense_reference,
    factorise_statistics,
    groups_of,
    prune_group,
    untouched_report,
)
from prunescope.engine.pruning.heads import retarget
from prunescope.engine.pruning.importance import measure_importance, sample_stream
from prunescope.engine.pruning.measurements import LossCurves, SharedMeasurements, measures
from prunescope.engine.pruning.memory import (
    halve_tokens,
    out_of_memory,
    retry_with_fewer_tokens,
    sparsities_at_once,
)
from prunescope.engine.pruning.plan import Plan, Pruned, level_name
from prunescope.engine.pruning.solvers import loss_curves
from prunescope.engine.pruning.targets import Factor, factorise


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
        self.groups = groups_of(victim)
        # groups of linears times sparsities: those done, the most that was reported, and all
        self.done, self.reported, self.total = 0, 0, 1
        encoded, most = victim.encode(texts, pairs), device_tokens(victim.device)
        self.text = Calibration(victim, encoded, plan, shared.importance, most, self._report)
        self.notices = [
            *check_tokens(victim, plan, self.text.tokens, len(texts)),
            *notices_of_architecture(victim, plan),
        ]
        if shared.importance is None and measures(plan):
            shared.importance = retry_with_fewer_tokens(
                lambda tokens: measure_importance(
                    victim, texts, pairs, report, stream_tokens=tokens
                ),
                sample_stream(victim.device),
                self.notices,
            )
            shared.measured()
        self.text.importance = shared.importance

    def run(self, sparsities: Sequence[float]) -> Iterator[Pruned]:
        """The pruned models in order, as many at once as memory allows, fewer after it ran out."""
        self._allocate(sparsities)
        remaining, most = list(sparsities), len(sparsities)
        while remaining:
            if remaining[0] == 0:
                yield prune_without_text(self.victim, self.plan, self.shares, remaining.pop(0))
                continue
            most = min(most, sparsities_at_once(self.victim, self.text.tokens))
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
        self.total = len(self.groups) * rounds
        if not measured:
            self.shared.losses = retry_with_fewer_tokens(
                self._losses, self.text.max_tokens, self.notices
            )
            self.shared.measured()
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
        self.text.max_tokens = halve_tokens(self.text.max_tokens, self.notices, error)
        return 1

    # not inference_mode: the pruned weights must stay ordinary tensors, fit for training
    @torch.no_grad()
    def _prune_together(self, sparsities: Sequence[float]) -> list[SparsityRun]:
        """All sparsities in one pass over the calibration text."""
        method = self.plan.method
        runs = [
            SparsityRun(sparsity, self.shares.at(sparsity), self.victim.copy(own=()))
            for sparsity in sparsities
        ]
        if self.victim.architecture.runs > 1:
            self._prune_shared(runs)
            return runs
        pruned = [run.victim for run in runs] if method.inputs == "sparse" else []
        with self.text.streams(pruned) as inputs:
            identical = True  # whether every pruned model still has the dense model's activations
            for group in self.groups:
                self._prune_group(group, runs, inputs, identical)
                identical = identical and not any(
                    run.shares[layer] for run in runs for layer in group.layers
                )
                self.text.advance(group.block, inputs)
            for path in self.victim.architecture.heads if method.heads else ():
                self._retarget(path, runs, inputs)
                self.text.advance("head", inputs)
        self._report("pruned")
        return runs

    def _prune_shared(self, runs: Sequence[SparsityRun]) -> None:
        """Prune blocks that share their weights, from what the dense model's linears read in all of
        their runs: no run's input is known before all are pruned, so there is no drift to correct.
        """
        grams = self.text.shared_grams(self.groups)
        for group, gram in zip(self.groups, grams, strict=True):
            statistics = GroupStatistics(torch.cat(group.weights).float(), gram, None, None)
            factor = factorise_statistics(gram, self.plan.method)
            for run in runs:
                self.done += 1
                tick = partial(self._report, group.title)
                if any(run.shares[layer] for layer in group.layers):
                    prune_group(
                        group, run, statistics, factor, self.plan, self.shared.importance, tick
                    )
                else:
                    run.reports += map(untouched_report, group.layers, group.weights)

    def _prune_group(
        self,
        group: Group,
        runs: Sequence[SparsityRun],
        inputs: Sequence[CalibrationStream],
        identical: bool,
    ) -> None:
        """Prune a group in every run."""
        method, weight = self.plan.method, torch.cat(group.weights)
        drifted = method.target != "none" and not identical
        references = InTurn(
            inputs,
            lambda stream: dense_reference(method, weight, stream.dense) if drifted else None,
        )
        token_weights = self.text.token_weights(group, [stream.batch for stream in inputs])
        statistics = factor = None
        for index, run in enumerate(runs):
            which = f", sparsity {index + 1}" if len(runs) > 1 else ""
            tick = partial(self._report, f"{group.title}{which}")
            self.done += 1
            if not any(run.shares[layer] for layer in group.layers):
                run.reports += map(untouched_report, group.layers, group.weights)
                continue
            if statistics is None or factor is None or not identical:  # else shared by all runs
                collect = partial(
                    collect_statistics,
                    weight,
                    StreamsInTurn(inputs),
                    references,
                    index,
                    method,
                    token_weights,
                    second=group.second,
                )
                statistics, factor = self._factorised(collect, tick)
            prune_group(group, run, statistics, factor, self.plan, self.shared.importance, tick)

    def _retarget(
        self, path: str, runs: Sequence[SparsityRun], inputs: Sequence[CalibrationStream]
    ) -> None:
        """Re-target a linear of the head in every run."""
        streams = StreamsInTurn(inputs)
        dense = torch.cat([stream.dense.x for stream in streams])  # (sentences, d_in)
        for index, run in enumerate(runs):
            pruned = torch.cat([stream.pruned[index].x for stream in streams])
            linear = run.victim.model.get_submodule(path)
            retarget(linear, dense.float(), pruned.float())

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

    @torch.no_grad()
    def _losses(self, max_tokens: int) -> LossCurves:
        """The loss of every layer if it alone were pruned, from the dense model's inputs; see
        `Shares`.
        """
        importance = self.shared.importance
        if importance is None:
            raise RuntimeError("losses of layers are compared by their importance")
        self.text.max_tokens, self.done = max_tokens, 0
        losses: LossCurves = {}
        for group, gram in zip(self.groups, self.text.dense_grams(self.groups), strict=True):
            self.done += 1
            factor = factorise(gram.hessian(), self.plan.method.damping)
            metrics = [importance.outputs[layer] for layer in group.layers]
            tick = partial(self._report, f"{group.block}: losses")
            curves = loss_curves(group.weights, factor, metrics, tick)
            for layer, curve in zip(group.layers, curves, strict=True):
                losses[layer] = [importance.scale[layer] * loss for loss in curve]
        return losses

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
        dense = self.victim.linears()
        for layer, linear in pruned.linears().items():
            linear.take(run.linears[layer], dense[layer])
        if self.plan.method.heads:
            for path in self.victim.architecture.heads:
                target = pruned.model.get_submodule(path)
                target.weight = run.victim.model.get_submodule(path).weight
        zeros = notices_of_zeros(self.victim, pruned, self.plan, run.reports, run.sparsity)
        notices = (*self.notices, *zeros)
        return Pruned(pruned, run.sparsity, tuple(run.reports), notices, run.seconds)
