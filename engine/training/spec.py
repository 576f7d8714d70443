"""How one model is fine-tuned, as a record."""

from dataclasses import dataclass
from typing import Annotated, Any

from prunescope.engine.config.check import check_record, read_record
from prunescope.engine.config.describe import Setting
from prunescope.engine.config.study import A_SEED, check_seed
from prunescope.engine.errors import SettingError

OPTIMIZERS = ("adamw", "adam", "sgd")
SCHEDULES = ("linear", "cosine", "constant")
ADVERSARIAL = ("none", "freelb", "pgd", "smart")
PRECISIONS = ("auto", "fp32", "bf16")

# Titles of groups of settings, in --help and in docs/cli.md.
STEPS, ADVERSARY, STOPPING = "training steps", "adversarial training", "early stopping"


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """One fine-tuning. The same record on the same examples, base and machine gives the same
    weights.
    """

    name: Annotated[str, Setting("Name", "name of the member, and of its folder", "NAME", STEPS)]
    seed: Annotated[
        int,
        Setting(
            "Seed",
            "seed of the order of examples and of all draws",
            "N",
            STEPS,
            ge=-(2**63),
            lt=2**63,
            takes=A_SEED,
        ),
    ]
    learning_rate: Annotated[
        float, Setting("Learning rate", "highest learning rate", "RATE", STEPS, gt=0)
    ]
    epochs: Annotated[
        float,
        Setting(
            "Epochs", "passes over the training examples; may be a fraction", "NUMBER", STEPS, gt=0
        ),
    ] = 1.0
    batch_size: Annotated[int, Setting("Batch size", "examples a step", "N", STEPS, gt=0)] = 32
    accumulation: Annotated[
        int,
        Setting(
            "Accumulation", "gradient-accumulation steps, where memory is short", "N", STEPS, gt=0
        ),
    ] = 1
    optimizer: Annotated[
        str,
        Setting(
            "Optimizer",
            "adamw, adam (weight decay as a penalty on the loss) or sgd",
            "NAME",
            STEPS,
            choices=OPTIMIZERS,
        ),
    ] = "adamw"
    momentum: Annotated[
        float, Setting("Momentum", "momentum of sgd", "NUMBER", STEPS, ge=0, lt=1)
    ] = 0.0
    weight_decay: Annotated[
        float, Setting("Weight decay", "weight decay of the optimizer", "NUMBER", STEPS, ge=0)
    ] = 0.01
    schedule: Annotated[
        str,
        Setting(
            "Schedule",
            "learning rate after the warm-up: linear or cosine to 0, or constant",
            "NAME",
            STEPS,
            choices=SCHEDULES,
        ),
    ] = "linear"
    warmup: Annotated[
        float,
        Setting(
            "Warm-up",
            "share of the steps in which the learning rate rises",
            "SHARE",
            STEPS,
            ge=0,
            lt=1,
        ),
    ] = 0.06
    clip: Annotated[
        float, Setting("Gradient clipping", "gradient-clipping norm", "NUMBER", STEPS, gt=0)
    ] = 1.0
    label_smoothing: Annotated[
        float,
        Setting(
            "Label smoothing", "label smoothing of the cross-entropy", "NUMBER", STEPS, ge=0, lt=1
        ),
    ] = 0.0
    rank: Annotated[
        int,
        Setting(
            "LoRA rank", "rank of the LoRA adapters; 0 trains all weights", "RANK", STEPS, ge=0
        ),
    ] = 16
    adversarial: Annotated[
        str,
        Setting(
            "Adversarial training",
            "none, freelb, pgd or smart",
            "NAME",
            ADVERSARY,
            choices=ADVERSARIAL,
        ),
    ] = "none"
    adv_steps: Annotated[int, Setting("Ascent steps", "ascent steps K", "N", ADVERSARY, gt=0)] = 2
    adv_lr: Annotated[
        float,
        Setting(
            "Ascent step size",
            "length of an ascent step on an example's embeddings, as a Frobenius norm",
            "NUMBER",
            ADVERSARY,
            ge=0,
        ),
    ] = 0.1
    adv_init: Annotated[
        float,
        Setting(
            "Random start", "size of the random start, in the same unit", "NUMBER", ADVERSARY, ge=0
        ),
    ] = 0.2
    adv_max_norm: Annotated[
        float,
        Setting(
            "Largest perturbation",
            "largest perturbation of an example; 0 is no limit",
            "NUMBER",
            ADVERSARY,
            ge=0,
        ),
    ] = 0.0
    adv_weight: Annotated[
        float,
        Setting(
            "Smoothness weight", "weight of SMART's smoothness term", "NUMBER", ADVERSARY, ge=0
        ),
    ] = 1.0
    patience: Annotated[
        int,
        Setting(
            "Patience",
            "checks on held-out training examples without improvement before training stops; 0 "
            "is no early stopping",
            "N",
            STOPPING,
            ge=0,
        ),
    ] = 0
    checks: Annotated[
        float,
        Setting(
            "Checks",
            "checks on held-out training examples a pass, with early stopping",
            "NUMBER",
            STOPPING,
            gt=0,
        ),
    ] = 2.0

    def __post_init__(self) -> None:
        check_seed(self.seed, f"{self.name!r}: `seed`")
        check_record(self, f"{self.name!r}: ", skip=("seed",))
        if self.accumulation > self.batch_size:
            raise SettingError(
                f"{self.name!r}: a step has {self.batch_size} examples, which is fewer than its "
                f"{self.accumulation} accumulation steps; lower `accumulation`."
            )


def spec_from(entry: dict[str, Any], where: str) -> TrainSpec:
    """A record from JSON values. Raises SettingError naming the first setting that is unknown,
    missing or does not fit.
    """
    return read_record(TrainSpec, entry, where)
