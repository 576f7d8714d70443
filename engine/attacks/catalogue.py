"""The attacks by name, with their titles. Light to import: the recipes themselves need torch and
TextAttack.
"""

# the titles of `prunescope.engine.attacks.recipes.RECIPES`, for pages that must not import torch
ATTACKS = {
    "deepwordbug": "DeepWordBug",
    "pruthi": "Pruthi",
    "input-reduction": "Input reduction",
    "textfooler": "TextFooler",
    "textfooler-like": "TextFooler with the project's lexicon",
    "textbugger": "TextBugger",
    "textbugger-like": "TextBugger with the project's lexicon",
    "pwws": "PWWS",
    "bert-attack": "BERT-Attack",
    "bae": "BAE",
    "checklist": "CheckList",
    "hotflip": "HotFlip for word pieces",
}
