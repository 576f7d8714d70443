"""Stand-ins for packages that TextAttack imports and the attacks here do not need.

TextAttack requires flair, which brings a hundred megabytes and a limit on the version of
transformers, for one tagger that one recipe uses; and packages for Chinese, for grammar checks and
for word forms. Where such a package is absent, an empty module with the names that TextAttack reads
takes its place while TextAttack is imported. Afterwards it is absent again, so that what truly
needs it raises ModuleNotFoundError.
"""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# module → the names that TextAttack takes from it while it is imported
NAMES: dict[str, tuple[str, ...]] = {
    "flair": ("data", "models"),
    "flair.data": ("Sentence", "Tokenizer"),
    "flair.models": ("SequenceTagger",),
    "jieba": (),
    "pinyin": (),
    "OpenHowNet": (),
    "langdetect": ("detect",),
    "language_tool_python": (),
    "lemminflect": (),
    "more_itertools": (),
    "num2words": ("num2words",),
    "word2number": ("w2n",),
    "editdistance": ("eval",),
    "bert_score": (),
}
# Never imported, even where it is there: it imports Matplotlib, for a constraint of no recipe here
UNUSED = ("bert_score",)


@contextmanager
def stand_ins() -> Iterator[None]:
    """In the body, every module of `NAMES` that is absent can be imported."""
    names = [name for name in NAMES if name not in sys.modules and not _is_here(name)]
    modules = {name: ModuleType(name) for name in names}
    for name, module in modules.items():
        module.__spec__ = ModuleSpec(name, None)  # find_spec raises where there is none
        for attribute in NAMES[name]:
            setattr(module, attribute, _stand_in(name, attribute, modules))
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


def _is_here(name: str) -> bool:
    package = name.partition(".")[0]
    return package not in UNUSED and importlib.util.find_spec(package) is not None


def _stand_in(module: str, name: str, modules: dict[str, ModuleType]) -> Any:
    """A module of the same package, a function that TextAttack calls, or a class that it names."""
    if f"{module}.{name}" in modules:
        return modules[f"{module}.{name}"]
    return FUNCTIONS.get((module, name)) or type(name, (), {})


def _edit_distance(first: str, second: str) -> int:
    """The number that editdistance gives, which has no wheel for Python 3.13."""
    from Levenshtein import distance

    return distance(first, second)


def _unknown_language(_text: str) -> str:
    """TextAttack asks for the language, to leave Chinese and Korean texts without colours."""
    return ""


FUNCTIONS: dict[tuple[str, str], Callable[..., Any]] = {
    ("editdistance", "eval"): _edit_distance,
    ("langdetect", "detect"): _unknown_language,
}
