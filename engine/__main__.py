"""`python -m engine`."""

import sys

try:
    from engine.cli import main
except ModuleNotFoundError as error:  # another Python than that of the environment
    sys.stderr.write(f"{sys.executable} lacks the package {error.name}; scripts/run makes an environment that has it: use "
                     ".venv/bin/python -m engine.\n")  # fmt: skip
    sys.exit(2)

if __name__ == "__main__":
    sys.exit(main())
