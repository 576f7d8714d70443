"""The house in figures: rooms, layers, lengths, names and duplicates.

    scripts/house.py            print the table
    scripts/house.py --write    write it into docs/HOUSE.md
    scripts/house.py --check    exit with 1 where docs/HOUSE.md differs or a limit is passed

The layers below are the law that tests/test_layers.py holds: a room imports what stands below it.
"""

import ast
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT)]

from scripts.vague_names import MOST, vague_in  # noqa: E402

# Bottom to top. An import inside a function counts as well.
ENGINE = (
    "root store data models pruning export evaluation attacks training subnetworks studies "
    "baselines reading jobs live cli"
).split()
APP = "charts state components screens main".split()
ROOT = {"records", "errors", "config", "progress", "formatting", "paths", "__init__", "__main__"}
LONGEST_FILE, LONGEST_FUNCTION, LONGEST_LINE = 400, 80, 100
PRAGMA = re.compile(r"\s+# (noqa|type: ignore).*")  # a linter's or type checker's
SAME_LINES = 6  # so many equal lines in two places are a duplicate

FILES = sorted(path for house in ("engine", "app") for path in (PROJECT / house).rglob("*.py"))
TESTS = sorted((PROJECT / "tests").rglob("*.py"))


def module_of(path: Path) -> str:
    """The dotted name under which a file of engine or app is imported."""
    parts = ("prunescope", *path.relative_to(PROJECT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, lazily or not; a module of a package by its own name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


def floor_of(module: str) -> tuple[str, int]:
    """(engine or app, the floor that a module stands on); a package's face stands on none."""
    _, house, *rest = module.split(".")
    floors = ENGINE if house == "engine" else APP
    if not rest:
        return house, -1
    if rest[0] == "__main__":
        return house, len(floors)
    if house == "engine" and rest[0] in ROOT:
        return house, 0
    return house, floors.index(rest[0])


def arrows_up(path: Path) -> list[str]:
    """The modules that a file imports although they stand above it, or in a house it may not."""
    house, floor = floor_of(module_of(path))
    upward = []
    for module in imported(path):
        if module.startswith("prunescope."):
            other, below = floor_of(module)
            if below > floor if other == house else (house, other) != ("app", "engine"):
                upward.append(module)
    return upward


def circles() -> list[list[str]]:
    """The groups of modules that import each other in a loop (Tarjan's strong components)."""
    graph: dict[str, list[str]] = {
        module: sorted({name for name in imported(path) if name in MODULES and name != module})
        for module, path in MODULES.items()
    }
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    loops: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = low[module] = len(order)
        stack.append(module)
        for other in graph[module]:
            if other not in order:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], order[other])
        if low[module] == order[module]:
            start = stack.index(module)
            if len(stack) - start > 1:
                loops.append(stack[start:])
            del stack[start:]

    for module in MODULES:
        if module not in order:
            visit(module)
    return loops


def lines_of(path: Path) -> list[str]:
    """The lines of a file."""
    return path.read_text(encoding="utf-8").splitlines()


