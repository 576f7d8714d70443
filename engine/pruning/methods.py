"""The pruning methods by name, and what each of them does.

A method's settings can be changed one by one, for ablations:

method_named("adaptive")                             the method as published here
method_named("adaptive:refit=none,importance=off")   the same method with two settings changed

Methods and solvers carry the literature's names. The names that they had before December 2026 are
aliases: `canonical_name` translates them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from prunescope.engine.errors import SettingError

SOLVER_NAMES = ("joint", "joint-grouped", "sparsegpt", "obc", "wanda", "magnitude")
INPUTS = ("sparse", "dense")
TARGETS = ("none", "p1", "adaptive")
REFITS = ("none", "cg", "exact", "cholesky")
P1_RIDGE = 1e-4  # λ of P1's Eq. 5, absolute, added to the undivided X_s X_sᵀ

METHOD_ALIASES = {"sequential": "sparsegpt", "paper": "p1", "static": "sparsegpt-static"}
VALUE_ALIASES = {
    ("solver", "exact"): "obc",
    ("solver", "blocked"): "sparsegpt",
    ("target", "paper"): "p1",
}


@dataclass(frozen=True, slots=True)
class Method:
    """What a method does to a layer. Every setting changes the weights, so every setting enters the
    key of a study, see `Plan.identity`.

    Symbols: W (d_out, d_in) dense weights, X_s the layer's inputs in the pruned model, X_d in the
    dense one, H = X_s X_sᵀ / n.
    """

    name: str
    about: str
    source: str
    solver: str  # chooses the weights to remove, one of SOLVER_NAMES
    inputs: str = "sparse"  # H from the pruned model's inputs, or from the dense model's
    # "none": keep W. "p1": P1's Eq. 5. "adaptive": W* = W + α C (H + Λ)⁻¹
    target: str = "none"
    alpha: float | None = None  # α of target=adaptive; None: per layer, on selection tokens
    residual: bool = False  # the target includes the drift of the residual stream
    centre: bool = False  # statistics about the mean, and a bias that restores the output's mean
    # of the remaining weights: "none"; "cg": a few conjugate-gradient steps; "exact": the optimum;
    # "cholesky": the optimum of every row by itself
    refit: str = "none"
    steps: int = 5  # conjugate-gradient steps of refit=cg
    importance: bool = False  # weight tokens and outputs by their effect on the last [CLS]
    damping: float = 0.01  # share of mean(diag H); target=p1 uses its absolute ridge instead
    rows: bool = False  # unstructured zeros are spread evenly: int(d_in · s) in every row
    allocation: str = "uniform"  # default allocation of sparsity over layers
    heads: bool = False  # target=p1: pooler and classifier are re-targeted too, but not pruned

    @property
    def calibrated(self) -> bool:
        """Whether the method uses calibration text."""
        return self.solver != "magnitude" or self.target != "none"

    def usual_allocation(self, pattern: str) -> str:
        """The method's own allocation; uniform where an n:m pattern fixes the sparsity of every
        layer, or where the method measures no loss.
        """
        return self.allocation if self.calibrated and ":" not in pattern else "uniform"

    @property
    def greedy(self) -> bool:
        """Whether a step may need float64: OBC's downdates and the almost undamped solution of
        Eq. 5 lose as many digits as the smallest pivot of H takes, see `Factor.coarse`.
        """
        return self.solver == "obc" or self.target == "p1"

    @property
    def factored(self) -> bool:
        """Whether a step needs (H + Λ)⁻¹, and not only the norms of the inputs."""
        return (
            self.solver not in ("wanda", "magnitude")
            or self.target != "none"
            or self.refit != "none"
        )

    @property
    def needs_dense(self) -> bool:
        """Whether the dense model has to run beside the pruned one."""
        return self.inputs == "dense" or self.target != "none"


METHODS = {
    method.name: method
    for method in (
        Method(
            "adaptive",
            "Each layer is re-targeted to the dense model's output before it is pruned, which "
            "corrects the error accumulated in the layers before it. Tokens and outputs count by "
            "their effect on the last [CLS], the weights to remove are chosen jointly, the "
            "remaining weights are refitted, and sensitive layers keep more weights.",
            "docs/method.md; joint solver after ALPS (Meng et al. 2024) with K-FAC's metric "
            "(Martens and Grosse 2015)",
            "joint",
            target="adaptive",
            residual=True,
            refit="cg",
            steps=10,
            importance=True,
            allocation="loss-equalised",
        ),
        Method(
            "p1",
            "The seed paper P1 as published: statistics of the pruned model's inputs, Eq. 5 with "
            "its absolute ridge, one weight at a time, and the same number of zeros in every row.",
            "P1: Li et al., EMNLP 2023",
            "obc",
            target="p1",
            rows=True,
            heads=True,
        ),
        Method(
            "sparsegpt",
            "SparseGPT: statistics of the pruned model's inputs; each layer preserves the output "
            "of its own weights.",
            "SparseGPT: Frantar and Alistarh, ICML 2023",
            "sparsegpt",
        ),
        Method(
            "sparsegpt-static",
            "SparseGPT with dense inputs: no layer sees that the layers before it were pruned.",
            "Optimal Brain Surgeon with SparseGPT's sweep",
            "sparsegpt",
            inputs="dense",
        ),
        Method(
            "wanda",
            "Wanda: in every row, the weights with the smallest product of magnitude and input "
            "norm are removed; the remaining weights are left as they are.",
            "Wanda: Sun et al., ICLR 2024",
            "wanda",
            rows=True,
        ),
        Method(
            "magnitude",
            "The weights of smallest magnitude in each layer are removed; no data is used.",
            "Han et al., NeurIPS 2015",
            "magnitude",
        ),
    )
}


# solvers by their word in the identity of a study, where that word as a name means another one now
FORMER_SOLVERS = {"joint": "joint-grouped"}


def canonical_name(text: str) -> str:
    """A method's text under today's names: "sequential:solver=exact" → "sparsegpt:solver=obc".

    Never raises: words that this version does not know stay as they are, so that stored studies of
    any version can be shown.
    """
    base, colon, settings = text.partition(":")
    parts = ",".join(_canonical_setting(part) for part in settings.split(","))
    return METHOD_ALIASES.get(base, base) + colon + parts


def stored_name(text: str, solver: str | None) -> str:
    """The text of a stored study's method, under which today's names choose the solver that its
    identity calls `solver`.

    "adaptive" of a study with the first joint solver → "adaptive:solver=joint-grouped". Like
    `canonical_name` it never raises.
    """
    former = FORMER_SOLVERS.get(solver or "")
    if former is None:
        return text
    base, _, settings = canonical_name(text).partition(":")
    parts = [part for part in settings.split(",") if part and not part.startswith("solver=")]
    return f"{base}:{','.join([f'solver={former}', *parts])}"


def _canonical_setting(text: str) -> str:
    setting, _, value = text.partition("=")
    alias = VALUE_ALIASES.get((setting.strip(), value.strip()))
    return text if alias is None else f"{setting.strip()}={alias}"


def method_named(name: str) -> Method:
    """The method called `name`, with the settings after a colon changed.

    Aliases are understood; the result carries the canonical name. Raises SettingError, listing the
    choices, for an unknown name, setting or value, and for settings that contradict each other.
    """
    base, _, text = canonical_name(name).partition(":")
    if base not in METHODS:
        raise SettingError(f"The method {base!r} is unknown; choose one of {', '.join(METHODS)}.")
    settings = _parse_settings(base, text)
    if not settings:
        return METHODS[base]
    canonical = ",".join(
        f"{setting}={_text(settings[setting])}" for setting in SETTINGS if setting in settings
    )
    method = replace(METHODS[base], name=f"{base}:{canonical}", **settings)  # type: ignore[arg-type]  # checked by `_value`
    if method.solver == "obc" and "rows" not in settings:
        method = replace(method, rows=True)  # OBC orders the weights of one row, not across rows
    _check_consistent(method)
    _check_effective(method, settings)
    return method


SETTINGS = tuple(
    field.name
    for field in fields(Method)
    if field.name not in ("name", "about", "source", "allocation")
)
_SWITCHES = ("residual", "centre", "importance", "rows", "heads")
_CHOICES = {"inputs": INPUTS, "target": TARGETS, "refit": REFITS, "solver": SOLVER_NAMES}
_RANGES = {"alpha": (0.0, 1.0), "damping": (0.0, 0.1), "steps": (1, 100)}


def _parse_settings(base: str, text: str) -> dict[str, object]:
    """`setting=value,setting=value` as a mapping. Raises SettingError where it makes no sense."""
    settings: dict[str, object] = {}
    for part in filter(None, text.split(",")):
        setting, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or setting not in SETTINGS:
            raise SettingError(
                f"The setting {part!r} of the method {base!r} is unknown; write setting=value with "
                f"one of {', '.join(SETTINGS)}."
            )
        if setting in settings:
            raise SettingError(
                f"The setting {setting!r} of the method {base!r} is given twice; give it once."
            )
        settings[setting] = _value(setting, value)
    return settings


def _value(setting: str, text: str) -> object:
    """A setting's value from its text. Raises SettingError where it makes no sense."""
    if setting in _SWITCHES:
        if text not in ("on", "off"):
            raise SettingError(
                f"{setting}={text} is neither on nor off; write {setting}=on or {setting}=off."
            )
        return text == "on"
    if setting in _CHOICES:
        if text not in _CHOICES[setting]:
            raise SettingError(
                f"{setting}={text} is unknown; choose one of {', '.join(_CHOICES[setting])}."
            )
        return text
    if setting == "alpha" and text == "auto":
        return None
    low, high = _RANGES[setting]
    try:
        number = int(text) if setting == "steps" else float(text)
    except ValueError:
        number = None
    if number is None or not low <= number <= high:
        raise SettingError(f"{setting}={text} is not a number from {low:g} to {high:g}.")
    return number


