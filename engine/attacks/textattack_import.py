"""The one place that imports TextAttack, after everything it would otherwise reach for is in order.

On import it downloads NLTK data, redirects caches when told where its own is, and disables loggers
that exist. Here the download is switched off, the caches and loggers are put back, and NLTK's
search path is set from `Resources`.
"""

import importlib.metadata
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

from prunescope.engine.attacks.resources import Resources
from prunescope.engine.attacks.stand_ins import stand_ins

REDIRECTED = (
    "TA_CACHE_DIR",
    "TFHUB_CACHE_DIR",
    "PYTORCH_TRANSFORMERS_CACHE",
    "HF_HOME",
    "XDG_CACHE_HOME",
    "TOKENIZERS_PARALLELISM",
)


def version() -> str:
    """TextAttack's version, without importing it."""
    return importlib.metadata.version("textattack")


def textattack(resources: Resources) -> ModuleType:
    """The imported package, with NLTK looking where `resources` says."""
    set_nltk_path(resources)
    if "textattack" not in sys.modules:
        _import()
    _let_other_loggers_speak()
    return sys.modules["textattack"]


def set_nltk_path(resources: Resources) -> None:
    """Have NLTK look where `resources` says; TextAttack is not imported for it."""
    import nltk

    if nltk.data.path != list(resources.search):
        nltk.corpus.wordnet._unload()  # it takes seconds to load, so it stays while its folder does
    nltk.data.path[:] = list(resources.search)
    # else the words of the folder that was searched first stay in use
    nltk.corpus.stopwords._unload()


def _import() -> None:
    import huggingface_hub  # noqa: F401  its cache folder is fixed at import, before TextAttack redirects it

    before = {name: os.environ.get(name) for name in REDIRECTED}
    silenced = _enabled_loggers()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), stand_ins():
        warnings.simplefilter("ignore")  # deprecations of its dependencies are not ours to mend
        # its marker for "NLTK data was fetched": nothing is fetched
        (Path(folder) / "post_install_check_3").touch()
        os.environ["TA_CACHE_DIR"] = folder
        try:
            import textattack
            import textattack.attack_recipes  # noqa: F401
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})
    for logger in silenced:
        logger.disabled = False


def _enabled_loggers() -> list[logging.Logger]:
    loggers: dict[str, Any] = logging.Logger.manager.loggerDict
    return [
        logger
        for logger in loggers.values()
        if isinstance(logger, logging.Logger) and not logger.disabled
    ]


def _let_other_loggers_speak() -> None:
    logging.getLogger("textattack").setLevel(logging.ERROR)
    logging.getLogger("textattack.shared.utils.install").setLevel(logging.ERROR)
