"""Settings of commands that are in no other record: places, training data, selection, latency."""

from dataclasses import dataclass
from typing import Annotated

from prunescope.engine.baselines.spec import LATENCY
from prunescope.engine.config.describe import Setting
from prunescope.engine.config.study import ATTACK, DATA, PRUNING, RUN, TOLERANCE
from prunescope.engine.subnetworks.spec import SEARCH
from prunescope.engine.training.spec import PRECISIONS, STEPS

TRAINING, JUDGING, OUTPUT = "training data", "selection set", "output"
BIAS, SERVING = "dataset bias", "serving"

FORMATS = ("folder", "packed")
DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Places:
    """Where a command writes."""

    out: Annotated[str, Setting("Output", "the folder to write", "DIR", OUTPUT)]
    cache: Annotated[
        str | None,
        Setting(
            "Cache",
            "the folder of stored results",
            "DIR",
            RUN,
            default="cache/user in a checkout, else the folder of user data",
        ),
    ] = None
    background: Annotated[
        bool,
        Setting(
            "Background", "queue it as a job that runs by itself; see the command jobs", group=RUN
        ),
    ] = False
    tolerance: Annotated[
        float,
        Setting(
            "Tolerance",
            "safe sparsities are those at which Acc and Aua stay within so many points of dense",
            "POINTS",
            OUTPUT,
            ge=0,
            le=100,
        ),
    ] = TOLERANCE


@dataclass(frozen=True)
class AppSettings:
    """Where the dashboard is served, and to whom."""

    port: Annotated[
        int, Setting("Port", "the port that it listens on", "N", SERVING, ge=1, le=65535)
    ] = 8501
    public: Annotated[
        bool,
        Setting(
            "Public",
            "for strangers: pages show studies and attack texts, and compute nothing long",
            group=SERVING,
        ),
    ] = False


@dataclass(frozen=True)
class ExportSettings:
    """One pruned model on disk."""

    sparsity: Annotated[
        float | None,
        Setting(
            "Sparsity",
            "share of zeros among the prunable weights; an n:m pattern has its own",
            "SHARE",
            PRUNING,
            ge=0,
            lt=1,
        ),
    ] = None
    format: Annotated[
        str,
        Setting(
            "Format",
            "folder (an ordinary model folder, which transformers opens) or packed (a bitmap and "
            "the remaining weights, which PruneScope opens; smaller)",
            "NAME",
            OUTPUT,
            choices=FORMATS,
            former=(("dense", "folder"),),
        ),
    ] = "folder"
    half: Annotated[
        bool, Setting("Half", "packed only: round the remaining weights to fp16", group=OUTPUT)
    ] = False


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


@dataclass(frozen=True)
class LatencySettings:
    """Milliseconds a sentence."""

    against: Annotated[
        str | None, Setting("Against", "a second model, measured in turn with it", "MODEL", DATA)
    ] = None
    forms: Annotated[
        str | None,
        Setting(
            "Forms",
            "forms of the weights, of dense, csr and 2:4",
            "LIST",
            LATENCY,
            default="dense,csr on the CPU, else dense",
        ),
    ] = None
    sentences: Annotated[int, Setting("Sentences", "texts a round", "N", LATENCY, ge=1)] = 64
    batch: Annotated[int, Setting("Batch", "texts a forward pass", "N", LATENCY, ge=1)] = 8
    repeats: Annotated[
        int, Setting("Rounds", "rounds, in which the models take turns", "N", LATENCY, ge=1)
    ] = 20
    dtype: Annotated[
        str,
        Setting(
            "Type",
            "number type of all models: float32, float16 or bfloat16",
            "NAME",
            LATENCY,
            choices=DTYPES,
        ),
    ] = "float32"


@dataclass(frozen=True)
class ShiftSettings:
    """Examples out of distribution."""

    ood: Annotated[
        str, Setting("OOD", "a file, folder or hub name with the other examples", "DATA", DATA)
    ]
    task: Annotated[
        str | None,
        Setting(
            "Task",
            "hans, paws, fever-symmetric or imdb-counterfactual: its classes and groups",
            "NAME",
            DATA,
        ),
    ] = None
    metric: Annotated[
        str | None,
        Setting(
            "Metric",
            "what counts: accuracy, f1_weighted or f1_binary",
            "NAME",
            DATA,
            default="the task's",
        ),
    ] = None


@dataclass(frozen=True)
class TableSettings:
    """A table of subnetworks."""

    recipe: Annotated[
        str,
        Setting(
            "Recipe", "JSON, or a shipped recipe such as nli-small or p2-mnli", "FILE", TRAINING
        ),
    ]
    data: Annotated[
        str, Setting("Data", "the folder under which the recipe's files are", "DIR", TRAINING)
    ]
    seeds: Annotated[
        tuple[int, ...] | None,
        Setting(
            "Seeds", "some of the recipe's seeds; several processes may share a table", "LIST", RUN
        ),
    ] = None
    cells: Annotated[
        str | None, Setting("Cells", "some of the recipe's cells, by name", "LIST", RUN)
    ] = None


@dataclass(frozen=True)
class PaperSettings:
    """How a table of a paper is made again."""

    dry_run: Annotated[
        bool,
        Setting(
            "Dry run",
            "print the commands, look up every name and what would be fetched, and do nothing",
            group=RUN,
        ),
    ] = False
    scale: Annotated[
        str, Setting("Scale", "full, as printed, or small, to see it work", "NAME", DATA)
    ] = "full"
    base: Annotated[
        str | None,
        Setting(
            "Base", "another pretrained checkpoint: a hub name or a local folder", "MODEL", DATA
        ),
    ] = None
    sets: Annotated[str | None, Setting("Sets", "some of the table's data sets", "LIST", DATA)] = (
        None
    )
    attack: Annotated[
        str | None, Setting("Attack", "another attack, in all commands", "NAME", ATTACK)
    ] = None
    seeds: Annotated[
        str | None, Setting("Seeds", "other seeds, such as 0 or 0,1,2", "LIST", RUN)
    ] = None
