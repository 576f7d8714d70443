"""What a training does around its steps, where not simply all weights are trained."""

from torch import Tensor, nn

from prunescope.engine.progress import Progress


class TrainerCallback:
    """The ordinary training: all weights with `requires_grad` are trained, nothing else happens.

    A step calls `on_step_begin`, forward and backward passes, `on_after_backward`, clipping and the
    optimizer's step, `on_step_end`. A training that resumes calls `restore` with what `state` gave,
    once, before its first step.
    """

    remedy = ""  # of a divergence, for people; empty: a lower learning rate
    tolerance = 2.0  # divergence: a mean loss above so many times that of guessing, ln(classes)

    def trainable(self, model: nn.Module) -> dict[str, nn.Parameter]:
        """What the optimizer moves, by name."""
        return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}

    def on_step_begin(self, step: int, steps: int) -> None:
        """Before the forward passes of a step, counted from 0."""

    def on_after_backward(self) -> None:
        """All gradients of a step are computed, and not clipped yet."""

    def on_step_end(self, step: int, steps: int) -> None:
        """So many steps are finished."""

    def score(self, report: Progress, progress: tuple[int, int]) -> tuple[float, float] | None:
        """(what is to rise, loss) by which early stopping goes, of the weights in place; None: the
        accuracy and mean cross-entropy of the held-out examples. `progress` is what is reported.
        """
        return None

    def best_in_words(self, best: tuple[int, float, float]) -> str:
        """The best check so far, (step, what is to rise, loss), in a few words."""
        return f"held-out {100 * best[1]:.1f} %"

    def on_evaluate(self, step: int, steps: int) -> None:
        """Before the held-out examples are evaluated."""

    def can_be_best(self, step: int, steps: int) -> bool:
        """Whether early stopping may return the weights of this step."""
        return True

    def on_train_end(self) -> None:
        """The weights to return are in place; nothing more is trained."""

    def state(self) -> dict[str, Tensor]:
        """What decides the next steps beside the trained weights."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state`; the trained weights are in place."""
