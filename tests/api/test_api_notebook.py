"""The notebook runs from its first cell to its last, and every result that it shows has HTML."""

import ast
import contextlib
import io
import json
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import prunescope as ps

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "tutorials" / "notebook.ipynb"


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does: its last expression is what it shows."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_the_notebook_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_folder: Path, data_folder: Path
) -> None:
    """Its own study is of a small model, in place of the embedded one."""
    monkeypatch.setattr(ps, "run", partial(ps.run, str(model_folder), str(data_folder)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {}
    shown, printed = [], io.StringIO()
    with contextlib.redirect_stdout(printed):
        for cell in cells:
            if cell["cell_type"] == "code":
                assert not cell["outputs"], "outputs would go out of date"
                shown.append(run_cell("".join(cell["source"]), names))
    pages = [value._repr_html_() for value in shown if hasattr(value, "_repr_html_")]
    assert any("Safe up to 60%" in page for page in pages)
    frames = [value for value in shown if isinstance(value, pd.DataFrame)]
    assert len(frames) >= 5 and all(len(frame) for frame in frames)
    assert r"\begin{tabular}" in printed.getvalue()
    assert (tmp_path / "robustness.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "pruned-model" / "model.safetensors").is_file()
    assert names["mine"].frame()["sparsity"].tolist() == [0, 50]
