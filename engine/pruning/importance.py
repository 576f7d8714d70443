"""How much each token and each output matters to the last [CLS] embedding, from gradients of the
dense model.

The classifier reads only the last [CLS]. With h that embedding, v a random direction of unit
variance and g_t = ∂ v·h / ∂y_t the gradient by a layer's output y at token t, an error e_t of that
output moves h by E_v (g_tᵀ e_t)² to first order. So M = E g_t g_tᵀ says which errors of the outputs
carry how far, together and not one by one: what the blocks after do not read costs nothing. ‖g_t‖²
weighs tokens, in the kinds first ([CLS]), last ([SEP]) and between. A sample of sentences is
enough: both are averages, and no label is used. With H the inputs' second moment, M ⊗ H is the
layer's Gauss-Newton matrix as K-FAC approximates it (Martens and Grosse, ICML 2015), with the
embedding in place of a loss. Where a linear has more outputs than inputs, in the intermediate
layer, only the diagonal of M is kept: behind a nonlinearity each, its outputs hardly stand in for
one another, and M would cost more than everything else.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor
from torch.nn import functional

from prunescope.engine.models.forward import Batch, differentiable, outputs_of, read_batch
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.pruning.precision import eigenvectors, in_double

SAMPLE = 512  # examples at least, where there are as many
# v for each of them: in the last block [CLS] alone has a gradient, so there they are all there is
DIRECTIONS = 4
# part of every token's weight that does not depend on its kind: it keeps the statistics of rank
FLOOR = 0.25
# the same for outputs: an estimate from a sample calls some directions free that are not
OUTPUT_FLOOR = 0.03
# tokens of a sample stream, by device: a backward pass keeps every activation
STREAM = {"cpu": 2048, "cuda": 8192}
KINDS = 3


@dataclass(frozen=True)
class OutputMetric:
    """How errors of a linear's outputs count: an error E (d_out, d_in) of its weights costs
    tr(M E H Eᵀ). Positive definite.
    """

    diagonal: Tensor  # (d_out,), the importance of every output
    matrix: Tensor | None = None  # M, (d_out, d_out); None: outputs count apart, M is the diagonal

    @classmethod
    def packed(cls, diagonal: Tensor, upper: Tensor) -> "OutputMetric":
        """The metric with this diagonal and what `pack_symmetric` made of the rest."""
        matrix = torch.diag(diagonal)
        rows, columns = _above_diagonal(matrix)
        matrix[rows, columns] = matrix[columns, rows] = upper.to(matrix)
        return cls(diagonal, matrix)

    def like(self, errors: Tensor) -> "OutputMetric":
        """The same in the precision and on the device of the errors it will measure."""
        if self.diagonal.dtype == errors.dtype and self.diagonal.device == errors.device:
            return self
        matrix = None if self.matrix is None else self.matrix.to(errors)
        return OutputMetric(self.diagonal.to(errors), matrix)

    def __call__(self, errors: Tensor) -> Tensor:
        """M E for (d_out, anything)."""
        return self.diagonal[:, None] * errors if self.matrix is None else self.matrix @ errors

    @cached_property
    def axes(self) -> tuple[Tensor, Tensor] | None:
        """Eigenvalues, ascending, and eigenvectors (d_out, d_out) of M scaled to unit diagonal;
        None where outputs are apart.
        """
        if self.matrix is None:
            return None
        scale = self.diagonal.sqrt()
        matrix = self.matrix / scale / scale[:, None]
        return eigenvectors(matrix)


@dataclass(frozen=True)
class Importance:
    """Weights of token kinds and the metric of outputs, by `block.module`. The means of both over
    tokens and outputs are 1.
    """

    kinds: dict[str, Tensor]  # (3,): first, last, between
    outputs: dict[str, OutputMetric]
    scale: dict[str, float]  # mean squared gradient of an output: compares layers with each other

    def token_weights(self, layers: Sequence[str], batch: Batch, device: torch.device) -> Tensor:
        """ω of every real token of a batch, (tokens,), for layers that share their inputs."""
        share = torch.stack([self.kinds[layer] for layer in layers]).mean(dim=0)
        weights: Tensor = (FLOOR + (1 - FLOOR) * share.to(device))[_kinds(batch, device)]
        return weights


def _kinds(batch: Batch, device: torch.device) -> Tensor:
    """0 for the first token of a sentence, 1 for the last, 2 between; (tokens,)."""
    ends = torch.tensor(list(itertools.accumulate(batch.lengths)), device=device)
    kinds = torch.full((batch.tokens,), 2, device=device)
    kinds[ends - 1] = 1
    kinds[ends - torch.tensor(batch.lengths, device=device)] = 0
    return kinds


def measure_importance(
    victim: Victim,
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    report: Progress = SILENT,
    sample: int = SAMPLE,
    stream_tokens: int | None = None,
) -> Importance:
    """Importance of the dense victim's tokens and outputs, over evenly spaced examples of the
    calibration text.

    Every k-th example is read, k = ⌊examples / sample⌋: all where there are fewer than 2 · `sample`
    of them, and from `sample` to 1.5 · `sample` where there are more.

    `stream_tokens` go through the model together, by default as many as suit the device. The random
    directions are drawn from generators of their own, so the result depends on victim and text
    only.
    """
    chosen = range(0, len(texts), max(1, len(texts) // sample))
    encoded = victim.encode(
        [texts[i] for i in chosen], [pairs[i] for i in chosen] if pairs else None
    )
    by_kind: dict[str, Tensor] = {}
    by_output: dict[str, Tensor] = {}
    moments: dict[str, Tensor] = {}
    coupled = {
        layer for layer, weight in victim.prunable().items() if weight.shape[0] <= weight.shape[1]
    }
    of_tokens = victim.architecture.token_layers
    counts = torch.zeros(KINDS, dtype=torch.float64)
    # one generator for each direction, so that the draws do not depend on how streams are cut
    generators = [torch.Generator().manual_seed(seed) for seed in range(DIRECTIONS)]
    max_tokens = stream_tokens or sample_stream(victim.device)
    for batch in victim.encoded_batches(encoded, max_tokens):
        kinds = _kinds(batch, victim.device)
        counts += torch.bincount(kinds, minlength=KINDS).cpu()
        for layer, gradient in _gradients(victim, batch, generators):
            report("importance of tokens and outputs", 0, 1)
            power = gradient.square()  # (tokens, d_out)
            # summed in float64 on the device: reading the sums back each time would cost more
            if layer in of_tokens:
                by_kind[layer] = by_kind.get(layer, 0) + in_double(
                    _of_kinds(power.sum(dim=1), kinds)
                )
            by_output[layer] = by_output.get(layer, 0) + in_double(power.sum(dim=0))
            if layer in coupled:
                moments[layer] = moments.get(layer, 0) + gradient.T @ gradient
    tokens = counts.sum()
    by_kind = {layer: sums.cpu() for layer, sums in by_kind.items()}
    by_output = {layer: sums.cpu() for layer, sums in by_output.items()}
    return Importance(
        {
            layer: _relative(sums / counts.clamp_min(1), sums.sum() / tokens)
            for layer, sums in by_kind.items()
        },
        {
            layer: _metric(sums, moments.get(layer), victim.device)
            for layer, sums in by_output.items()
        },
        {layer: float(sums.mean() / tokens / DIRECTIONS) for layer, sums in by_output.items()},
    )


def sample_stream(device: torch.device) -> int:
    """Tokens of a sample stream that suit a device."""
    return STREAM.get(device.type, STREAM["cpu"])


def _of_kinds(values: Tensor, kinds: Tensor) -> Tensor:
    """Sums of values (tokens,) by kind, (3,), in an order that is always the same."""
    if values.device.type == "cpu":
        return values.new_zeros(KINDS).index_add_(0, kinds, values)
    # `index_add_` adds in any order there
    return functional.one_hot(kinds, KINDS).to(values.dtype).T @ values


def _relative(values: Tensor, mean: Tensor) -> Tensor:
    """Values in units of their mean; all ones where nothing reaches the last [CLS]."""
    return (values / mean if mean > 0 else torch.ones_like(values)).float()


def _metric(sums: Tensor, moments: Tensor | None, device: torch.device) -> OutputMetric:
    """The metric from Σ g² and Σ g gᵀ over tokens, in units of the mean of its diagonal, with its
    floor.
    """
    mean = float(sums.mean())
    diagonal = (OUTPUT_FLOOR + (1 - OUTPUT_FLOOR) * _relative(sums, sums.mean())).to(device)
    if moments is None or mean <= 0:
        return OutputMetric(diagonal)
    matrix = (moments + moments.T) * ((1 - OUTPUT_FLOOR) / (2 * mean))
    return OutputMetric.packed(diagonal, pack_symmetric(matrix))


def pack_symmetric(matrix: Tensor) -> Tensor:
    """The entries of a symmetric matrix (d, d) above its diagonal, row by row, in half precision,
    which is what is stored of a metric: (d (d − 1) / 2,).
    """
    return matrix[_above_diagonal(matrix)].half()


def _above_diagonal(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The rows and the columns of the entries above the diagonal."""
    size = len(matrix)
    rows, columns = torch.triu_indices(size, size, offset=1, device=matrix.device)
    return rows, columns