def functions_in(path: Path) -> Iterator[tuple[int, str]]:
    """(lines, name) of every function of a file, its docstring not counted."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body:
                length = (body[-1].end_lineno or 0) - body[0].lineno + 1
                yield length, f"{path.relative_to(PROJECT)}:{node.name}"


def duplicates() -> list[tuple[str, str]]:
    """Pairs of places with `SAME_LINES` or more equal lines, imports and blank lines left out."""
    first: dict[tuple[str, ...], str] = {}
    pairs: dict[tuple[str, str], tuple[str, str]] = {}
    for path in FILES:
        code = [
            (number, line.strip())
            for number, line in enumerate(lines_of(path), start=1)
            if len(line.strip()) > 3 and not line.startswith(("from ", "import ", "    from "))
        ]
        for start in range(len(code) - SAME_LINES + 1):
            window = tuple(text for _, text in code[start : start + SAME_LINES])
            here = f"{path.relative_to(PROJECT)}:{code[start][0]}"
            there = first.setdefault(window, here)
            files = (there.partition(":")[0], here.partition(":")[0])
            if there != here and files not in pairs:
                pairs[files] = (there, here)
    return list(pairs.values())


def class_names_twice() -> list[str]:
    """The names that two public classes of the engine share."""
    homes: dict[str, list[str]] = defaultdict(list)
    for module, path in MODULES.items():
        if module.startswith("prunescope.engine"):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    homes[node.name].append(module)
    return sorted(name for name, modules in homes.items() if len(modules) > 1)


def figures() -> dict[str, tuple[str, bool]]:
    """What is counted → (its value, whether it keeps its limit)."""
    engine_root = [path for path in FILES if path.parent == PROJECT / "engine"]
    app_root = [path for path in FILES if path.parent == PROJECT / "app"]
    lengths = {path: len(lines_of(path)) for path in FILES}
    longest = max(lengths, key=lambda path: lengths[path])
    functions = sorted(function for path in FILES for function in functions_in(path))
    over = sum(
        len(PRAGMA.sub("", line)) > LONGEST_LINE
        for path in [*FILES, *TESTS]
        for line in lines_of(path)
    )
    names = [vague_in(path) for path in FILES]
    vague, every = sum(len(found) for found, _ in names), sum(total for _, total in names)
    up = sum(len(arrows_up(path)) for path in FILES)
    code, tests = sum(lengths.values()), sum(len(lines_of(path)) for path in TESTS)
    twice, loops, same = class_names_twice(), circles(), duplicates()
    return {
        "Files at the root of engine/": (str(len(engine_root)), len(engine_root) <= len(ROOT)),
        "Files at the root of app/": (str(len(app_root)), len(app_root) <= 3),
        "Files in engine/ and app/": (str(len(FILES)), True),
        "Median length of a file, lines": (f"{statistics.median(lengths.values()):g}", True),
        "Longest file": (
            f"{lengths[longest]} lines, `{longest.relative_to(PROJECT)}`",
            lengths[longest] <= LONGEST_FILE,
        ),
        "Median length of a function, lines": (
            f"{statistics.median(length for length, _ in functions):g}",
            True,
        ),
        "Longest function": (
            f"{functions[-1][0]} lines, `{functions[-1][1]}`",
            functions[-1][0] <= LONGEST_FUNCTION,
        ),
        "Imports that run up": (str(up), up == 0),
        "Circles of imports": (str(len(loops)), not loops),
        "Class names with two meanings": (str(len(twice)), not twice),
        "Local names that say nothing": (f"{100 * vague / every:.2f}%", vague / every < MOST),
        f"Lines over {LONGEST_LINE} characters": (str(over), over == 0),
        f"Pairs of files that share {SAME_LINES} lines": (str(len(same)), True),
        "Lines of tests for one line of code": (f"{tests / code:.2f}", tests >= code * 0.8),
    }


def page() -> str:
    """docs/HOUSE.md."""
    rows = "".join(f"| {name} | {value} |\n" for name, (value, _) in figures().items())
    floors = "\n".join(f"{number}. {name}" for number, name in enumerate(ENGINE))
    return (
        "# The house in figures\n\nWritten by `scripts/house.py --write`; `scripts/check` fails "
        "where it is out of date or a limit is passed.\n\n| | |\n|---|---|\n"
        + rows
        + "\n## Layers "
        "of the engine\n\nBottom to top. A room imports what stands below it, also inside "
        "functions.\n\n" + floors + "\n\nThe app stands on the engine's public names and on "
        "`engine/reading`: " + " < ".join(APP) + ".\n"
    )


def main(arguments: list[str]) -> int:
    """Print, write or check the figures."""
    target = PROJECT / "docs" / "HOUSE.md"
    text = page()
    if "--write" in arguments:
        target.write_text(text, encoding="utf-8")
        return 0
    if "--check" not in arguments:
        sys.stdout.write(text)
        return 0
    passed = [name for name, (_, kept) in figures().items() if not kept]
    for name in passed:
        sys.stdout.write(f"A limit of the house is passed: {name}, {figures()[name][0]}.\n")
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        sys.stdout.write("docs/HOUSE.md is out of date; run scripts/house.py --write.\n")
        return 1
    return int(bool(passed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
