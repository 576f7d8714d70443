"""PruneScope: robustness–sparsity trade-offs of language models.

    import prunescope as ps

    study = ps.run(model="./my-model", data="./reviews.csv", levels=(0, 0.5, 0.875))
    study.safe(points=3)              # up to which sparsity it is safe
    study.frame()                     # every measure at every sparsity, a pandas DataFrame
    study.figure("acc", "aua")        # a Plotly figure
    model = study.pruned(0.5)         # the pruned model
    ps.attack("A warm and funny film.", {"dense": study.dense(), "50%": model})

The names below are the public ones; docs/api.md describes them. They are resolved on first use, so
that importing the package imports neither torch nor pandas. What the pages and the command line
show is made by the same functions.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunescope.api.attacks import AttackResult, attack
    from prunescope.api.models import Model, open_model
    from prunescope.api.studies import Comparison, Study, compare, load, run, studies
    from prunescope.engine.errors import (
        DataError,
        InputError,
        ModelError,
        PruneScopeError,
        ResourceError,
        SettingError,
        StoreError,
    )
    from prunescope.engine.reading.safety import SafeSparsity
    from prunescope.engine.records import LevelResult, Rate

__all__ = [
    "AttackResult",
    "Comparison",
    "DataError",
    "InputError",
    "LevelResult",
    "Model",
    "ModelError",
    "PruneScopeError",
    "Rate",
    "ResourceError",
    "SafeSparsity",
    "SettingError",
    "StoreError",
    "Study",
    "__version__",
    "attack",
    "compare",
    "load",
    "open_model",
    "run",
    "studies",
]

_ROOMS = {
    "prunescope.api.attacks": ("AttackResult", "attack"),
    "prunescope.api.models": ("Model", "open_model"),
    "prunescope.api.studies": ("Comparison", "Study", "compare", "load", "run", "studies"),
    "prunescope.engine.errors": (
        *("DataError", "InputError", "ModelError", "PruneScopeError"),
        *("ResourceError", "SettingError", "StoreError"),
    ),
    "prunescope.engine.reading.safety": ("SafeSparsity",),
    "prunescope.engine.records": ("LevelResult", "Rate"),
}
_ROOM = {name: room for room, names in _ROOMS.items() for name in names}


def _version() -> str:
    """The version in a checkout's own pyproject.toml, or of the installed package."""
    project = Path(__file__).absolute().parent.parent / "pyproject.toml"
    if project.is_file():
        import tomllib

        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    from importlib.metadata import version

    return version("prunescope")


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _ROOM:
        raise AttributeError(f"module 'prunescope' has no public name {name!r}")
    from prunescope.engine.config.environment import quiet_libraries

    quiet_libraries()  # before transformers is imported; what the user has set stays
    return getattr(import_module(_ROOM[name]), name)


def __dir__() -> list[str]:
    return __all__
