"""Environment variables that a process sets before it loads PyTorch and transformers."""

import os


def quiet_libraries() -> None:
    """Turn off the libraries' remarks and progress bars, which would mix with our own output."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
