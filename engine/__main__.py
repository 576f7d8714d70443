"""`python -m engine`."""

import sys


def start(program: str) -> int:
    """Run the command line as `program`, and return its exit code."""
    try:
        from prunescope.engine.cli.main import main
    except ModuleNotFoundError as error:  # another Python than that of the environment
        sys.stderr.write(
            f"{sys.executable} lacks the package {error.name}; scripts/run makes an environment "
            f"that has it: use .venv/bin/{program}.\n"
        )
        return 2
    return main(program=program)


if __name__ == "__main__":
    sys.exit(start("python -m engine"))
