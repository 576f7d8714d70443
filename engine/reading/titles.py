"""What single things are called on a page: methods, attacks, data sets and models. Light to import.

A method is shown under the name that the literature knows it by; `about["method"]` of a stored
study may hold the name that an older version gave it.
"""

from collections.abc import Mapping
from typing import Any

from prunescope.engine.attacks.catalogue import ATTACKS
from prunescope.engine.config.papers import PAPERS as PAPERS
from prunescope.engine.formatting import short
from prunescope.engine.pruning.methods import METHODS, canonical_name

METHOD_TITLES = {
    "adaptive": "Adaptive",
    "sparsegpt": "SparseGPT",
    "p1": "P1",
    "sparsegpt-static": "SparseGPT with dense inputs",
    "wanda": "Wanda",
    "magnitude": "magnitude",
}
LITERATURE = {  # in figures and tables that leave PruneScope
    "adaptive": "Adaptive (PruneScope)",
    "sparsegpt": "SparseGPT",
    "p1": "P1 (Li et al. 2023)",
    "sparsegpt-static": "SparseGPT (dense inputs)",
    "wanda": "Wanda",
    "magnitude": "Magnitude",
}
UNLABELLED_TUNING = "unlabelled tuning"  # what a recovery is called wherever it is shown
DATA_TITLES = {
    "embedded": "PruneScope reviews",
    "sst2": "SST-2",
    "stanfordnlp/sst2": "SST-2",
    "ag_news": "AG News",
    "imdb": "IMDB",
}
EMBEDDED_MODEL = "MiniLM-L6"
About = Mapping[str, Any]


def method_name_title(name: str) -> str:
    """A method as the literature calls it, with its changed settings: "Adaptive (refit=none)"."""
    base, _, settings = canonical_name(name).partition(":")
    title = short(METHOD_TITLES.get(base, base))
    return f"{title} ({short(settings.replace(',', ', '))})" if settings else title


def method_title(about: About) -> str:
    """Method, pattern, allocation, layers and tuning in words; what is usual is left out."""
    usual = usual_allocation(about)
    allocation, layers = about.get("allocation", usual), about.get("layers")
    parts = [
        method_name_title(about["method"]),
        "" if about["pattern"] == "unstructured" else about["pattern"],
        "" if allocation == usual else allocation,
        f"layers {short(layers)}" if layers else "",
        tuning_title(about),
    ]
    return " ".join(filter(None, parts))


def tuning_title(about: About) -> str:
    """How a study tunes its pruned models, after their method; empty where it does not."""
    kind = about.get("recover", "off")
    more = "" if kind == "global" else f" ({kind})"
    return "" if kind == "off" else f"+ {UNLABELLED_TUNING}{more}"


def literature_title(about: About) -> str:
    """The method as a paper names it, with what is unusual of its settings."""
    base = canonical_name(about["method"]).partition(":")[0]
    title, usual = method_title(about), METHOD_TITLES.get(base)
    if base not in LITERATURE or usual is None:
        return title
    return LITERATURE[base] + title.removeprefix(usual)


def usual_allocation(about: About) -> str:
    """The allocation that a study has unless it asks for another; uniform for a method that only
    another version knows.
    """
    method = METHODS.get(canonical_name(about["method"]).partition(":")[0])
    return "uniform" if method is None else method.usual_allocation(about["pattern"])


def attack_title(name: str) -> str:
    """An attack as people call it; its own name where a newer version made the study."""
    return "no attack" if name == "none" else ATTACKS.get(name, short(name))


def data_title(name: str) -> str:
    """A data set as people call it."""
    return short(DATA_TITLES.get(name, name))


def model_title(name: str) -> str:
    """A model as a study names it: `embedded:imdb` → "MiniLM-L6 (imdb)", a path → its last part."""
    base, _, member = name.partition(":")
    if base == "embedded":
        return f"{EMBEDDED_MODEL} ({short(member)})" if member else EMBEDDED_MODEL
    return short(name.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or name)
