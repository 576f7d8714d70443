"""The pruning methods by name, and what each of them does."""

from dataclasses import dataclass

from engine.errors import SettingError


@dataclass(frozen=True, slots=True)
class Method:
    """What a method does with a layer; all of it decides the result, so all of it enters the key of a study."""

    name: str
    about: str
    solver: str  # "blocked" or "magnitude"
    alpha: float | None = 0.0  # strength of the correction of earlier layers' error; None: chosen per layer
    residual: bool = False  # correct the residual stream's drift as well
    refit_steps: int = 0  # conjugate-gradient steps on the survivors
    damping: float = 0.01  # share of the mean diagonal of H


METHODS = {
    method.name: method
    for method in (
        Method(
            "adaptive",
            "Each layer is re-targeted to the dense model's output before it is pruned, so it corrects the error that the "
            "pruned layers before it have piled up; the survivors are refitted.",
            "blocked", alpha=None, residual=True, refit_steps=10,
        ),
        Method(
            "sequential",
            "The same pipeline with the correction off: statistics from the pruned layers before it, but each layer only "
            "tries to keep its own weights' output (SparseGPT, sequential).",
            "blocked", refit_steps=10,
        ),
        Method("magnitude", "The smallest weights of each layer are removed; no data is used.", "magnitude"),
    )
}  # fmt: skip


def method_named(name: str) -> Method:
    """The method of that name. Raises SettingError with the names there are."""
    if name not in METHODS:
        raise SettingError(f"The method {name!r} is unknown; choose one of {', '.join(METHODS)}.")
    return METHODS[name]
