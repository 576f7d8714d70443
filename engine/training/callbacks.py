"""What a training does around its steps, for trainings in which not simply all weights learn."""

from torch import Tensor, nn


class Course:
    """The ordinary course: every weight that may learn does, and nothing happens around a step.

    The calls of a step come in this order: `before`, forward and backward passes, `gathered`,
    clipping and the optimizer's step, `after`. A training that is taken up again calls `restore`
    with what `state` gave, once, before its first step.
    """

    tolerance = 2.0  # a mean loss above so many times that of guessing, ln(classes), is divergence

    def learning(self, model: nn.Module) -> dict[str, nn.Parameter]:
        """What the optimizer moves, by name."""
        return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}

    def before(self, step: int, steps: int) -> None:
        """Before the forward passes of a step, counted from 0."""

    def gathered(self) -> None:
        """The gradients are there and not clipped yet."""

    def after(self, step: int, steps: int) -> None:
        """So many steps are done."""

    def judged(self, step: int, steps: int) -> None:
        """Held-out rows will be read now."""

    def may_be_kept(self, step: int, steps: int) -> bool:
        """Whether early stopping may keep the weights of this step."""
        return True

    def finish(self) -> None:
        """The weights to keep are in place; nothing more will be trained."""

    def state(self) -> dict[str, Tensor]:
        """What decides the next steps beside the weights that learn."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state`; the weights that learn are in place."""
