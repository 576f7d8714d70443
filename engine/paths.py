"""Where things live: the package, the shipped bundle, and the user's own cache.

The package is the folder `prunescope`: in a checkout it holds links to `engine`, `app`, `runs` and
`cache/bundled`, and in an installed copy these folders themselves. The bundle is read-only.

The user's cache is the folder that `PRUNESCOPE_CACHE` or `--cache` names; else `cache/user` in a
checkout, where git ignores it, and the platform's folder for a user's data where the package is
installed. `PRUNESCOPE_SHARED` names a folder that several people or machines read; what it holds is
never written from here, unless it is named as the cache itself.
"""

import os
from pathlib import Path

PACKAGE = Path(__file__).absolute().parent.parent
PROJECT = PACKAGE.parent  # the checkout, or the site-packages of an installed copy
BUNDLED = (PACKAGE / "bundled").resolve()


def in_checkout() -> bool:
    """Whether this copy is a checkout (or an unpacked source distribution)."""
    return (PROJECT / "pyproject.toml").is_file()


def expanded(name: str | os.PathLike[str]) -> Path:
    """A path with its "~" or "~name" replaced; as it is where that home is not known, so that it is
    simply not there.
    """
    return Path(os.path.expanduser(name))


def user_cache() -> Path:
    """The folder that receives what this machine computes."""
    if name := os.environ.get("PRUNESCOPE_CACHE"):
        return expanded(name)
    if in_checkout():
        return PROJECT / "cache" / "user"
    import platformdirs

    return Path(platformdirs.user_data_dir("prunescope", appauthor=False))


def child_environment() -> dict[str, str]:
    """The environment for a Python process of this program: it imports this copy of the package,
    and no file of its working folder that is called like a module.
    """
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    if in_checkout():  # an installed copy is found as this process found it
        others = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        entries = dict.fromkeys([str(PROJECT), *filter(None, others)])
        environment["PYTHONPATH"] = os.pathsep.join(entries)
    return environment


def whole_path(name: str) -> str:
    """A name that is a file or folder here, with its whole path, so that it means the same from
    another folder; any other name (of the hub, of what is built in) as it is.
    """
    path = os.path.expanduser(name)
    return (
        os.path.abspath(path)
        if name and not name.startswith("embedded") and os.path.exists(path)
        else name
    )


def shared_cache() -> Path | None:
    """The shared folder, if the environment names one."""
    name = os.environ.get("PRUNESCOPE_SHARED")
    return expanded(name) if name else None
