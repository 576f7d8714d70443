"""Local names that do not say what they hold, as a share of local names: `vague_names.py PATH…`.

A local name is what a function assigns to, loops over, or takes as a parameter, once a function.
Exits with 1 where the share is 1% or more.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

VAGUE = frozenset(
    "found told made kept wanted place places given one ones thing things said shown who whose "
    "seen held asked came come gone drawn known named stuff".split()
)
MOST = 0.01


def local_names(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    """The parameters of a function and what its body stores, without nested functions' names."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    names = {argument.arg for argument in every} - {"self", "cls"}
    body = function.body if isinstance(function.body, list) else [function.body]
    for node in _within(body):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return {name for name in names if not name.startswith("_")}


def _within(nodes: list[ast.AST] | list[ast.stmt] | list[ast.expr]) -> Iterator[ast.AST]:
    for node in nodes:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _within(list(ast.iter_child_nodes(node)))


def vague_in(path: Path) -> tuple[list[tuple[int, str]], int]:
    """((line, name) of each vague local name, the number of local names)."""
    vague, total = [], 0
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            names = local_names(node)
            total += len(names)
            vague += [(node.lineno, name) for name in sorted(names & VAGUE)]
    return vague, total


def main(arguments: list[str]) -> int:
    """Print each vague name where it stands, and the share."""
    paths = [path for root in map(Path, arguments) for path in sorted(root.rglob("*.py"))]
    paths += [Path(argument) for argument in arguments if argument.endswith(".py")]
    count = total = 0
    for path in paths:
        vague, names = vague_in(path)
        count, total = count + len(vague), total + names
        sys.stdout.writelines(f"{path}:{line}: {name}\n" for line, name in vague)
    share = count / max(total, 1)
    sys.stdout.write(f"{count} of {total} local names are vague: {100 * share:.2f}%\n")
    return int(share >= MOST)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
