"""The training loop: steps, early stopping on held-out examples, checkpoints, exact resume, and a
stop where it diverges.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from prunescope.engine.errors import InterruptedStudy, TrainingDiverged
from prunescope.engine.models.tokens import pad_rows
from prunescope.engine.progress import Progress, defer_signals
from prunescope.engine.training import checkpoint
from prunescope.engine.training.batches import Passes
from prunescope.engine.training.callbacks import TrainerCallback
from prunescope.engine.training.losses import LOSSES, Supervised, cross_entropy
from prunescope.engine.training.spec import TrainSpec

BETWEEN = 60.0  # seconds between checkpoints
RECENT = 50  # steps whose mean loss is shown and watched
BETAS, EPSILON = (0.9, 0.999), 1e-8


@dataclass(frozen=True, slots=True)
class EncodedExamples:
    """Tokenized examples with their labels."""

    ids: dict[str, list[list[int]]]
    labels: tuple[int, ...]
    pad_id: int
    # of a part of a step's rows
    supervised: Callable[[list[int], list[int]], Supervised] = lambda part, rows: cross_entropy
    guessing: float = 0.0  # mean loss of a model that guesses, where it is above ln(classes)

    @property
    def lengths(self) -> list[int]:
        """Tokens of every example."""
        return [len(ids) for ids in self.ids["input_ids"]]

    def batch(self, rows: list[int], device: str) -> tuple[dict[str, Tensor], Tensor]:
        """(padded inputs (rows, longest), labels (rows,)) on the device."""
        inputs = pad_rows(
            {name: [lists[i] for i in rows] for name, lists in self.ids.items()},
            self.pad_id,
            device,
        )
        return inputs, torch.tensor([self.labels[i] for i in rows], device=device)


@dataclass(frozen=True, slots=True)
class Trained:
    """The outcome of a training."""

    steps: int
    final_loss: float  # mean of the last hundred steps
    # (step, accuracy, loss) of the best check; its weights were kept
    best: tuple[int, float, float] | None
    stopped: bool  # before its end, for lack of improvement


def rate_at(spec: TrainSpec, step: int, steps: int) -> float:
    """The learning rate of a step, counted from 0: a rise over the warm-up, then the schedule."""
    rise = max(1, round(steps * spec.warmup))
    if step < rise:
        return spec.learning_rate * (step + 1) / rise
    done = (step - rise + 1) / (steps - rise + 1)
    share = {"linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2, "constant": 1.0}[
        spec.schedule
    ]
    return spec.learning_rate * share


def optimizer_of(spec: TrainSpec, weights: list[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer with the spec's settings; its rate is set anew at every step."""
    if spec.optimizer == "sgd":
        return torch.optim.SGD(
            weights, lr=0.0, momentum=spec.momentum, weight_decay=spec.weight_decay
        )
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[spec.optimizer]
    optimizer: torch.optim.Optimizer = kind(
        weights, lr=0.0, betas=BETAS, eps=EPSILON, weight_decay=spec.weight_decay
    )
    return optimizer


