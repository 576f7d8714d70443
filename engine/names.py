"""Names that engine and pages share: a block's prunable linears, in the order of pruning, and the attacks. Light to import."""

MODULES = ("query", "key", "value", "attention_output", "intermediate", "output")

ATTACKS = {  # the titles of `engine.attacks.recipes.RECIPES`, for pages that must not import torch
    "deepwordbug": "DeepWordBug", "pruthi": "Pruthi", "input-reduction": "Input reduction", "textfooler": "TextFooler",
    "textfooler-like": "TextFooler with the project's lexicon", "textbugger": "TextBugger",
    "textbugger-like": "TextBugger with the project's lexicon", "pwws": "PWWS", "bert-attack": "BERT-Attack", "bae": "BAE",
    "checklist": "CheckList", "hotflip": "HotFlip for word pieces",
}  # fmt: skip
ATTACK_HELP = ", ".join(ATTACKS)
RESOURCES_HELP = (
    "folder with nltk_data, lexicon and masked-lm, as far as there (default: NLTK's own folders and the hub's cache, else "
    "built in)"
)


def counted(count: int | str, noun: str) -> str:
    """The number with its noun: "1 thread", "2 threads"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
