"""`import prunescope as ps`: stored studies as frames, figures, tables and answers."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_up_studies import made_up_study, save

import prunescope as ps
from prunescope.engine.reading import series

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def study(tmp_path: Path) -> ps.Study:
    return stored(tmp_path)


def stored(folder: Path, **about: Any) -> ps.Study:
    """A made-up study that is stored there, as it is loaded."""
    record = made_up_study(**about)
    save(folder, record)
    return ps.load(record.key[:12], folder)


def test_the_import_is_light() -> None:
    code = (
        "import sys, prunescope as ps; assert ps.__version__[0].isdigit(); dir(ps)\n"
        "assert not {'torch', 'pandas', 'transformers', 'plotly'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_every_public_name_is_there_and_described() -> None:
    for name in ps.__all__:
        assert name == "__version__" or getattr(ps, name).__doc__
    with pytest.raises(AttributeError, match="no public name 'prune_it'"):
        ps.prune_it  # noqa: B018


def test_the_page_of_the_api_is_current() -> None:
    run = subprocess.run(
        [sys.executable, "scripts/api_page.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert not run.returncode, run.stderr


def test_a_frame_is_what_the_pages_plot(study: ps.Study) -> None:
    pd.testing.assert_frame_equal(study.frame(), series.curves(study.record))
    assert study.frame()["sparsity"].tolist() == [0, 40, 50, 90]
    assert study.level(0.5).acc.value == pytest.approx(study.frame()["acc"][2] / 100)


def test_layers_are_rows_and_sparsities_are_columns(study: ps.Study) -> None:
    errors = study.layers()
    assert errors.columns.tolist() == [0, 0.4, 0.5, 0.9] and errors.index.name == "layer"
    assert errors.loc["2.query", 0.9] == pytest.approx(0.81 * 3 / 10)


def test_the_answer_is_that_of_the_pages(study: ps.Study) -> None:
    safe = study.safe(points=30)
    assert safe is not None and safe.sure <= safe.sparsity <= safe.possible
    assert f"within {safe.points:g} points" in study.summary(points=30)
    assert "Safe" in study._repr_html_() or "safe" in study._repr_html_()
    with pytest.raises(ps.SettingError, match="200"):
        study.safe(points=200)


@pytest.mark.parametrize(("width", "columns"), [("single", 1), ("double", 2)])
def test_a_figure_is_written_by_its_ending(
    study: ps.Study, tmp_path: Path, width: Any, columns: int
) -> None:
    file = study.save_figure(tmp_path / "figure.pdf", measures=("acc", "aua"), width=width)
    assert file.read_bytes().startswith(b"%PDF")
    chart = study.figure("acc", "aua", columns=columns)
    assert len({trace.xaxis for trace in chart.data}) == 2


def test_a_comparison_pairs_what_can_be_paired(study: ps.Study, tmp_path: Path) -> None:
    both = ps.compare([study, stored(tmp_path, levels=(0.0, 0.5), method="magnitude")])
    assert both.frame()["key"].nunique() == 2
    table = both.at(0.5)
    assert table["acc"].tolist() == [70, 70] and len(table) == 2
    assert table.drop(columns="note").dtypes.eq(float).all()
    assert "Magnitude" in both.table("latex") and "50%" in both.table("frame").to_string()
    report = both.save_report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<html" in report and "http://" not in report.split("</style>")[0]


def test_foreign_names_are_escaped_in_notebooks(tmp_path: Path) -> None:
    bad = stored(tmp_path, model="<script>alert(1)</script>")
    for html in (bad._repr_html_(), ps.compare([bad])._repr_html_()):
        assert "<script" not in html and "&lt;script" in html


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda s: s.level(50), ps.SettingError, "such as 0.5"),
        (lambda s: s.level(0.33), ps.DataError, "measured: 0%, 40%, 50%, 90%"),
        (lambda s: s.figure("accuracy"), ps.SettingError, "use acc, aua"),
        (lambda s: s.figure("awa"), ps.SettingError, "Did you mean aua"),
        (lambda s: s.save_figure("figure.bmp"), ps.SettingError, ".pdf, .svg, .png"),
        (lambda s: s.save_figure("nowhere/figure.pdf"), ps.SettingError, "nowhere"),
        (lambda s: s.save_figure("a.pdf", width="wide"), ps.SettingError, "single, double, slide"),
        (lambda s: s.table("html"), ps.SettingError, "frame, latex or markdown"),
        (lambda s: s.table(sparsities=[50]), ps.SettingError, "such as 0.5"),
        (lambda s: ps.compare([s, s]), ps.SettingError, "1 are different"),
        (lambda s: ps.compare([]), ps.SettingError, "got 0"),
        (lambda s: ps.load("f" * 20), ps.StoreError, "ps.studies()"),
        (lambda s: ps.load(""), ps.StoreError, "ps.studies()"),
        (lambda s: ps.run(sparsities=(0, 0.5)), ps.SettingError, "no setting 'sparsities'"),
        (lambda s: ps.run(eval_example=3), ps.SettingError, "Did you mean eval_examples"),
        (lambda s: ps.run(levels=(0, 50)), ps.SettingError, "50"),
        (lambda s: ps.run(levels="0,0.5"), ps.SettingError, "such as (0, 0.5, 0.875)"),
        (lambda s: ps.run(levels=(0, True)), ps.SettingError, "True"),
        (lambda s: ps.run(seed=1.5), ps.SettingError, "64 bits"),
        (lambda s: ps.run(max_queries=2.5), ps.SettingError, "2.5"),
        (lambda s: ps.run(tolerance=3), ps.SettingError, "study.safe"),
        (lambda s: s.pruned(1), ps.SettingError, "below 1."),
        (lambda s: s.level("0.5"), ps.SettingError, "is no number"),
        (lambda s: s.figure("acc", columns=0), ps.SettingError, "at least 1"),
        (lambda s: s.figure(3), ps.SettingError, "give names of"),
        (lambda s: s.save_figure("/proc/x.pdf"), ps.StoreError, "cannot be written"),
        (lambda s: ps.compare(s), ps.SettingError, "list of studies"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(
    study: ps.Study, call: Any, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says.replace("(", r"\(").replace(")", r"\)")):
        call(study)