def _text(value: object) -> str:
    """A setting's value as `_value` reads it."""
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _check_effective(method: Method, changed: Iterable[str]) -> None:
    """Raises SettingError for a setting that was given and would have no effect."""
    ineffective = {
        "residual": method.residual
        and method.target != "adaptive"
        and "residual=on belongs to target=adaptive",
        "steps": method.refit != "cg" and "steps belongs to refit=cg",
        "rows": not method.rows
        and method.solver == "obc"
        and "solver=obc works row by row, so rows stays on",
        "damping": method.target == "p1" and "target=p1 has a ridge of its own",
    }
    for setting, reason in ineffective.items():
        if setting in changed and reason:
            raise SettingError(f"{method.name}: {reason}; leave {setting} out.")


def _check_consistent(method: Method) -> None:
    """Raises SettingError for settings that contradict each other."""
    conflicts = (
        (
            method.inputs == "dense" and method.target != "none",
            "inputs=dense knows no drift to correct; use target=none, or inputs=sparse.",
        ),
        (
            method.heads and method.target != "p1",
            "heads=on belongs to target=p1; leave heads off.",
        ),
        (
            method.alpha is not None and method.target != "adaptive",
            "alpha is the strength of target=adaptive; leave it out.",
        ),
        (
            method.target == "p1" and (method.residual or method.centre),
            "residual and centre do not belong to Eq. 5; switch them off.",
        ),
        (
            method.refit == "cholesky" and method.importance,
            "refit=cholesky solves every output by itself and would ignore how outputs count "
            "together; use refit=exact, the best under that metric, or importance=off.",
        ),
        (
            not method.calibrated
            and (method.refit != "none" or method.importance or method.centre),
            "without statistics there is nothing to refit, weight or centre; use another solver.",
        ),
    )
    for conflict, reason in conflicts:
        if conflict:
            raise SettingError(f"{method.name}: {reason}")
