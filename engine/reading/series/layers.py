"""Errors and sparsities of single layers: the heat map, and what the pruner recorded."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from prunescope.engine.reading.series.values import Neighbours, neighbours
from prunescope.engine.records import MODULES, LevelResult, Study

DECADES = 1000  # between the ends of the colour scale, at most
EVEN = 0.01  # layers whose sparsities differ by no more were pruned evenly


def cell_name(cell: str) -> str:
    """`block.module` as people say it: `0.attention_output` → "Block 1, attention output"."""
    block, module = cell.split(".")
    return f"Block {int(block) + 1}, {module.replace('_', ' ')}"


def layer_grid(study: Study, sparsity: float) -> pd.DataFrame:
    """Layer errors at the cursor, blocks as rows and modules as columns."""
    beside = neighbours(study, sparsity)
    low, high = beside.low.layer_errors, beside.high.layer_errors
    blocks, modules = _blocks(beside.low), modules_of(beside.low)
    cells = [[f"{block}.{name}" for name in modules] for block in range(blocks)]
    return pd.DataFrame(
        [
            [
                beside.interpolate(low[cell], high[cell]) if cell in low else float("nan")
                for cell in row
            ]
            for row in cells
        ],
        index=[f"{block + 1}" for block in range(blocks)],
        columns=[name.replace("_", " ") for name in modules],
    )


def heat(study: Study, percents: Sequence[float]) -> dict[str, Any]:
    """What the browser needs to colour the heat map at every stop of the slider: the levels, and
    between which two of them a stop lies.
    """
    index = {level.sparsity: row for row, level in enumerate(study.levels)}
    blocks, modules = _blocks(study.levels[0]), modules_of(study.levels[0])
    beside = [neighbours(study, percent / 100) for percent in percents]
    return {
        "stops": list(percents),
        "between": [
            (index[pair.low.sparsity], index[pair.high.sparsity], round(pair.share, 6))
            for pair in beside
        ],
        "remarks": list(map(_provenance_note, beside)),
        "bounds": error_range(study),
        "levels": [
            [
                float(f"{level.layer_errors.get(f'{block}.{name}', 0.0):.4g}")
                for block in range(blocks)
                for name in modules
            ]
            for level in study.levels
        ],
        "blocks": [str(block + 1) for block in range(blocks)],
        "modules": list(modules),
        "names": [name.replace("_", " ") for name in modules],
    }


def _provenance_note(beside: Neighbours) -> str:
    """What to say where the cursor stands between levels or beyond them."""
    if beside.measured:
        return ""
    if beside.low is beside.high:
        return f"as at {100 * beside.low.sparsity:g}%, the nearest"
    return "interpolated"


def _blocks(level: LevelResult) -> int:
    return 1 + max(int(name.split(".")[0]) for name in level.layer_errors)


def modules_of(level: LevelResult) -> tuple[str, ...]:
    """The linears of a block in the order in which they run, as the study names them."""
    # a stored level has its errors in the order of the alphabet, its reports as they were pruned
    ran = [str(layer["layer"]) for layer in level.layers]
    names = dict.fromkeys(layer.partition(".")[2] for layer in (*ran, *level.layer_errors))
    known = [name for name in MODULES if name in names]
    return tuple(known if len(known) == len(names) else names)


def error_range(study: Study) -> tuple[float, float]:
    """The ends of the study's one colour scale: its largest layer error, and at most three decades
    below.
    """
    errors = [error for level in study.levels for error in level.layer_errors.values() if error > 0]
    return (max(min(errors), max(errors) / DECADES), max(errors)) if errors else (1e-3, 1.0)


def layer_table(level: LevelResult) -> pd.DataFrame:
    """What the pruner did to every layer of a level, one row a layer. Levels of the first version
    say less.
    """
    table = pd.DataFrame([_layer_row(level, layer) for layer in level.layers])
    return table.dropna(axis="columns", how="all")  # times are not kept with every level


def _layer_row(level: LevelResult, layer: dict[str, Any]) -> dict[str, Any]:
    block, module = layer["layer"].split(".")
    return {
        "layer": f"{int(block) + 1} {module.replace('_', ' ')}",
        "requested": 100 * layer.get("requested", level.sparsity),
        "achieved": 100 * layer["zeros"] / layer["weights"],
        "held-out error": level.layer_errors[layer["layer"]],
        "correction α": layer["alpha"],
        "damping": layer["damping"],
        "damping raised": layer.get("raised", False),
        "tokens per input": layer["tokens"] / layer["inputs"],
        "seconds": level.seconds.get(f"solve {layer['layer']}"),
    }


def uneven(study: Study) -> bool:
    """Whether at some level layers differ in sparsity by more than a rounding."""
    for level in study.levels:
        shares = [layer["zeros"] / layer["weights"] for layer in level.layers]
        if shares and max(shares) - min(shares) > EVEN:
            return True
    return False
