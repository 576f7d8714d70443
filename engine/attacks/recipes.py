"""The attack recipes by name: what each is, where it comes from, what it needs, and how to build it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.attacks.resources import Resources
from engine.attacks.textattack_gate import version
from engine.errors import ResourceError, SettingError

Builder = Callable[[Any, Any, Resources], Any]  # (TextAttack, its model wrapper, resources) → a TextAttack Attack


@dataclass(frozen=True, slots=True)
class Recipe:
    """One attack."""

    name: str
    title: str
    paper: str
    build: Builder
    needs: tuple[str, ...] = ()  # names in `HERE`
    deterministic: bool = True  # nothing in it is drawn at random; what is drawn depends on seed and text alone
    reads_victim: bool = False  # its candidates depend on the victim (its gradient), so victims share none

    def missing(self, resources: Resources) -> tuple[str, ...]:
        """What it needs and is not here, in words."""
        return tuple(NEEDS[name].title for name in self.needs if not NEEDS[name].here(resources))


@dataclass(frozen=True, slots=True)
class Need:
    """Something a recipe may need beside the victim."""

    title: str
    here: Callable[[Resources], bool]


def _flair_ner(_resources: Resources) -> bool:
    """Whether flair's English name tagger is where flair keeps what it has downloaded."""
    import os

    root = Path(os.environ.get("FLAIR_CACHE_ROOT") or Path.home() / ".flair").expanduser()
    return any((root / "models").glob("*ner-english*"))


NEEDS = {
    "stop words": Need("stop words (NLTK's list, or the built-in one)", lambda resources: bool(resources.stopwords_sha256)),
    "name tagger": Need("flair's English name tagger (ner-english, downloaded by flair on first use)", _flair_ner),
}


def _textattack(recipe: str) -> Builder:
    """TextAttack's recipe as it is."""

    def build(package: Any, model: Any, _resources: Resources) -> Any:
        return getattr(package.attack_recipes, recipe).build(model)

    return build


def _hotflip(package: Any, model: Any, resources: Resources) -> Any:
    from engine.attacks import hotflip  # which imports torch; the list of recipes is light

    return hotflip.build(package, model, resources)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("deepwordbug", "DeepWordBug", "Gao et al. 2018, arXiv:1801.04354", _textattack("DeepWordBugGao2018"),
               ("stop words",), deterministic=False),
        Recipe("pruthi", "Pruthi", "Pruthi et al. 2019, arXiv:1905.11268", _textattack("Pruthi2019"),
               ("stop words",), deterministic=False),
        Recipe("input-reduction", "Input reduction", "Feng et al. 2018, arXiv:1804.07781",
               _textattack("InputReductionFeng2018"), ("stop words",)),
        Recipe("checklist", "CheckList", "Ribeiro et al. 2020, arXiv:2005.04118", _textattack("CheckList2020"),
               ("name tagger",), deterministic=False),
        Recipe("hotflip", "HotFlip for word pieces", "Ebrahimi et al. 2018, arXiv:1712.06751", _hotflip,
               ("stop words",), reads_victim=True),
    )
}  # fmt: skip


def recipe_named(name: str) -> Recipe:
    """Raises SettingError with the names there are."""
    if name not in RECIPES:
        raise SettingError(f"The attack {name!r} is unknown; choose one of {', '.join(RECIPES)}, or none.")
    return RECIPES[name]


def check_attack(name: str) -> None:
    """Raises SettingError with the names there are."""
    if name != "none":
        recipe_named(name)


def check_here(recipe: Recipe, resources: Resources) -> None:
    """Raises ResourceError that names what the recipe lacks."""
    if missing := recipe.missing(resources):
        raise ResourceError(f"The attack {recipe.name} needs {'; '.join(missing)}, not found on this machine; name a folder "
                            "that has it with --resources, or choose another attack.")  # fmt: skip


def attack_identity(name: str, resources: Resources) -> dict[str, str]:
    """What decides an attack's outcome beside victim, examples and seed."""
    return {"name": name, "textattack": version(), "stopwords": resources.stopwords_sha256, "seeding": "text-and-word"}
