"""The attack recipes by name: what each is, where it comes from, what it needs, and how to build
it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.engine.attacks.resources import Resources, Source, find_resources
from prunescope.engine.attacks.textattack_import import version
from prunescope.engine.attacks.word_recipes import (
    THRESHOLDS,
    counterfitted,
    encoded,
    lexicon,
    masked,
    tagged,
    with_parts,
    wordnet,
)
from prunescope.engine.errors import ResourceError, SettingError
from prunescope.engine.paths import expanded

# (TextAttack, its model wrapper, resources) → a TextAttack Attack
Builder = Callable[[Any, Any, Resources], Any]


@dataclass(frozen=True, slots=True)
class AttackRecipe:
    """One attack."""

    name: str
    title: str
    paper: str
    build: Builder
    needs: tuple[str, ...] = ()  # names in `NEEDS`
    # nothing in it is drawn at random; what is drawn depends on seed and text alone
    deterministic: bool = True
    # its candidates depend on the victim (its gradient), so victims share none
    reads_victim: bool = False

    def used(self, resources: Resources) -> dict[str, Source]:
        """What it needs, by name. Raises ResourceError that names what is not here."""
        if missing := self.missing(resources):
            raise ResourceError(
                f"The attack {self.name} needs {'; '.join(missing)}, not found on this machine; "
                "name a folder that has it with `resources`, or choose another attack."
            )
        return {
            name: source
            for name in self.needs
            if (source := NEEDS[name].source(resources)) is not None
        }

    def missing(self, resources: Resources) -> tuple[str, ...]:
        """What it needs and is not here, in words."""
        return tuple(
            NEEDS[name].title for name in self.needs if NEEDS[name].source(resources) is None
        )


@dataclass(frozen=True, slots=True)
class Need:
    """Something a recipe may need beside the victim."""

    title: str
    source: Callable[[Resources], Source | None]  # None where it is not here


def _flair_ner(_resources: Resources) -> Source | None:
    """Flair's English name tagger, where flair keeps what it has downloaded; None without flair."""
    import importlib.util
    import os

    if importlib.util.find_spec("flair") is None:
        return None
    root = expanded(os.environ.get("FLAIR_CACHE_ROOT") or Path.home() / ".flair")
    files = tuple((root / "models").glob("*ner-english*"))
    return Source(files, "flair's folder") if files else None


def _stop_words(resources: Resources) -> Source | None:
    digest = resources.stopwords_sha256
    return Source((), resources.stopwords_from, digest) if digest else None


def _part(name: str, title: str) -> Need:
    return Need(title, lambda resources: resources.parts.get(name))


NEEDS = {
    "stop words": Need("stop words (NLTK's list, or the built-in one)", _stop_words),
    "lexicon": _part("lexicon", "the project's synonym lexicon"),
    "encoder": _part("encoder", "the embedded sentence encoder"),
    "neighbours": _part(
        "neighbours",
        "counter-fitted neighbours (lexicon/counterfitted_neighbors.json.gz, or "
        "lexicon/counter-fitted-vectors.txt)",
    ),
    "tagger": _part(
        "tagger", "NLTK's tagger (averaged_perceptron_tagger_eng and universal_tagset)"
    ),
    "wordnet": _part("wordnet", "WordNet (corpora/wordnet, as in NLTK's data)"),
    "masked-lm": _part(
        "masked-lm", "a masked language model (masked-lm/, or bert-base-uncased in the hub's cache)"
    ),
    "name tagger": Need(
        "flair's English name tagger (install flair with: pip install textattack; it downloads "
        "ner-english on first use)",
        _flair_ner,
    ),
}


def _textattack(recipe: str) -> Builder:
    """TextAttack's recipe as it is."""

    def build(package: Any, model: Any, _resources: Resources) -> Any:
        return getattr(package.attack_recipes, recipe).build(model)

    return build


