"""Write docs/glossary.md: the measures of `engine/reading/glossary.py` and the words around them.

.venv/bin/python scripts/glossary.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from prunescope.engine.config.papers import P1, P2  # noqa: E402
from prunescope.engine.reading.glossary import MEASURES, Measure  # noqa: E402

PAGE = ROOT / "docs" / "glossary.md"
HEAD = """<!-- Written by scripts/glossary.py from engine/reading/glossary.py; do not edit. -->

# Glossary

The dashboard, the command line, reports and these pages use each word in one sense.

## Measures
"""
TERMS = {
    "The model": {
        "Prunable weights": "The weights of the linear layers inside the blocks. Embeddings, "
        "norms, biases, pooler and classifier are not pruned and not counted.",
        "Dense model": "The model before pruning. Every comparison is with it, on the same "
        "examples.",
        "Member": "One fine-tuned model of the average that is pruned.",
        "Selection set": "Held-out examples that decide which members enter a greedy average. "
        "Nothing is trained or evaluated on them.",
        "Recovery, unlabelled tuning": "The remaining weights of a pruned model are tuned toward "
        "the dense model's hidden states and answers, on text without labels. Off unless asked "
        "for; a tuned model is a row of its own in every table.",
    },
    "Pruning": {
        "Sparsity level": "A sparsity at which a study measures. Requested and achieved sparsity "
        "differ by rounding to whole weights.",
        "Remaining weights": "The prunable weights that are not zero after pruning.",
        "Calibration texts": "The texts that the pruner sees. They need no labels.",
        "Further texts": "Texts of other files, which the pruner sees after the study's own, for "
        "as long as they lower the error on held-out texts.",
        "Held-out texts": "Texts of the study's data that the pruner does not see. Layer errors "
        "are measured on them, and they end what further texts and unlabelled tuning do.",
        "Pattern": "Which zeros go together: unstructured, row (the same sparsity in every row), "
        "or n:m (n of every m neighbouring weights remain).",
        "Allocation": "How sparsity is spread over layers: uniform, or by measured loss.",
        "Adaptive": "PruneScope's method. It corrects each layer toward the dense model's output "
        "from the pruned model's input, and weighs errors by what reaches the classifier.",
        "Residual target": "A layer's target with the residual connection added, so that errors "
        "which bypass the layer are corrected too.",
        "Refit": "After the choice of weights, the remaining ones are changed once more to bring "
        "the layer's output nearer to its target.",
        "P1": f"{P1}; as a method, its formula as published.",
        "P2": f"{P2}.",
        "SparseGPT, Wanda, magnitude": "Methods of the literature, for comparison. See "
        "[the method](method.md#methods-and-settings).",
    },
    "Trained subnetworks": {
        "Mask training": "The weights stay as they are; a score for every weight is trained, and "
        "the weights of the lowest scores are zero.",
        "Soft scores": "Mask training whose scores start at the size of each weight, instead of at "
        "two values for removed and remaining ones.",
        "IMP": "Iterative magnitude pruning: training goes on while the smallest weights are "
        "removed a share at a time.",
        "CE": "Cross-entropy, the ordinary loss of a classifier.",
        "PoE": "Product of experts: cross-entropy of the model and a bias model together, so that "
        "the model learns less of what the bias model knows.",
        "FreeLB": "Adversarial training: each step also learns from word embeddings that are "
        "shifted to raise the loss.",
    },
    "Attacks": {
        "Withstood, broken": "The attack failed, or it found a text that the model misclassifies.",
        "Skipped": "Misclassified without attack, so there was nothing to attack.",
        "Exhausted": "The budget of queries or seconds ran out first. It counts as withstood and "
        "is reported apart.",
        "Transfer": "The share of the adversarial texts found on one model that also break "
        "another, among the examples that both classify correctly.",
        "vs dense, in points": "A difference from the dense model, in percentage points.",
    },
    "Files": {
        "CSR": "Compressed sparse rows: a matrix stored as its nonzero values and their positions.",
    },
    "Answers": {
        "Best guess": "The highest safe sparsity by the examples as they were measured, without "
        "confidence.",
        "Tolerance": "How many points Acc and Aua may lose; three unless you say otherwise.",
        "Pareto front": "The models that no other one beats in both measures. A collapsed model "
        "is never on it.",
    },
}


def render() -> str:
    """The page."""
    parts = [HEAD, *map(_measure, MEASURES)]
    for title, terms in TERMS.items():
        parts.append(f"\n## {title}\n")
        parts += [f"\n**{name}**: {meaning}\n" for name, meaning in terms.items()]
    return "".join(parts)


def _measure(entry: Measure) -> str:
    name = entry.name if entry.symbol == entry.name else f"{entry.name} ({entry.symbol})"
    unit = f"Unit: {entry.unit}. " if entry.unit else ""
    better = "" if entry.better == "neither" else f"{entry.better.capitalize()} is better."
    facts = f"\n{unit}{better}".rstrip() + "\n" if unit or better else ""
    formula = f"\n$$\n{entry.formula}\n$$\n" if entry.formula else ""
    return f"\n### {name}\n\n{entry.meaning} {entry.not_meaning}\n{facts}{formula}"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
