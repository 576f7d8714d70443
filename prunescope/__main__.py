"""`python -m prunescope`, which is what the command `prunescope` runs."""

import sys

from prunescope.engine.__main__ import start

if __name__ == "__main__":
    sys.exit(start("python -m prunescope"))
