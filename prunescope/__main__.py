"""`python -m prunescope`, the same as the command `prunescope`."""

import sys

from prunescope.engine.__main__ import start

if __name__ == "__main__":
    sys.exit(start("python -m prunescope"))