class Training:
    """One training, which can stop and resume between any two steps with the same result."""

    def __init__(
        self,
        model: nn.Module,
        spec: TrainSpec,
        rows: EncodedExamples,
        held_out: EncodedExamples | None,
        key: str,
        *,
        device: str = "cpu",
        precision: str = "fp32",
        keep: Path | None = None,
        callback: TrainerCallback | None = None,
    ) -> None:
        self._model, self._spec, self._rows, self._held_out = model, spec, rows, held_out
        self._key, self._device, self._precision, self._keep = key, device, precision, keep
        self._callback = callback or TrainerCallback()
        self._weights = self._callback.trainable(model)
        self._optimizer = optimizer_of(spec, list(self._weights.values()))
        self._passes = Passes(rows.lengths, spec.batch_size, spec.seed)
        a_pass = -(-len(rows.labels) // spec.batch_size)
        self.steps = max(1, round(spec.epochs * a_pass))
        self._every = max(1, round(a_pass / spec.checks))
        self._step, self._checked, self._losses = 0, 0, deque[float](maxlen=100)
        self._best: tuple[int, float, float] | None = None
        self._best_weights: dict[str, Tensor] = {}
        # (place, random states) before an unfinished step
        self._begun: tuple[list[object], dict[str, Tensor]] | None = None
        self._limit = self._callback.tolerance * max(
            math.log(max(*rows.labels, 1) + 1), rows.guessing
        )
        # (when, rows)
        self._recent: deque[tuple[float, int]] = deque([(time.monotonic(), 0)], maxlen=20)

    def run(self, report: Progress) -> Trained:
        """Train to the end, or until early stopping; the model then holds the weights to return.

        Raises TrainingDiverged; InterruptedStudy from `report`, and a signal anywhere, leaves a
        checkpoint of the last finished step where there is a place for one.
        """
        self._resume()
        last = time.monotonic()
        try:
            while True:
                if self._check_is_due():
                    self._check(report)
                report(self._status(), self._step, self.steps)
                if self._step == self.steps or self._stale():
                    break
                if self._step and time.monotonic() - last > BETWEEN:
                    self._save()
                    last = time.monotonic()
                self._one_step(report)
        except (InterruptedStudy, KeyboardInterrupt):
            with defer_signals():
                self._leave_step()
                self._save()
            raise
        stopped = self._step < self.steps
        self._restore(self._best_weights)
        self._watch_weights()
        self._callback.on_train_end()
        return Trained(self._step, sum(self._losses) / len(self._losses), self._best, stopped)

    def _one_step(self, report: Progress) -> None:
        self._model.train()
        self._begun = (self._passes.place(), checkpoint.random_states())
        self._callback.on_step_begin(self._step, self.steps)
        rows, loss = self._passes.take(), 0.0
        piece = -(-len(rows) // self._spec.accumulation)
        for start in range(0, len(rows), piece):
            part = rows[start : start + piece]
            inputs, labels = self._rows.batch(part, self._device)
            with self._forward():
                loss += LOSSES[self._spec.adversarial](
                    self._model,
                    inputs,
                    labels,
                    self._spec,
                    len(part) / len(rows),
                    self._rows.supervised(part, rows),
                )
            if start + piece < len(rows):
                report(self._status(), self._step, self.steps)
        self._callback.on_after_backward()
        norm = float(nn.utils.clip_grad_norm_(self._weights.values(), self._spec.clip))
        self._watch(loss, norm)
        for group in self._optimizer.param_groups:
            group["lr"] = rate_at(self._spec, self._step, self.steps)
        with defer_signals():  # weights, moments and the count of steps change together
            self._optimizer.step()
            self._optimizer.zero_grad()
            self._losses.append(loss)
            self._step += 1
            self._callback.on_step_end(self._step, self.steps)
            self._begun = None
        self._recent.append((time.monotonic(), len(rows)))

    def _leave_step(self) -> None:
        """Return to the state before an unfinished step: no weight has moved yet, but examples were
        taken and random numbers drawn.

        What `on_step_begin` does follows from the trained weights, so repeating it changes nothing.
        """
        if self._begun is not None:
            position, states = self._begun
            self._passes.go_to(position)
            checkpoint.set_random_states(states)
            self._begun = None

    def _forward(self) -> AbstractContextManager[Any]:
        if self._precision == "fp32":
            return nullcontext()
        return torch.autocast(self._device.split(":")[0], torch.bfloat16)

    def _watch(self, loss: float, norm: float) -> None:
        """Divergence: a loss or gradient that is no number, or a mean loss above twice (see
        `TrainerCallback`) that of guessing.
        """
        recent = list(self._losses)[-RECENT:]
        mean = sum(recent) / len(recent) if len(recent) == RECENT else 0.0
        if math.isfinite(loss) and math.isfinite(norm) and mean <= self._limit:
            return
        finite = math.isfinite(loss) and math.isfinite(norm)
        symptom = (
            f"its mean loss is {mean:.2f}"
            if finite
            else f"its loss is {loss:g}, its gradient's norm {norm:g}"
        )
        raise self._diverged(self._step + 1, symptom)

    def _watch_weights(self) -> None:
        """Divergence that no loss has shown yet: weights that the last step made infinite are
        neither kept nor returned.
        """
        if not all(bool(weight.isfinite().all()) for weight in self._weights.values()):
            raise self._diverged(self._step, "its weights are no longer finite")

    def _diverged(self, step: int, symptom: str) -> TrainingDiverged:
        last_checkpoint = (
            f" The last checkpoint is {self._keep}."
            if self._keep is not None and self._keep.is_file()
            else ""
        )
        lower = f"lower the learning rate {self._spec.learning_rate:g}"
        return TrainingDiverged(
            f"{self._spec.name} diverged at step {step} of {self.steps}: {symptom}; "
            f"{self._callback.remedy or lower}.{last_checkpoint}"
        )

    def _check_is_due(self) -> bool:
        if (
            not self._spec.patience
            or self._checked == self._step
            or not self._callback.can_be_best(self._step, self.steps)
        ):
            return False
        return self._step % self._every == 0 or self._step == self.steps

    def _check(self, report: Progress) -> None:
        self._callback.on_evaluate(self._step, self.steps)
        progress = (self._step, self.steps)
        scored = self._callback.score(report, progress)
        if scored is None:
            assert self._held_out is not None
            scored = held_out_score(self._model, self._held_out, self._device, report, progress)
        accuracy, loss = scored
        with defer_signals():  # that it was checked, and what is kept of it
            self._checked = self._step
            if self._best is None or (accuracy, -loss) > (self._best[1], -self._best[2]):
                self._best = (self._step, accuracy, loss)
                self._best_weights = {
                    name: weight.detach().clone() for name, weight in self._weights.items()
                }

    def _stale(self) -> bool:
        """Whether the best check lies too many checks back."""
        return (
            self._best is not None
            and self._step - self._best[0] >= self._spec.patience * self._every
        )

    def _status(self) -> str:
        recent = list(self._losses)[-RECENT:]
        loss = f"loss {sum(recent) / len(recent):.3f}, " if recent else ""
        best = f"{self._callback.best_in_words(self._best)}, " if self._best else ""
        spent = self._recent[-1][0] - self._recent[0][0]
        pace = (
            f"{sum(rows for _, rows in list(self._recent)[1:]) / spent:.0f} rows/s"
            if spent > 0
            else ""
        )
        return f"{self._spec.name}: {loss}{best}{pace}".rstrip(", ")

    def _save(self) -> None:
        if self._keep is None:
            return
        self._watch_weights()
        moments = {
            f"{number}/{name}": torch.as_tensor(value)
            for number, state in self._optimizer.state_dict()["state"].items()
            for name, value in state.items()
            if value is not None
        }
        about = {
            "step": self._step,
            "checked": self._checked,
            "place": self._passes.place(),
            "losses": list(self._losses),
            "best": self._best,
        }
        weights = {name: weight.detach() for name, weight in self._weights.items()}
        checkpoint.save(
            self._keep,
            self._key,
            checkpoint.TrainingState(
                about, weights, moments, self._best_weights, self._callback.state()
            ),
        )

    def _resume(self) -> None:
        checkpointed = None if self._keep is None else checkpoint.load(self._keep, self._key)
        if checkpointed is None:
            return
        self._restore(checkpointed.weights)
        state = self._optimizer.state_dict()
        for name, value in checkpointed.optimizer.items():
            number, _, moment = name.partition("/")
            state["state"].setdefault(int(number), {})[moment] = value
        self._optimizer.load_state_dict(state)
        self._step, self._checked = (
            int(checkpointed.about["step"]),
            int(checkpointed.about["checked"]),
        )
        self._passes.go_to(checkpointed.about["place"])
        self._losses.extend(checkpointed.about["losses"])
        self._best = tuple(checkpointed.about["best"]) if checkpointed.about["best"] else None
        self._best_weights = {
            name: value.to(self._device) for name, value in checkpointed.best.items()
        }
        self._callback.restore(
            {name: value.to(self._device) for name, value in checkpointed.callback.items()}
        )

    @torch.no_grad()
    def _restore(self, weights: dict[str, Tensor]) -> None:
        for name, value in weights.items():
            self._weights[name].copy_(value)


@torch.inference_mode()
def held_out_score(
    model: nn.Module,
    rows: EncodedExamples,
    device: str,
    report: Progress,
    progress: tuple[int, int],
    size: int = 64,
) -> tuple[float, float]:
    """(accuracy, mean cross-entropy) of held-out examples; `place` is what the reporter is told
    meanwhile.
    """
    model.eval()
    order = sorted(range(len(rows.labels)), key=rows.lengths.__getitem__)
    right, loss = 0, 0.0
    for start in range(0, len(order), size):
        inputs, labels = rows.batch(order[start : start + size], device)
        logits = model(**inputs).logits.float()
        right += int((logits.argmax(dim=1) == labels).sum())
        loss += float(nn.functional.cross_entropy(logits, labels, reduction="sum"))
        report("check held-out rows", *progress)
    return right / len(order), loss / len(order)
