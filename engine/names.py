"""Names that engine and pages share: a block's prunable linears, in the order of pruning, and the attacks. Light to import."""

import unicodedata

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


BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2028\u2029\u2800\u3164\uffa0")  # letters and signs that leave no ink


def spelled_out(text: str) -> str:
    """The text with characters that cannot be seen or that turn its direction spelled out, such as ⟨U+202E⟩."""
    return "".join(f"⟨U+{ord(sign):04X}⟩" if unicodedata.category(sign) in ("Cc", "Cf", "Co", "Cs") or sign in BLANK
                   or 0xFE00 <= ord(sign) <= 0xFE0F or 0xE0100 <= ord(sign) <= 0xE01EF else sign for sign in text)  # fmt: skip


def visible(text: str) -> str:
    """`spelled_out`, with its lines joined."""
    return spelled_out(" ".join(text.split()))


def short(text: str, most: int = 60) -> str:
    """The text for a name: nothing invisible in it, and cut where it is too long to be one."""
    seen = visible(text)
    return seen if len(seen) <= most else f"{seen[: most - 1]}…"
