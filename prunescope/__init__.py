"""PruneScope: how sparse can a language model get before it stops being robust?"""

from pathlib import Path


def _version() -> str:
    """The version in a checkout's own pyproject.toml, or of the installed package."""
    project = Path(__file__).absolute().parent.parent / "pyproject.toml"
    if project.is_file():
        import tomllib

        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    from importlib.metadata import version

    return version("prunescope")


def __getattr__(name: str) -> str:
    if name == "__version__":  # looked up when it is asked for, so that the import stays light
        return _version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
