"""Recovery: what is left of a pruned model is tuned toward the dense model on texts without labels.

With h_l the output of block l, z what the head reads, p the answer, and d and s for dense and
pruned, a text's tokens are read by both models, and

    L = mean over l < blocks of ‖h_l^s − h_l^d‖² / spread(h_l^d)  over real tokens
      + ‖z^s − z^d‖² / spread(z^d) + KL(p^d ‖ p^s)

falls by Adam, with a rise and a cosine to 0. Removed weights stay exactly 0: they have no gradient,
so Adam's moments of them stay 0. Embeddings and head are the dense model's. With `block`, no
gradient passes from a block to the one before, so each follows its own output through its own
nonlinearity. `affine` tunes biases and the scales of norms alone. The error of z on held-out text
is checked on the way, and the weights of its least value are returned, which may be those before.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunescope.engine.data import Examples
from prunescope.engine.evaluation.measure import relative_error
from prunescope.engine.formatting import pluralize
from prunescope.engine.models.architecture import oddity_of
from prunescope.engine.models.forward import Batch, outputs_of
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.pruning.plan import Pruned
from prunescope.engine.training.callbacks import TrainerCallback
from prunescope.engine.training.checkpoint import forked_random_state
from prunescope.engine.training.loop import EncodedExamples, Training
from prunescope.engine.training.losses import Supervised
from prunescope.engine.training.recovery_spec import CHECKS, PATIENCE, PRECISION, Recovery
from prunescope.engine.training.spec import TrainSpec

PARTS = 2  # of a step, read one after the other, so that it can be stopped within
TERMS = 3.0  # the loss of a model whose every state is the mean, roughly: it has three terms


def recover(
    dense: Victim,
    pruned: Pruned,
    texts: Examples,
    held_out: Examples,
    recovery: Recovery,
    key: str,
    keep: Path | None = None,
    report: Progress = SILENT,
) -> Pruned:
    """Tune a pruned victim in place, and return it with a notice of what came of it.

    Labels are not read. A run that was cut short leaves a checkpoint of the training `key` at
    `keep`, and the same call goes on from it to the same bytes. The error of what the head reads,
    on held-out text, is never larger than before. Raises TrainingDiverged, and StoreError where
    `keep` cannot be written.
    """
    victim = pruned.victim
    before = {name: value.clone() for name, value in victim.model.state_dict().items()}
    expected = dense.read(held_out.texts, held_out.pairs)[1]

    def error() -> float:
        return relative_error(expected, victim.read(held_out.texts, held_out.pairs)[1])

    start = error()
    rows, others = _encoded(dense, texts), _encoded(dense, held_out)
    with ExitStack() as stack:
        stack.enter_context(forked_random_state(str(victim.device)))
        stack.enter_context(_learning(victim, recovery.kind))
        outputs = stack.enter_context(_watched(victim, apart=recovery.kind == "block"))
        matching = _Matching(dense, rows, outputs, _spreads(dense, others))
        training = Training(
            victim.model,
            _spec(recovery, len(texts)),
            replace(rows, supervised=matching.supervised, guessing=TERMS),
            others,
            key,
            device=str(victim.device),
            precision=PRECISION if oddity_of(victim.model.config).bf16 else "fp32",
            keep=keep,
            callback=_FixedZeros(victim, error),
        )
        done = training.run(report)
    assert done.best is not None  # the last step is always checked
    end = done.best[2]
    if end >= start:
        victim.model.load_state_dict(before)
        end = start
    if keep is not None:
        keep.unlink(missing_ok=True)
    notice = (
        f"Tuned without labels ({recovery.kind}) for {pluralize(done.steps, 'step')} on "
        f"{pluralize(len(texts), 'text')}: the error of what the head reads, on held-out text, "
        f"went from {start:.3f} to {end:.3f}."
    )
    return replace(pruned, notices=(*pruned.notices, notice))


def _spec(recovery: Recovery, texts: int) -> TrainSpec:
    """The recovery as a training over so many texts."""
    a_pass = -(-texts // recovery.texts)
    return TrainSpec(
        "recovery",
        recovery.seed,
        recovery.rate,
        epochs=recovery.steps / a_pass,
        batch_size=recovery.texts,
        accumulation=min(PARTS, recovery.texts),
        optimizer="adam",
        weight_decay=0.0,
        schedule="cosine",
        rank=0,
        patience=PATIENCE,
        checks=a_pass * CHECKS / recovery.steps,
    )


def _encoded(victim: Victim, texts: Examples) -> EncodedExamples:
    """Texts as a training takes them, without labels."""
    ids = victim.encode(texts.texts, texts.pairs)
    return EncodedExamples(ids, (0,) * len(texts), victim.pad_id)


@contextmanager
def _learning(victim: Victim, kind: str) -> Iterator[None]:
    """Only what a recovery of this kind tunes has gradients."""
    flags = {name: weight.requires_grad for name, weight in victim.model.named_parameters()}
    victim.model.requires_grad_(False)
    for block in victim.architecture.modules(victim.model):
        for weight in block.parameters():
            weight.requires_grad_(kind != "affine" or weight.dim() < 2)
    try:
        yield
    finally:
        for name, weight in victim.model.named_parameters():
            weight.requires_grad_(flags[name])
            weight.grad = None


@contextmanager
def _watched(victim: Victim, apart: bool = False) -> Iterator[list[Tensor]]:
    """What blocks and body put out in the newest pass, (texts, longest, width) each. With `apart`,
    no gradient passes from a block to the one before.
    """
    outputs: list[Tensor] = []
    model, architecture = victim.model, victim.architecture
    with ExitStack() as stack:
        anew = model.register_forward_pre_hook(lambda _model, _inputs: outputs.clear())
        stack.callback(anew.remove)
        for block in architecture.modules(model):
            stack.enter_context(outputs_of(block, outputs.append))
            if apart:
                hook = block.register_forward_pre_hook(_cut, with_kwargs=True)
                stack.callback(hook.remove)
        stack.enter_context(outputs_of(model.get_submodule(architecture.body), outputs.append))
        yield outputs


def _cut(
    _block: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The inputs of a block without what they were computed from."""

    def alone(value: Any) -> Any:
        return value.detach() if isinstance(value, Tensor) else value

    return tuple(map(alone, inputs)), {name: alone(value) for name, value in named.items()}


