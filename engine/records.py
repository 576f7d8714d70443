"""The records that pass between rooms: what was asked, and what came out. All are plain, frozen and
light to import.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from prunescope.engine.errors import SettingError
from prunescope.engine.formatting import pluralize
from prunescope.engine.paths import whole_path

MODULES = (
    "query",
    "key",
    "value",
    "attention_output",
    "intermediate",
    "output",
)  # a block's prunable linears, in the order of pruning
LEVELS = tuple(step / 100 for step in range(0, 100, 5))
Z95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution


@dataclass(frozen=True, slots=True)
class Rate:
    """A share k / n with its 95 % Wilson interval, all in [0, 1]; value is None where n is 0."""

    value: float | None
    n: int
    low: float
    high: float

    @classmethod
    def of(cls, hits: int, n: int) -> "Rate":
        """(p̂ + z²/2n ± z √(p̂(1−p̂)/n + z²/4n²)) / (1 + z²/n). Source: Wilson, JASA 1927."""
        if not 0 <= hits <= n:
            raise ValueError(f"{hits} of {n} is not a share")
        if n == 0:
            return cls(None, 0, 0.0, 1.0)
        share, spread = hits / n, Z95 * Z95 / n
        middle = (share + spread / 2) / (1 + spread)
        half = Z95 / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
        low, high = (
            middle - half,
            middle + half,
        )  # exactly 0 and 1 at the edges, where rounding would miss them
        return cls(share, n, max(0.0, low) if hits else 0.0, min(1.0, high) if hits < n else 1.0)

    @property
    def hits(self) -> int:
        """k, recovered from the share."""
        return round((self.value or 0.0) * self.n)


def check_seed(seed: int, where: str = "The seed") -> None:
    """Raises SettingError for a seed that a generator of random numbers does not take."""
    if not -(2**63) <= seed < 2**63:
        raise SettingError(
            f"{where} is {seed}; it must be a number of 64 bits, from −2^63 to 2^63 − 1, such as 0."
        )


READING = (
    "text_column",
    "pair_column",
    "label_column",
    "label_map",
)  # the settings that say how data is read


@dataclass(frozen=True, slots=True)
class StudySpec:
    """What a person asks for: one victim × one method × one data set × one attack over a set of
    levels.
    """

    model: str = "embedded"
    data: str = "embedded"
    method: str = (
        "adaptive"  # a name, or `name:setting=value,…`, see prunescope.engine.pruning.methods
    )
    pattern: str = "unstructured"  # or "row", or n:m such as "2:4"
    levels: tuple[float, ...] = LEVELS
    calibration: int = 512  # sentences the solver sees
    held_out: int = 128  # further calibration sentences, for the layer errors
    eval_examples: int = 872
    attack: str = "deepwordbug"  # or "none"
    attack_examples: int = 200
    max_queries: int | None = None  # budget of an attack on one example; None is no limit
    max_seconds: float | None = (
        None  # the same in seconds, which makes the outcome depend on the machine
    )
    seed: int = 0
    device: str = "auto"
    allocation: str = (
        "auto"  # sparsity over layers: the method's own, or "uniform", or "loss-equalised"
    )
    layers: str = ""  # sparsity of chosen layers by hand, e.g. "0=0,5.output=0.3"
    precision: str = "fp32"  # of the pruner's forward passes; or "tf32", "bf16"
    force: bool = False  # prune with fewer calibration tokens than a layer has inputs
    resources: str | None = None  # folder with nltk_data and the like
    text_column: str | None = None
    pair_column: str | None = None
    label_column: str | None = None
    label_map: str | None = (
        None  # what each label means, such as "neg=0,pos=1", see prunescope.engine.data.label_map
    )

    def __post_init__(self) -> None:
        for level in self.levels:
            if not (
                isinstance(level, int | float) and 0 <= round(level, 6) < 1
            ):  # no model has weights for a seventh digit
                raise SettingError(
                    f"Sparsity {level} is outside [0, 1); levels are shares such as 0,0.5,0.875."
                )
        object.__setattr__(self, "levels", tuple(round(float(level), 6) for level in self.levels))
        if not self.levels:
            raise SettingError("There are no levels; give at least one, such as `levels=0,0.5`.")
        check_seed(self.seed)
        for name in ("calibration", "held_out", "eval_examples"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if self.attack_examples < 1 and self.attack != "none":
            raise SettingError(
                f"attack_examples is {self.attack_examples}; use --attack none to leave the attack "
                "out."
            )
        for name in ("max_queries", "max_seconds"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise SettingError(f"--{name.replace('_', '-')} is {value}; it must be above 0.")

    @property
    def reading(self) -> dict[str, Any]:
        """How its data is to be read, as `load_dataset` takes it."""
        return {name: getattr(self, name) for name in READING}

    def rooted(self) -> "StudySpec":
        """The same with whole paths in place of those that count from the folder one is in."""
        resources = None if self.resources is None else whole_path(self.resources)
        return replace(
            self,
            model=whole_path(self.model),
            data=whole_path(self.data),
            layers=whole_path(self.layers),
            resources=resources,
        )


@dataclass(frozen=True, slots=True)
class AttackRecord:
    """One attacked example; its text is not kept.

    Outcomes: "skipped", it was wrong without an attack; "broken"; "held", the attack came to its
    end without breaking it; "exhausted", the attack ran out of its budget of queries or seconds
    without breaking it, so it held as far as anyone looked; "error", the attack failed on it, for
    the reason given. An error is a class of its own in every rate.

    A text that gives an attack nothing to try, such as one without words, is read all the same: it
    is "skipped" where the victim is wrong and "held" where it is right, as TextAttack counts it,
    and the reason stands beside it.
    """

    example: int  # row of the evaluation set
    outcome: str
    queries: int
    words_changed: int
    words: int
    truth_before: (
        float | None
    )  # probability of the true label without attack; None where the victim gave none
    truth_after: (
        float | None
    )  # the lowest any of the attack's queries saw, probes that rank words by masking them included
    reason: str = ""  # what ran out, what went wrong, or why there was nothing to try

    @property
    def untried(self) -> bool:
        """Whether the text gave the attack nothing to try."""
        return bool(self.reason) and self.outcome in ("skipped", "held")


TIMED = (
    "prune",
    "evaluate",
    "attack",
)  # of a level's seconds; others are of single layers, within these


@dataclass(frozen=True, slots=True)
class LevelResult:
    """Everything measured at one sparsity."""

    sparsity: float
    achieved: float  # zeros / prunable weights
    achieved_model: float  # zeros / all weights of the model
    acc: Rate
    aua: Rate | None
    asr: Rate | None
    cls_error: float  # ‖last [CLS] − dense‖² / ‖dense − mean‖², over the evaluation set
    layer_errors: dict[str, float]  # `block.module` → relative error on held-out calibration text
    correct: tuple[int, ...]  # rows of the evaluation set that are classified rightly
    attacks: tuple[AttackRecord, ...]
    layers: tuple[dict[str, Any], ...]  # the pruner's report of every layer
    packed_bytes: int  # the prunable weights as a bitmap and fp32 survivors
    dense_bytes: int  # the same weights, dense, fp32
    notices: tuple[str, ...] = ()  # what the pruner had to say: few tokens, memory that ran out
    seconds: dict[str, float] = field(default_factory=dict, compare=False)  # not part of the result
    machine: dict[str, Any] = field(
        default_factory=dict, compare=False
    )  # what it was measured with; not part of it either

    @property
    def spent(self) -> float:
        """Seconds that it took in all."""
        return sum(self.seconds.get(part, 0.0) for part in TIMED)

    @property
    def measured_with(self) -> str:
        """The machine in words: "AMD EPYC, 2 threads, PyTorch 2.13.0"."""
        if not self.machine:
            return "an unknown machine"
        device, threads, torch = (
            self.machine.get(part, "?") for part in ("device", "threads", "torch")
        )
        return f"{device}, {pluralize(threads, 'thread')}, PyTorch {torch}"


@dataclass(frozen=True, slots=True)
class Study:
    """A study: what decided it, how it is called, and the levels that are there."""

    key: str
    identity: dict[str, Any]  # everything that decides the result
    about: dict[str, Any]  # names for people: model, data, label names, counts
    levels: tuple[LevelResult, ...] = ()
    bundled: bool = False

    @property
    def machines(self) -> tuple[str, ...]:
        """What its levels were measured with, each once, as far as they say."""
        return tuple(dict.fromkeys(level.measured_with for level in self.levels if level.machine))

    def level(self, sparsity: float) -> LevelResult | None:
        """The level at this sparsity, if it was measured."""
        return next((level for level in self.levels if abs(level.sparsity - sparsity) < 1e-9), None)
