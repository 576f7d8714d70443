"""What an image is built from."""

from prunescope.engine.paths import PROJECT


def context() -> set[str]:
    """The files and folders that .dockerignore lets through."""
    lines = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    return {line[1:] for line in lines if line.startswith("!")}
