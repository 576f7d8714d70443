"""Every measure that PruneScope shows, described once.

Cards, axes, tooltips, the About page, reports, the command line and the documents read this file,
so a measure means the same wherever it stands. Light to import.

    glossary.measure("aua").axis          "Accuracy under attack (Aua), %"
    glossary.measure("aua").help          what it is, and what it is not
"""

from dataclasses import dataclass
from typing import Literal

ABBREVIATED = ("acc", "aua", "asr")  # measures whose symbol is short for their name
Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: what it is, what it is not, its unit, and which direction is better."""

    key: str  # the name of its column in a table
    symbol: str  # short, for cards, legends and heads of columns
    name: str  # in full, for the title of an axis
    meaning: str  # one sentence
    not_meaning: str  # one sentence: what people take it for
    unit: str  # "%", "points", "MB", "s", … or nothing
    better: Better
    formula: str = ""  # LaTeX, where the sentence does not say it all

    @property
    def axis(self) -> str:
        """The title of an axis: full name, abbreviation and unit."""
        short = f" ({self.symbol})" if self.key in ABBREVIATED else ""
        return f"{self.name}{short}{f', {self.unit}' if self.unit else ''}"

    @property
    def head(self) -> str:
        """The head of a narrow column: symbol and unit."""
        return f"{self.symbol}, {self.unit}" if self.unit else self.symbol

    @property
    def help(self) -> str:
        """The text of a tooltip: what it is, what it is not, which direction is better."""
        direction = "" if self.better == "neither" else f" {self.better.capitalize()} is better."
        return f"{self.meaning}{direction} {self.not_meaning}"

    @property
    def less_is_better(self) -> bool:
        """Whether a fall is welcome."""
        return self.better == "lower"


MEASURES = (
    Measure(
        "sparsity",
        "Sparsity",
        "Sparsity of the prunable weights",
        "Zeros / prunable weights: the weights of the linear layers inside the blocks.",
        "It is not the share of zeros in the whole model: embeddings, norms, biases, pooler and "
        "classifier are not pruned and not counted.",
        "%",
        "neither",
    ),
    Measure(
        "acc",
        "Acc",
        "Accuracy",
        "Correctly classified examples / all examples of the evaluation set.",
        "It is not the accuracy on texts of another kind.",
        "%",
        "higher",
    ),
    Measure(
        "aua",
        "Aua",
        "Accuracy under attack",
        "Attacked examples that are classified correctly and withstand the attack / all attacked "
        "examples.",
        "It is not a guarantee: a stronger attack, or more queries, would succeed more often.",
        "%",
        "higher",
        r"\text{Aua} = \frac{\text{withstood} + \text{exhausted}}{n}",
    ),
    Measure(
        "asr",
        "Asr",
        "Attack success rate",
        "Attacks that succeed / attacked examples that are classified correctly without attack.",
        "It is not comparable between two models as it stands, because they classify different "
        "examples correctly; the paired table uses the common ones.",
        "%",
        "lower",
        r"\text{Asr} = \frac{\text{succeeded}}{\text{succeeded} + \text{withstood} + "
        r"\text{exhausted}}",
    ),
    Measure(
        "layer_error",
        "Layer error",
        "Relative error of a layer's output",
        "Squared error of a layer's output / the spread of the dense output, on text that the "
        "pruner did not see.",
        "It is not the error of the prediction: later layers may undo it or add to it.",
        "",
        "lower",
        r"\frac{\lVert (W X_d + b) - (\hat W X_s + \hat b) \rVert^2}{\lVert W X_d - \text{mean} "
        r"\rVert^2}",
    ),
    Measure(
        "cls_error",
        "[CLS] error",
        "Relative error of the last [CLS] embedding",
        "Squared distance of the last [CLS] embedding from the dense model's / the spread of the "
        "dense one over the evaluation set. Where the head reads the last token or the mean, it is "
        "the error of that.",
        "It is not a change of the prediction: an embedding may move along the border between "
        "classes.",
        "",
        "lower",
    ),
    Measure(
        "size",
        "Packed size",
        "Size of the packed model",
        "Bytes of the whole model with its prunable weights stored as a bitmap and the remaining "
        "weights in fp32.",
        "It is not memory or speed: once opened, the model is as large in memory and as fast as "
        "the dense one.",
        "MB",
        "lower",
    ),
    Measure(
        "latency",
        "CSR time",
        "Time of the CSR form / time of the dense model",
        "Median ratio of the two, measured in turn on this machine, with 5% and 95% quantiles.",
        "It is not a property of the model: it depends on processor, threads and batch size.",
        "× dense",
        "lower",
    ),
    Measure(
        "queries",
        "Queries",
        "Queries of an attack",
        "Texts that the model was asked to classify until the attack succeeded or gave up.",
        "It is not a time: a query takes longer on a larger model.",
        "",
        "higher",
    ),
    Measure(
        "similarity",
        "Similarity",
        "Similarity of the text before and after the attack",
        "Cosine of the two embeddings of a sentence encoder (all-MiniLM-L6-v2).",
        "It is not a reader's judgement: sentences of opposite meaning may come out as similar.",
        "",
        "neither",
    ),
    Measure(
        "p",
        "p",
        "p-value of McNemar's exact test",
        "Probability of flips at least as one-sided as these if chance alone decided each flip; "
        "adjusted by Holm's method over what is compared together: sparsities, methods, or the "
        "tests of a question.",
        "It is not the size of a difference: that is in the flip table.",
        "",
        "neither",
        r"p = \min\Bigl(1,\; 2\,\mathrm{P}\bigl[X \le \min(b, c)\bigr]\Bigr), \quad X \sim "
        r"\mathrm{Bin}(b + c, \tfrac12)",
    ),
    Measure(
        "interval",
        "95% interval",
        "Wilson's 95% interval of a rate",
        "The range of true rates that agree with the examples; every rate carries one.",
        "It is not the spread over seeds or over other data sets.",
        "",
        "neither",
        r"\frac{\hat p + \frac{z^2}{2n} \pm z\sqrt{\frac{\hat p(1-\hat p)}{n} + "
        r"\frac{z^2}{4n^2}}}{1 + \frac{z^2}{n}}",
    ),
    Measure(
        "gap",
        "ID − OOD",
        "Generalization gap",
        "Accuracy in distribution minus accuracy out of distribution.",
        "It is not a measure of quality by itself: a model near chance has a small gap.",
        "points",
        "lower",
    ),
    Measure(
        "safe",
        "Safe up to",
        "Safe sparsity",
        "The highest measured sparsity such that, there and at all lower ones, Acc and Aua stay "
        "within the tolerance of the dense model, with 95% confidence.",
        "It is not the best guess, which stands beside it without the confidence.",
        "%",
        "higher",
    ),
    Measure(
        "collapsed",
        "Collapsed",
        "Collapsed model",
        "A model whose accuracy, averaged over the classes, is within five points of that of one "
        "answer to everything.",
        "It is not robust, even where its Aua is high: Aua and Asr mean nothing for it.",
        "",
        "neither",
    ),
)
_BY_KEY = {measure.key: measure for measure in MEASURES}
_SAME = {"layer_error_median": "layer_error", "packed_bytes": "size"}


def measure(key: str) -> Measure:
    """The measure behind a column. Raises KeyError for a name that is none."""
    return _BY_KEY[_SAME.get(key, key)]
