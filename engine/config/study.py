"""The settings of a study."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from prunescope.engine.config.check import check_record
from prunescope.engine.config.describe import Setting, settings_of
from prunescope.engine.errors import SettingError, phrase
from prunescope.engine.paths import whole_path

LEVELS = tuple(step / 100 for step in range(0, 100, 5))
TOLERANCE = 3.0  # points of Acc and Aua below dense that count as safe
A_SEED = "a number of 64 bits, from −2^63 to 2^63 − 1, such as 0"


def check_seed(seed: int, where: str = "The seed") -> None:
    """Raises SettingError for a seed that a generator of random numbers does not take."""
    if not isinstance(seed, int) or isinstance(seed, bool) or not -(2**63) <= seed < 2**63:
        raise SettingError(f"{where} is {seed}; it must be {A_SEED}.", setting="seed")


# The settings that say how data is read.
READING = ("text_column", "pair_column", "label_column", "label_map")
# How what is left of a pruned model can be tuned; see prunescope.engine.training.recovery.
RECOVERIES = ("off", "global", "block", "affine")

# Titles of groups of settings, in --help and in docs/cli.md.
DATA, PRUNING, EXAMPLES = "model and data", "pruning", "sample sizes"
ATTACK, RUN = "attack", "running"


@dataclass(frozen=True, slots=True)
class StudySpec:
    """What a person asks for: one victim × one method × one data set × one attack over a set of
    levels.

    Raises SettingError for a value that is not in its range.
    """

    model: Annotated[
        str,
        Setting(
            "Model",
            "the classifier: embedded, embedded:NAME, a hub name, or a model folder",
            "MODEL",
            DATA,
            examples=("embedded", "embedded:ag_news", "embedded:imdb"),
        ),
    ] = "embedded"
    data: Annotated[
        str,
        Setting(
            "Data",
            "the examples: embedded, a hub name, a folder with train and validation files, or a "
            "TSV, CSV, JSONL or Parquet file",
            "DATA",
            DATA,
            examples=("embedded",),
        ),
    ] = "embedded"
    method: Annotated[
        str,
        Setting(
            "Method",
            "how weights are chosen and corrected; settings after a colon change single steps, as "
            "in adaptive:refit=none",
            "NAME[:SETTING=VALUE,…]",
            PRUNING,
        ),
    ] = "adaptive"  # see prunescope.engine.pruning.methods
    pattern: Annotated[
        str,
        Setting(
            "Pattern",
            "which zeros go together: unstructured, row, or n:m such as 2:4, which is 2 zeros in "
            "each 4 weights and fixes the sparsity",
            "PATTERN",
            PRUNING,
            examples=("unstructured", "row", "2:4", "4:8", "32:64"),
        ),
    ] = "unstructured"
    levels: Annotated[
        tuple[float, ...],
        Setting(
            "Levels, per cent",
            "the sparsities: zeros / weights of the blocks' linear layers; 0 is the dense model",
            "LIST",
            PRUNING,
            default="0 to 0.95 in steps of 0.05, or 0 and the pattern's own",
        ),
    ] = LEVELS
    calibration: Annotated[
        int,
        Setting(
            "Calibration sentences",
            "sentences that the pruner sees; it is unreliable with fewer than about three tokens "
            "for each input of a layer",
            "N",
            EXAMPLES,
            ge=1,
        ),
    ] = 512
    held_out: Annotated[
        int,
        Setting(
            "Held-out sentences",
            "further sentences, for the layer errors; they are drawn first, so a model of a study "
            "needs the same number",
            "N",
            EXAMPLES,
            ge=1,
        ),
    ] = 128
    eval_examples: Annotated[
        int,
        Setting(
            "Evaluated examples",
            "examples for accuracy; as many as there are, if there are fewer",
            "N",
            EXAMPLES,
            ge=1,
        ),
    ] = 872
    attack: Annotated[
        str,
        Setting(
            "Attack",
            "how texts are changed until the model errs; none leaves the attack out, which is much "
            "quicker",
            "NAME",
            ATTACK,
        ),
    ] = "deepwordbug"
    attack_examples: Annotated[
        int,
        Setting(
            "Attacked examples",
            "examples that are attacked, the same at every level; they take most of the time",
            "N",
            ATTACK,
            ge=1,
        ),
    ] = 200
    max_queries: Annotated[
        int | None,
        Setting(
            "Queries",
            "budget of queries for each attacked example",
            "N",
            ATTACK,
            gt=0,
            default="no limit",
        ),
    ] = None
    max_seconds: Annotated[
        float | None,
        Setting(
            "Seconds",
            "budget of seconds for each attacked example; the outcome then depends on the machine",
            "SECONDS",
            ATTACK,
            gt=0,
            default="no limit",
        ),
    ] = None
    seed: Annotated[
        int,
        Setting(
            "Seed",
            "seed of the choice of sentences and examples, and of the attack",
            "N",
            RUN,
            ge=-(2**63),
            lt=2**63,
            takes=A_SEED,
        ),
    ] = 0
    device: Annotated[
        str,
        Setting("Device", "auto, cpu, or cuda", "DEVICE", RUN, examples=("auto", "cpu", "cuda")),
    ] = "auto"
    allocation: Annotated[
        str,
        Setting(
            "Allocation",
            "sparsity over the layers: uniform, loss-equalised, or auto, which is loss-equalised "
            "for adaptive unless the pattern is n:m",
            "NAME",
            PRUNING,
            examples=("auto", "uniform", "loss-equalised"),
        ),
    ] = "auto"
    layers: Annotated[
        str,
        Setting(
            "Layers",
            "sparsity of chosen layers by hand, as in 0=0,output=0.4,5.output=0.3, or a JSON file; "
            "0 leaves a layer dense",
            "LIST",
            PRUNING,
        ),
    ] = ""
    precision: Annotated[
        str,
        Setting(
            "Precision",
            "precision of the pruner's forward passes: fp32, tf32 or bf16",
            "PRECISION",
            PRUNING,
            examples=("fp32", "tf32", "bf16"),
        ),
    ] = "fp32"
    force: Annotated[
        bool,
        Setting(
            "Force", "prune with fewer calibration tokens than a layer has inputs", group=PRUNING
        ),
    ] = False
    resources: Annotated[
        str | None,
        Setting(
            "Resources",
            "folder with nltk_data, lexicon and masked-lm, as far as there",
            "DIR",
            ATTACK,
            default="NLTK's own folders and the hub's cache, else built in",
        ),
    ] = None
    text_column: Annotated[
        str | None,
        Setting(
            "Text column",
            "the column of texts, if its name is not a usual one such as text, sentence or review",
            "NAME",
            DATA,
        ),
    ] = None
    pair_column: Annotated[
        str | None,
        Setting(
            "Pair column",
            "for pairs, the column of the second texts; with a text column alone there are none",
            "NAME",
            DATA,
        ),
    ] = None
    label_column: Annotated[
        str | None,
        Setting(
            "Label column",
            "the column of class numbers or names, if its name is not a usual one such as label or "
            "class",
            "NAME",
            DATA,
        ),
    ] = None
    label_map: Annotated[
        str | None,
        Setting(
            "Label map",
            "what each label of the data means: the model's class numbers from 0 or its class "
            "names, as in neg=0,pos=1 or bad=negative,good=positive; −1 leaves such examples out",
            "LIST",
            DATA,
            default="labels are matched by name or number",
        ),
    ] = None  # see prunescope.engine.data.label_map
    calibration_data: Annotated[
        str,
        Setting(
            "Further calibration data",
            "further files of texts for the pruner, after the study's own; no label is read, long "
            "texts are split into sentences, and held-out text decides how many are used",
            "FILES",
            DATA,
        ),
    ] = ""
    recover: Annotated[
        str,
        Setting(
            "Recovery",
            "unlabelled tuning of what is left, zeros fixed, toward the dense model: global tunes "
            "all blocks together, block each toward its own output, affine norms and biases alone",
            "NAME",
            PRUNING,
            choices=RECOVERIES,
        ),
    ] = "off"

    def __post_init__(self) -> None:
        if isinstance(self.levels, str | int | float):
            raise SettingError(
                f"`levels` is {self.levels!r}; give a list of shares, such as (0, 0.5, 0.875).",
                setting="levels",
            )
        for level in self.levels:  # no model has weights for a seventh digit
            number = isinstance(level, int | float) and not isinstance(level, bool)
            if not (number and 0 <= round(level, 6) < 1):
                raise SettingError(
                    f"Sparsity {level} is outside [0, 1); `levels` are shares such as 0,0.5,0.875."
                )
        object.__setattr__(self, "levels", tuple(round(float(level), 6) for level in self.levels))
        if not self.levels:
            raise SettingError("There are no levels; give at least one, such as `levels=0,0.5`.")
        check_seed(self.seed, "`seed`")
        if self.attack_examples < 1 and self.attack != "none":
            raise SettingError(
                f"`attack_examples` is {self.attack_examples}; leave the attack out with "
                "`attack=none`."
            )
        check_record(self, skip=("attack_examples", "seed"))

    @property
    def further_files(self) -> tuple[str, ...]:
        """The files of `calibration_data`, in their order."""
        return tuple(filter(None, map(str.strip, self.calibration_data.split(","))))

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
            calibration_data=",".join(map(whole_path, self.further_files)),
            resources=resources,
        )


def labelled(text: str) -> str:
    """The text of an error or notice with a study's settings as a page calls them.

    "`calibration` is 0" becomes "“Calibration sentences” is 0"; levels are percentages there.
    """

    def words(name: str, value: str | None) -> str | None:
        if name not in StudySpec.__dataclass_fields__:
            return None
        label = settings_of(StudySpec)[name].setting.label
        if value is None or value == "true":
            return f"“{label}”"
        return f"“{label}: {_percentages(value) if name == 'levels' else value}”"

    return phrase(text, words)


def _percentages(shares: str) -> str:
    try:
        return ", ".join(f"{100 * float(share):g}" for share in shares.split(","))
    except ValueError:
        return shares