class _FixedZeros(TrainerCallback):
    """Tunes the weights that are not 0, without dropout, until the error on held-out text no longer
    falls.
    """

    # its learning rate is no setting
    remedy = "prune less, hold out more texts, or choose another `recover`"
    tolerance = 5.0  # of a model that is pruned far, before it is tuned

    def __init__(self, victim: Victim, error: Callable[[], float]) -> None:
        self._model, self._error = victim.model, error
        parameters = [linear.parameter for linear in victim.linears().values()]
        self._masks = [
            (weight, (weight != 0).to(weight)) for weight in parameters if weight.requires_grad
        ]

    def on_step_begin(self, step: int, steps: int) -> None:
        """Switch dropout off: both models are to read the same."""
        self._model.eval()

    @torch.no_grad()
    def on_after_backward(self) -> None:
        """Removed weights have no gradient, so Adam leaves them exactly 0."""
        for weight, mask in self._masks:
            if weight.grad is not None:
                weight.grad.mul_(mask)

    def score(self, report: Progress, progress: tuple[int, int]) -> tuple[float, float]:
        """The error of what the head reads, on held-out text."""
        report("check held-out text", *progress)
        error = self._error()
        return -error, error

    def best_in_words(self, best: tuple[int, float, float]) -> str:
        """The least error so far."""
        return f"held-out error {best[2]:.3f}"


@dataclass(frozen=True, slots=True)
class _Matching:
    """The loss of a pruned model against the dense one."""

    dense: Victim
    rows: EncodedExamples
    outputs: list[Tensor]  # of the pruned model's newest pass, see `_watched`
    spreads: list[float]  # of what each block puts out, and of what the head reads

    def supervised(self, part: list[int], _rows: list[int]) -> Supervised:
        """The loss of a part of a step's texts."""

        def loss(logits: Tensor, _labels: Tensor, _spec: TrainSpec) -> Tensor:
            # the dense model reads them padded alike
            inputs, _ = self.rows.batch(part, str(self.dense.device))
            lengths = tuple(self.rows.lengths[row] for row in part)
            batch = Batch(inputs, lengths, tuple(part), self.rows.pad_id)
            with torch.no_grad(), _watched(self.dense) as expected:
                answers = self.dense.model(**inputs).logits
            errors = _errors(self.dense, batch, expected, self.outputs, self.spreads)
            hidden, read = errors[:-1], errors[-1]
            divergence = functional.kl_div(
                logits.float().log_softmax(dim=1),
                answers.float().log_softmax(dim=1),
                reduction="batchmean",
                log_target=True,
            )
            return sum(hidden, torch.zeros_like(read)) / max(1, len(hidden)) + read + divergence

        return loss


def _of_tokens(victim: Victim, batch: Batch, outputs: Sequence[Tensor]) -> list[Tensor]:
    """What all blocks but the last put out, over real tokens, and what the head reads, (rows,
    width) each: of the last block's output, only that counts.
    """
    *blocks, _, last = outputs
    hidden = [batch.real(output).float() for output in blocks]
    return [*hidden, batch.read(last, victim.architecture.reads).float()]


def _errors(
    victim: Victim,
    batch: Batch,
    expected: Sequence[Tensor],
    outputs: Sequence[Tensor],
    spreads: Sequence[float],
) -> list[Tensor]:
    """‖s − d‖² / spread(d) a row, of everything in `_of_tokens`."""
    pairs = zip(
        _of_tokens(victim, batch, expected), _of_tokens(victim, batch, outputs), strict=True
    )
    return [
        (ours - theirs).square().sum(dim=1).mean() / spread
        for (theirs, ours), spread in zip(pairs, spreads, strict=True)
    ]


@torch.no_grad()
def _spreads(dense: Victim, rows: EncodedExamples) -> list[float]:
    """‖d − mean(d)‖² a row of the dense model on held-out text, of everything in `_of_tokens`."""
    values: list[list[Tensor]] = []
    for batch in dense.encoded_batches(rows.ids):
        with _watched(dense) as outputs:
            dense.model(**batch.inputs)
        values.append([value.double() for value in _of_tokens(dense, batch, outputs)])
    joined = [torch.cat(parts) for parts in zip(*values, strict=True)]
    # where all texts are alike, any unit will do
    return [float(value.var(dim=0, correction=0).sum()) or 1.0 for value in joined]
