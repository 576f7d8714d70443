"""Settings of the commands that train, beside the steps: data, members, searches, masks, bias."""

from dataclasses import dataclass
from typing import Annotated

from prunescope.engine.cli.settings import BIAS, JUDGING, OUTPUT, TRAINING
from prunescope.engine.config.describe import Setting
from prunescope.engine.config.study import RUN
from prunescope.engine.subnetworks.spec import SEARCH
from prunescope.engine.training.spec import PRECISIONS, STEPS


@dataclass(frozen=True)
class TrainingSettings:
    """What a fine-tuning or a search reads, beside the steps themselves."""

    data: Annotated[
        str,
        Setting("Data", "hub name, local folder or file with training examples", "DATA", TRAINING),
    ]
    model: Annotated[
        str,
        Setting(
            "Base",
            "the pretrained checkpoint: embedded, a hub name or a local folder",
            "BASE",
            TRAINING,
        ),
    ] = "embedded"
    label_names: Annotated[
        str | None,
        Setting(
            "Label names",
            "names of the labels 0, 1, …, such as negative,positive",
            "LIST",
            TRAINING,
        ),
    ] = None
    allow_overlap: Annotated[
        bool, Setting("Allow overlap", "train on examples that are also evaluated", group=TRAINING)
    ] = False
    head_seed: Annotated[
        int,
        Setting("Head seed", "seed of the new head; models to be averaged share it", "N", STEPS),
    ] = 0
    max_tokens: Annotated[
        int, Setting("Tokens", "texts are truncated to so many tokens", "N", STEPS, ge=3)
    ] = 128
    precision: Annotated[
        str,
        Setting(
            "Precision",
            "precision of the forward passes: auto (bf16 on CUDA, else fp32), fp32 or bf16",
            "PRECISION",
            RUN,
            choices=PRECISIONS,
        ),
    ] = "auto"


@dataclass(frozen=True)
class MemberSettings:
    """Members of an average, and the examples that they are selected by."""

    recipe: Annotated[
        str, Setting("Recipe", "JSON with the members' settings, or p1-table8", "FILE", TRAINING)
    ]
    members: Annotated[
        str | None,
        Setting(
            "Members",
            "a folder made by the command members, or its name in the cache; it knows its "
            "selection set",
            "DIR",
            TRAINING,
        ),
    ] = None
    data: Annotated[
        str | None,
        Setting("Data", "with `member`: whose training examples select", "DATA", JUDGING),
    ] = None
    by: Annotated[str, Setting("By", "uniform, acc or aua", "NAME", JUDGING)] = "aua"
    select: Annotated[
        str | None,
        Setting(
            "Selection set",
            "examples that select members, of which none is trained on",
            "DATA",
            JUDGING,
            default="held out of the training examples",
        ),
    ] = None
    select_rows: Annotated[
        int,
        Setting(
            "Selection size", "examples of the selection set, for accuracy", "N", JUDGING, ge=1
        ),
    ] = 500


@dataclass(frozen=True)
class SearchSettings:
    """What a search for a subnetwork starts from."""

    start: Annotated[
        str | None,
        Setting(
            "Start",
            "a fine-tuned model to start from, instead of the pretrained one",
            "MODEL",
            TRAINING,
        ),
    ] = None
    bias: Annotated[
        str | None,
        Setting(
            "Bias",
            "bias predictions, made by the command biasmodel on the same examples",
            "DIR",
            BIAS,
        ),
    ] = None
    teacher: Annotated[
        str | None,
        Setting("Teacher", "with confreg: a model fine-tuned with cross-entropy", "MODEL", BIAS),
    ] = None
    mask_from: Annotated[
        str | None, Setting("Mask from", "a subnetwork whose zeros are kept", "MODEL", TRAINING)
    ] = None
    snapshots: Annotated[
        tuple[float, ...] | None,
        Setting(
            "Snapshots",
            "shares of the steps at which the model is also written: 0.2,0.4",
            "LIST",
            OUTPUT,
        ),
    ] = None


@dataclass(frozen=True)
class MaskSettings:
    """How masks are learned."""

    method: Annotated[
        str,
        Setting(
            "Method",
            "mask (straight-through scores) or hard-concrete (RobustT's sampled masks)",
            "NAME",
            SEARCH,
            choices=("mask", "hard-concrete"),
        ),
    ] = "mask"


@dataclass(frozen=True)
class BiasSettings:
    """A model of a data set's bias."""

    features: Annotated[
        str,
        Setting(
            "Features",
            "overlap (of two texts), claim (word vectors of the first) or bag (its words)",
            "NAME",
            BIAS,
        ),
    ] = "overlap"
    penalty: Annotated[
        float, Setting("Penalty", "ridge penalty on the weights", "NUMBER", BIAS, gt=0)
    ] = 1.0
    unbalanced: Annotated[
        bool, Setting("Unbalanced", "weigh classes by their number of examples", group=BIAS)
    ] = False
    folds: Annotated[
        int,
        Setting(
            "Folds",
            "predict examples by models that have not seen them, in so many folds",
            "N",
            BIAS,
            ge=0,
        ),
    ] = 0
    vectors: Annotated[
        str,
        Setting(
            "Vectors",
            "word vectors in fastText's text format; embedded: the base's input embeddings",
            "FILE",
            BIAS,
        ),
    ] = "embedded"