def _gradients(
    victim: Victim, batch: Batch, generators: Sequence[torch.Generator]
) -> Iterator[tuple[str, Tensor]]:
    """`block.module` and the gradient of v·h by the layer's output, (tokens, d_out), v drawn by
    each generator in turn, h what the head reads.
    """
    outputs: list[tuple[str, Tensor]] = []
    architecture, model = victim.architecture, victim.model
    of_tokens = architecture.token_layers

    def keep(layer: str, output: Tensor) -> None:
        # A second run reads what is the same for every text, unless blocks share their weights
        if architecture.runs > 1 or all(layer != known for known, _ in outputs):
            outputs.append((layer, output))

    with torch.enable_grad(), ExitStack() as stack:
        stack.enter_context(differentiable(model))
        for layer, path in architecture.paths.items():
            linear = model.get_submodule(path)
            stack.enter_context(outputs_of(linear, partial(keep, layer)))
            if layer not in of_tokens:  # DeBERTa scales those in place, and gradients were lost
                copied = linear.register_forward_hook(lambda _linear, _args, output: output.clone())
                stack.callback(copied.remove)
        hidden = read_batch(model, architecture, batch)[1]  # (texts, width)
        for index, generator in enumerate(generators):
            directions = torch.randn(hidden.shape, generator=generator).to(hidden.device)
            more = index + 1 < len(generators)
            gradients = torch.autograd.grad(
                (hidden * directions).sum(), [output for _, output in outputs], retain_graph=more
            )
            for (layer, _), gradient in zip(outputs, gradients, strict=True):
                rows = batch.real(gradient) if layer in of_tokens else gradient.flatten(0, -2)
                yield layer, rows
