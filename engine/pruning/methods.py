"""The pruning methods by name, and what each of them does. A method's settings may be changed one
by one.

method_named("adaptive")                             a method as it stands
method_named("adaptive:refit=none,importance=off")   the same with settings changed, for ablations
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from prunescope.engine.errors import SettingError

REFITS = ("none", "cg", "exact", "cholesky")
INPUTS = ("sparse", "dense")
TARGETS = ("none", "paper", "adaptive")
PAPER_RIDGE = 1e-4  # Eq. 5 of the seed paper, absolute, on the undivided X_s X_sᵀ


@dataclass(frozen=True, slots=True)
class Method:
    """What a method does with a layer; all of it decides the result, so all of it enters the key of
    a study.
    """

    name: str
    about: str
    source: str
    solver: str
    inputs: str = (
        "sparse"  # statistics of the pruned model's inputs, or of the dense model's (static)
    )
    target: str = (
        "none"  # "none": the dense weights; "paper": Eq. 5; "adaptive": W* with strength α
    )
    alpha: float | None = (
        None  # adaptive: strength of the correction; None: chosen per layer on tokens held apart
    )
    residual: bool = False  # the target takes in the drift of the residual stream
    centre: bool = False  # statistics about the mean, and a bias that repairs the mean
    # survivors: left alone, a few conjugate gradients, or the best; "cholesky": the best by rows
    # apart
    refit: str = "none"
    steps: int = 5  # conjugate-gradient steps
    importance: bool = False  # weigh tokens and outputs by what reaches the last [CLS]
    # share of the mean diagonal of H; with the paper's target its absolute ridge takes the place
    damping: float = 0.01
    rows: bool = False  # unstructured zeros are spread evenly over rows, int(d_in · s) in each
    allocation: str = "uniform"  # of sparsity over layers, where nothing else is asked for
    heads: bool = False  # paper: pooler and classifier are re-solved too, but not pruned

    @property
    def calibrated(self) -> bool:
        """Whether the method looks at calibration text at all."""
        return self.solver != "magnitude" or self.target != "none"

    def usual_allocation(self, pattern: str) -> str:
        """Its own, and uniform where an n:m pattern fixes the sparsity of every layer or no loss is
        measured.
        """
        return self.allocation if self.calibrated and ":" not in pattern else "uniform"

    @property
    def greedy(self) -> bool:
        """Whether single precision may not be enough for a step: the exact solver's downdates and
        Eq. 5's hardly damped solution lose as many digits as the inputs' smallest pivot takes, see
        `Factor.coarse`.
        """
        return self.solver == "exact" or self.target == "paper"

    @property
    def factored(self) -> bool:
        """Whether a step needs (H + Λ)⁻¹; norms of inputs do without."""
        return (
            self.solver not in ("wanda", "magnitude")
            or self.target != "none"
            or self.refit != "none"
        )

    @property
    def looks_at_dense(self) -> bool:
        """Whether the dense model has to run beside the sparse ones."""
        return self.inputs == "dense" or self.target != "none"


METHODS = {
    method.name: method
    for method in (
        Method(
            "adaptive",
            "Each layer is re-targeted to the dense model's output before it is pruned, so it "
            "corrects the error that the "
            "pruned layers before it have piled up; tokens and outputs count by what reaches the "
            "last [CLS], the weights to "
            "remove are chosen jointly, the survivors are refitted, and layers that cost more keep "
            "more.",
            "DESIGN §3; joint solver after ALPS (Meng et al. 2024) with K-FAC's metric (Martens "
            "and Grosse 2015)",
            "joint",
            target="adaptive",
            residual=True,
            refit="cg",
            steps=10,
            importance=True,
            allocation="loss-equalised",
        ),
        Method(
            "paper",
            "The seed paper as published: statistics of the pruned model's inputs, Eq. 5 with its "
            "absolute ridge, one weight "
            "at a time and the same number in every row.",
            "P1: Li et al., EMNLP 2023",
            "exact",
            target="paper",
            rows=True,
            heads=True,
        ),
        Method(
            "sequential",
            "Statistics from the layers pruned before, but each layer only tries to keep its own "
            "weights' output.",
            "SparseGPT: Frantar and Alistarh, ICML 2023",
            "blocked",
        ),
        Method(
            "static",
            "The same sweep with the dense model's inputs: no layer knows that those before it "
            "were pruned.",
            "Optimal Brain Surgeon with SparseGPT's sweep",
            "blocked",
            inputs="dense",
        ),
        Method(
            "wanda",
            "The smallest products of weight and input norm are removed in every row; nothing is "
            "corrected.",
            "Wanda: Sun et al., ICLR 2024",
            "wanda",
            rows=True,
        ),
        Method(
            "magnitude",
            "The smallest weights of each layer are removed; no data is used.",
            "Han et al., NeurIPS 2015",
            "magnitude",
        ),
    )
}


def method_named(name: str) -> Method:
    """The method of that name, with the settings behind a colon changed. Raises SettingError with
    what there is.
    """
    base, _, changes = name.partition(":")
    if base not in METHODS:
        raise SettingError(f"The method {base!r} is unknown; choose one of {', '.join(METHODS)}.")
    method = METHODS[base]
    changed = {}
    for part in filter(None, changes.split(",")):
        setting, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or setting not in SETTINGS:
            raise SettingError(
                f"The setting {part!r} of the method {base!r} is unknown; write setting=value with "
                "one of "
                f"{', '.join(SETTINGS)}."
            )
        if setting in changed:
            raise SettingError(
                f"The setting {setting!r} of the method {base!r} is given twice; give it once."
            )
        changed[setting] = _value(setting, value)
    if not changed:
        return method
    canonical = ",".join(
        f"{setting}={_text(changed[setting])}" for setting in SETTINGS if setting in changed
    )
    made = replace(method, name=f"{base}:{canonical}", **changed)  # type: ignore[arg-type]  # checked by `_value`
    if made.solver == "exact" and "rows" not in changed:
        made = replace(made, rows=True)  # it knows no order across rows
    return _without_idle(_checked(made), changed)


SETTINGS = tuple(
    field.name
    for field in fields(Method)
    if field.name not in ("name", "about", "source", "allocation")
)
_SWITCHES = ("residual", "centre", "importance", "rows", "heads")
_CHOICES = {
    "inputs": INPUTS,
    "target": TARGETS,
    "refit": REFITS,
    "solver": ("joint", "blocked", "exact", "wanda", "magnitude"),
}


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
    low, high = {"alpha": (0.0, 1.0), "damping": (0.0, 0.1), "steps": (1, 100)}[setting]
    try:
        number = int(text) if setting == "steps" else float(text)
    except ValueError:
        number = None
    if number is None or not low <= number <= high:
        raise SettingError(f"{setting}={text} is not a number in {low:g} to {high:g}.")
    return number


def _text(value: object) -> str:
    if value is None:
        return "auto"
    return (
        ("on" if value else "off")
        if isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _without_idle(method: Method, changed: Iterable[str]) -> Method:
    """The method itself. Raises SettingError for a setting that was given and would do nothing."""
    for setting, idle, why in (
        (
            "residual",
            method.residual and method.target != "adaptive",
            "residual=on belongs to target=adaptive",
        ),
        ("steps", method.refit != "cg", "steps belongs to refit=cg"),
        (
            "rows",
            not method.rows and method.solver == "exact",
            "the exact solver works row by row, so rows stays on",
        ),
        ("damping", method.target == "paper", "target=paper has a ridge of its own"),
    ):
        if setting in changed and idle:
            raise SettingError(f"{method.name}: {why}; leave {setting} away.")
    return method


def _checked(method: Method) -> Method:
    """The method itself. Raises SettingError for settings that contradict each other."""
    if method.inputs == "dense" and method.target != "none":
        raise SettingError(
            f"{method.name}: inputs=dense knows no drift to correct; use target=none, or "
            "inputs=sparse."
        )
    if method.heads and method.target != "paper":
        raise SettingError(f"{method.name}: heads=on belongs to target=paper; leave heads off.")
    if method.alpha is not None and method.target != "adaptive":
        raise SettingError(
            f"{method.name}: alpha is the strength of target=adaptive; leave it away."
        )
    if method.target == "paper" and (method.residual or method.centre):
        raise SettingError(
            f"{method.name}: residual and centre do not belong to Eq. 5; switch them off."
        )
    if method.refit == "cholesky" and method.importance:
        raise SettingError(
            f"{method.name}: refit=cholesky solves every output apart and would leave out how "
            "outputs count "
            "together; use refit=exact, the best under that metric, or importance=off."
        )
    if not method.calibrated and (method.refit != "none" or method.importance or method.centre):
        raise SettingError(
            f"{method.name}: without statistics there is nothing to refit, weigh or centre; use "
            "another solver."
        )
    return method
