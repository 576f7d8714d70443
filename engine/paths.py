"""Where things live: the shipped bundle, and the user's own cache.

The bundle is read-only and travels with the project. The user's cache is `cache/user` inside the project unless
`PRUNESCOPE_CACHE` or `--cache` names another folder; git ignores it.
"""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
BUNDLED = PROJECT / "cache" / "bundled"


def user_cache() -> Path:
    """The folder that receives what this machine computes."""
    return Path(os.environ.get("PRUNESCOPE_CACHE") or PROJECT / "cache" / "user").expanduser()