def _hotflip(package: Any, model: Any, resources: Resources) -> Any:
    from prunescope.engine.attacks import hotflip

    return hotflip.build(package, model, resources)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        AttackRecipe(
            "deepwordbug",
            "DeepWordBug",
            "Gao et al. 2018, arXiv:1801.04354",
            _textattack("DeepWordBugGao2018"),
            ("stop words",),
            deterministic=False,
        ),
        AttackRecipe(
            "pruthi",
            "Pruthi",
            "Pruthi et al. 2019, arXiv:1905.11268",
            _textattack("Pruthi2019"),
            ("stop words",),
            deterministic=False,
        ),
        AttackRecipe(
            "input-reduction",
            "Input reduction",
            "Feng et al. 2018, arXiv:1804.07781",
            _textattack("InputReductionFeng2018"),
            ("stop words",),
        ),
        AttackRecipe(
            "textfooler",
            "TextFooler",
            "Jin et al. 2020, arXiv:1907.11932",
            with_parts("TextFoolerJin2019", counterfitted, tagged, encoded),
            ("neighbours", "tagger", "encoder"),
        ),
        AttackRecipe(
            "textfooler-like",
            "TextFooler with the project's lexicon",
            "after Jin et al. 2020, arXiv:1907.11932",
            with_parts("TextFoolerJin2019", lexicon, encoded),
            ("lexicon", "encoder"),
        ),
        AttackRecipe(
            "textbugger",
            "TextBugger",
            "Li et al. 2019, arXiv:1812.05271",
            with_parts("TextBuggerLi2018", counterfitted, encoded),
            ("stop words", "neighbours", "encoder"),
            deterministic=False,
        ),
        AttackRecipe(
            "textbugger-like",
            "TextBugger with the project's lexicon",
            "after Li et al. 2019, arXiv:1812.05271",
            with_parts("TextBuggerLi2018", lexicon, encoded),
            ("stop words", "lexicon", "encoder"),
            deterministic=False,
        ),
        AttackRecipe(
            "pwws",
            "PWWS",
            "Ren et al. 2019, ACL P19-1103",
            with_parts("PWWSRen2019", wordnet),
            ("stop words", "wordnet"),
        ),
        AttackRecipe(
            "bert-attack",
            "BERT-Attack",
            "Li et al. 2020, arXiv:2004.09984",
            with_parts("BERTAttackLi2020", masked, encoded),
            ("stop words", "masked-lm", "encoder"),
        ),
        AttackRecipe(
            "bae",
            "BAE",
            "Garg & Ramakrishnan 2020, arXiv:2004.01970",
            with_parts("BAEGarg2019", masked, tagged, encoded),
            ("stop words", "masked-lm", "tagger", "encoder"),
        ),
        AttackRecipe(
            "checklist",
            "CheckList",
            "Ribeiro et al. 2020, arXiv:2005.04118",
            _textattack("CheckList2020"),
            ("name tagger",),
            deterministic=False,
        ),
        AttackRecipe(
            "hotflip",
            "HotFlip for word pieces",
            "Ebrahimi et al. 2018, arXiv:1712.06751",
            _hotflip,
            ("stop words",),
            reads_victim=True,
        ),
    )
}


def recipe_named(name: str) -> AttackRecipe:
    """Raises SettingError with the names there are."""
    if name not in RECIPES:
        raise SettingError(
            f"The attack {name!r} is unknown; choose one of {', '.join(RECIPES)}, or none."
        )
    return RECIPES[name]


def check_attack(name: str) -> None:
    """Raises SettingError with the names there are."""
    if name != "none":
        recipe_named(name)


def check_ready(name: str, folder: str | None = None) -> None:
    """Whether everything that an attack needs is on this machine and whole; it is opened, and
    nothing else is done.

    Raises SettingError for an unknown attack, ResourceError or ModelError that says what is missing
    or damaged, and where.
    """
    if name == "none":
        return
    from prunescope.engine.attacks.resource_checks import check_source

    recipe, resources = recipe_named(name), find_resources(folder)
    for need, source in recipe.used(resources).items():
        check_source(need, source, resources)


def attack_identity(name: str, resources: Resources) -> dict[str, str]:
    """What decides an attack's outcome beside victim, examples and seed: versions, and the content
    of what it needs.

    Raises ResourceError that names what the attack lacks.
    """
    used = {
        need.replace(" ", ""): source.sha256
        for need, source in recipe_named(name).used(resources).items()
    }
    if "encoder" in used:
        used["encoder"] += "".join(
            f"|{metric} {old}: {new}" for (metric, old), new in THRESHOLDS.items()
        )
    return {"name": name, "textattack": version(), **used, "seeding": "text-and-word"}


def used_resources(name: str, resources: Resources) -> dict[str, dict[str, str]]:
    """What an attack uses, for its record: by name, where it comes from and the SHA-256 of its
    content.
    """
    return {
        need: {"from": source.origin, "sha256": source.sha256}
        for need, source in recipe_named(name).used(resources).items()
    }


def attacks_here(folder: str | None = None) -> dict[str, tuple[str, ...]]:
    """Every attack with what it lacks on this machine, in words; empty where it can run."""
    resources = find_resources(folder)
    return {name: recipe.missing(resources) for name, recipe in RECIPES.items()}
