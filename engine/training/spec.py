"""How one model is fine-tuned, as a record."""

import math
from dataclasses import dataclass, fields
from typing import Any

from prunescope.engine.errors import SettingError
from prunescope.engine.records import check_seed

OPTIMIZERS = ("adamw", "adam", "sgd")
SCHEDULES = ("linear", "cosine", "constant")
ADVERSARIAL = ("none", "freelb", "pgd", "smart")
PRECISIONS = ("auto", "fp32", "bf16")
KINDS: dict[Any, tuple[Any, str]] = {
    str: (str, "text"),
    int: (int, "a whole number"),
    float: (int | float, "a number"),
    bool: (bool, "true or false"),
    dict: (dict, "an object"),
    list: (list, "a list"),
    list | str: (list | str, "a list or text"),
}


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """One fine-tuning. The same record on the same rows, base and machine gives the same weights."""

    name: str
    seed: int
    learning_rate: float
    epochs: float = 1.0  # passes over the training rows; may be a fraction
    batch_size: int = 32  # rows a step
    accumulation: int = 1  # pieces that a step's rows are read in, where memory is short
    optimizer: str = "adamw"  # or "adam" (decay as a penalty on the loss), "sgd"
    momentum: float = 0.0  # of sgd
    weight_decay: float = 0.01
    schedule: str = (
        "linear"  # after the warm-up: falls to 0 linearly or as a cosine, or stays "constant"
    )
    warmup: float = 0.06  # share of the steps in which the rate rises
    clip: float = 1.0  # largest norm of a step's gradient
    label_smoothing: float = 0.0
    rank: int = 16  # of the LoRA adapters; 0 trains all weights
    adversarial: str = "none"  # or "freelb", "pgd", "smart"
    adv_steps: int = 2  # K: ascent steps
    adv_lr: float = 0.1  # length of an ascent step on a row's embeddings, Frobenius norm
    adv_init: float = 0.2  # size of the random start, same unit
    adv_max_norm: float = 0.0  # largest perturbation of a row; 0 leaves it free
    adv_weight: float = 1.0  # of SMART's smoothness term
    patience: int = (
        0  # early stopping: checks without improvement before it stops; 0 trains to the end
    )
    checks: float = 2.0  # checks of the held-out rows a pass, where there is early stopping

    def __post_init__(self) -> None:
        for name, known in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("adversarial", ADVERSARIAL),
        ):
            if getattr(self, name) not in known:
                raise SettingError(
                    f"{name}={getattr(self, name)!r} is unknown; choose {', '.join(known)}."
                )
        check_seed(self.seed, f"{self.name!r}: seed")
        if endless := [
            field.name for field in fields(self) if getattr(self, field.name) == math.inf
        ]:
            raise SettingError(f"{self.name!r}: {endless[0]} is inf; give a finite number.")
        for name in (
            "learning_rate",
            "epochs",
            "batch_size",
            "accumulation",
            "adv_steps",
            "clip",
            "checks",
        ):
            if not getattr(self, name) > 0:
                raise SettingError(
                    f"{self.name!r}: {name} is {getattr(self, name)}; it must be above 0."
                )
        for name in (
            "weight_decay",
            "rank",
            "momentum",
            "adv_lr",
            "adv_init",
            "adv_max_norm",
            "adv_weight",
            "patience",
        ):
            if not getattr(self, name) >= 0:
                raise SettingError(
                    f"{self.name!r}: {name} is {getattr(self, name)}; it must be 0 or above."
                )
        for name in ("label_smoothing", "warmup", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingError(
                    f"{self.name!r}: {name} is {getattr(self, name)}; it must be in [0, 1)."
                )
        if self.accumulation > self.batch_size:
            raise SettingError(
                f"{self.name!r}: {self.batch_size} rows a step cannot be read in "
                f"{self.accumulation} pieces; "
                "lower accumulation."
            )


def check_kind(value: Any, kind: Any, where: str) -> None:
    """Raises SettingError for a JSON value that is not of this kind; true and false are no numbers."""
    wanted, called = KINDS[kind]
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
        raise SettingError(f"{where} is {value!r}, not {called}; correct it.")


def check_entry(entry: Any, kinds: dict[str, Any], where: str) -> None:
    """Raises SettingError where an entry is no object, or naming its first setting that is unknown
    or does not fit.
    """
    if not isinstance(entry, dict):
        raise SettingError(f"{where}: {entry!r} is not an object with settings; correct it.")
    if unknown := sorted(set(entry) - set(kinds)):
        raise SettingError(
            f"{where}: unknown setting {unknown[0]!r}; the settings are {', '.join(sorted(kinds))}."
        )
    for name, value in entry.items():
        check_kind(value, kinds[name], f"{where}: {name}")


def kinds_of(record: Any) -> dict[str, Any]:
    """Field → the kind of its values."""
    return {field.name: field.type for field in fields(record)}


def spec_from(entry: dict[str, Any], where: str) -> TrainSpec:
    """A record from JSON values. Raises SettingError naming the first setting that is unknown or
    does not fit.
    """
    check_entry(entry, kinds_of(TrainSpec), where)
    if missing := [name for name in ("name", "seed", "learning_rate") if name not in entry]:
        raise SettingError(
            f"{where}: a member has no {missing[0]}; it needs name, seed and learning_rate."
        )
    return TrainSpec(**entry)
