"""Where things live: the shipped bundle, and the user's own cache.

The bundle is read-only and travels with the project. The user's cache is `cache/user` inside the
project unless `PRUNESCOPE_CACHE` or `--cache` names another folder; git ignores it.
`PRUNESCOPE_SHARED` names a folder that several people or machines read; what it holds is never
written from here, unless it is named as the cache itself.
"""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
BUNDLED = PROJECT / "cache" / "bundled"


def expanded(name: str | os.PathLike[str]) -> Path:
    """A path with its "~" or "~name" replaced; as it is where that home is not known, so that it is
    simply not there.
    """
    return Path(os.path.expanduser(name))


def user_cache() -> Path:
    """The folder that receives what this machine computes."""
    return expanded(os.environ.get("PRUNESCOPE_CACHE") or PROJECT / "cache" / "user")


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
