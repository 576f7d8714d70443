"""Settings of commands that are in no other record: places, exports, latency, tables."""

from dataclasses import dataclass
from typing import Annotated

from prunescope.engine.baselines.spec import LATENCY
from prunescope.engine.config.describe import Setting
from prunescope.engine.config.study import ATTACK, DATA, PRUNING, RUN, TOLERANCE

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
    no_ahead: Annotated[
        bool,
        Setting(
            "Nothing ahead",
            "while a page is open, do not prune the sparsities next to the slider unasked",
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
    push_to_hub: Annotated[
        str | None,
        Setting(
            "Push to the hub",
            "upload the folder to the Hugging Face hub under this name as well; the token is that "
            "of HF_TOKEN or of hf auth login",
            "USER/NAME",
            OUTPUT,
        ),
    ] = None
    private: Annotated[
        bool, Setting("Private", "with `push_to_hub`: make it private there", group=OUTPUT)
    ] = False


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
