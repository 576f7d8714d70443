"""Every case of `tests/odd_inputs.py`, one command each: how many work with right numbers, how many
are refused in one sentence, and what is wrong with the others.

    .venv/bin/python benchmarks/odd_inputs.py [--seed N] [--only TEXT] [--verbose]

Exits with 1 where a case does neither.
"""

import argparse
import contextlib
import io
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from odd_inputs import Case, all_cases, verdict  # noqa: E402

from prunescope.engine.cli.main import main as cli  # noqa: E402


def run(case: Case, cache: Path) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a case's command, in this process."""
    out, err = io.StringIO(), io.StringIO()
    stored = (
        []
        if case.arguments[0] in ("evaluate", "ood", "finetune", "average")
        else ["--cache", str(cache)]
    )
    arguments = [*case.arguments, "--device", "cpu", "--json", "--quiet", *stored]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli(arguments)
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        except Exception:  # what a user would see as a traceback is what is looked for here
            traceback.print_exc(file=err)
            code = 1
    return code, out.getvalue(), err.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--verbose", action="store_true", help="what each case said")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for case in all_cases(Path(folder), options.seed):
            if options.only not in case.name:
                continue
            code, out, err = run(case, Path(folder) / "cache")
            result = verdict(case, code, out, err)
            counts[result if result in ("works", "refuses") else "wrong"] += 1
            if options.verbose or result not in ("works", "refuses"):
                print(
                    f"{case.name}: {result}"
                    + (f"\n    {err.strip()}" if options.verbose and err.strip() else ""),
                    flush=True,
                )
    print(
        f"{sum(counts.values())} cases in {time.perf_counter() - began:.0f} s: {counts['works']} "
        "with right numbers, "
        f"{counts['refuses']} refused in one sentence, {counts['wrong']} wrong"
    )
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
