"""Write docs/api.md from the signatures and docstrings of `import prunescope as ps`.

scripts/api_page.py --write     write it
scripts/api_page.py --check     exit with 1 where it is out of date
"""

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT)]

import prunescope as ps  # noqa: E402

FILE = PROJECT / "docs" / "api.md"
START = """# Python API

```python
import prunescope as ps
```

Everything that the pages and the command line show, for scripts and notebooks.
[The notebook](tutorials/notebook.ipynb) uses most of it. Sparsities are shares in [0, 1) wherever
they are given; frames and figures show per cent. A name that starts with `_` may change.

Bad input raises `ps.InputError`, or one of the errors below it: `ps.ModelError`, `ps.DataError`,
`ps.SettingError`, `ps.ResourceError`, `ps.StoreError`. Its message says what happened and what to
do.

"""
FUNCTIONS = ("run", "load", "studies", "compare", "open_model", "attack")
CLASSES = ("Study", "Comparison", "Model", "AttackResult")
RECORDS = ("SafeSparsity", "LevelResult", "Rate")


def page() -> str:
    """The whole page."""
    parts = [START, "## Functions\n\n"]
    parts += [_function(f"ps.{name}", getattr(ps, name)) for name in FUNCTIONS]
    for name in CLASSES:
        parts += _class(name, getattr(ps, name))
    parts.append("## Records\n\n")
    parts += [_record(name, getattr(ps, name)) for name in RECORDS]
    return "".join(parts).rstrip("\n") + "\n"


def _class(name: str, kind: type) -> Iterator[str]:
    yield f"## {name}\n\n{_text(kind)}\n\n"
    members = {
        member: value
        for base in reversed(kind.__mro__[:-1])
        for member, value in vars(base).items()
        if not member.startswith("_")
    }
    properties = {m: value for m, value in members.items() if isinstance(value, property)}
    if properties:
        yield "| attribute | what it is |\n| --- | --- |\n"
        for member, value in properties.items():
            yield f"| `{member}` | {' '.join(_text(value).split()).replace('|', chr(92) + '|')} |\n"
        yield "\n"
    for member, value in members.items():
        if inspect.isfunction(value):
            yield _function(member, value)


def _function(name: str, function: Any) -> str:
    signature = re.sub(r"\bself(, )?", "", str(inspect.signature(function)), count=1)
    signature = re.sub(
        r"prunescope\.[a-z_.]+\.|pathlib\._local\.|pathlib\.|pandas\.[a-z.]+\.", "", signature
    )
    signature = re.sub(
        r"plotly\.[a-z_.]+\.|collections\.abc\.|typing\.|os\.(?=PathLike)", "", signature
    )
    signature = signature.replace("'Model'", "Model")
    lines = f"{name}{signature}"
    if len(lines) > 88:
        lines = _wrapped(name, signature)
    return f"### {name.removeprefix('ps.')}\n\n```python\n{lines}\n```\n\n{_text(function)}\n\n"


def _wrapped(name: str, signature: str) -> str:
    """A long signature with one parameter a line."""
    inner, _, result = signature[1:].rpartition(") -> ")
    parts, depth, start = [], 0, 0
    for index, letter in enumerate(inner):
        depth += (letter in "[(") - (letter in "])")
        if letter == "," and not depth:
            parts.append(inner[start:index].strip())
            start = index + 1
    parts.append(inner[start:].strip())
    return f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f") -> {result}"


def _record(name: str, kind: type) -> str:
    """The fields as the source has them, with their types and comments."""
    source = inspect.getsource(kind).split('"""', 2)[2]
    fields = re.split(r"\n    (?:@|def )", source)[0].strip("\n")
    return f"### {name}\n\n{_text(kind)}\n\n```python\n{textwrap.dedent(fields).rstrip()}\n```\n\n"


def _text(thing: Any) -> str:
    return inspect.getdoc(thing) or ""


def main() -> int:
    """Write the page, or say whether it is current."""
    text = page()
    if sys.argv[1:] == ["--write"]:
        FILE.write_text(text, encoding="utf-8")
        return 0
    if not FILE.is_file() or FILE.read_text(encoding="utf-8") != text:
        print("docs/api.md is out of date; run scripts/api_page.py --write.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
