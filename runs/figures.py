"""The rows of a table: ours, over the seeds, beside the published ones."""

import json
from pathlib import Path
from statistics import mean, stdev
from typing import Any

PUBLISHED: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "published" / "p1.json").read_text(encoding="utf-8")
)
RATES = ("acc", "aua", "asr")
Row = tuple[str, str, float]  # (name, data set, sparsity)


def beside_published(rows: dict[Row, dict[str, list[float]]], table: str) -> list[dict[str, Any]]:
    """Every row with its values, in per cent, one a seed, and the published figures if there are
    any.
    """
    printed = {
        (row["row"], row["set"], float(row["sparsity"])): row for row in PUBLISHED.get(table, ())
    }
    return [
        {
            "row": row[0],
            "set": row[1],
            "sparsity": row[2],
            "values": values,
            "published": printed.get(row),
        }
        for row, values in rows.items()
    ]


def as_text(rows: list[dict[str, Any]]) -> str:
    """The table for a terminal."""
    width = max((len(row["row"]) for row in rows), default=0)
    heads = " ".join(f"{name:>12}" for name in ("Acc %", "Aua %", "Asr %"))
    lines = [f"{'':<{width}}  {'data':<8} {'sparsity':>8}  {heads}   printed: Acc / Aua / Asr\n"]
    for row in rows:
        rates = " ".join(f"{_with_spread(row['values'].get(name, [])):>12}" for name in RATES)
        lines.append(
            f"{row['row']:<{width}}  {row['set']:<8} {100 * row['sparsity']:>7g}%  {rates}   "
            f"{_printed(row['published'])}\n"
        )
    return "".join(lines)


def _with_spread(values: list[float]) -> str:
    spread = f" ({stdev(values):.1f})" if len(values) > 1 else ""
    return f"{mean(values):.1f}{spread}" if values else "–"


def _printed(row: dict[str, Any] | None) -> str:
    if row is None:
        return "–"
    return " / ".join(f"{row[name]:g}" if name in row else "–" for name in RATES)
