"""`python -m engine`."""

import sys

try:
    from prunescope.engine.cli.main import main
except ModuleNotFoundError as error:  # another Python than that of the environment
    sys.stderr.write(
        f"{sys.executable} lacks the package {error.name}; scripts/run makes an environment that "
        "has it: use .venv/bin/python -m engine.\n"
    )
    sys.exit(2)

if __name__ == "__main__":
    sys.exit(main(program="python -m engine"))
