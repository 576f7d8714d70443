"""The page that makes a figure and a table for a paper, and the table itself."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hostile import HOSTILE
from made_up_studies import made_up_study, save
from pages import app_at

from prunescope.app.charts import paper_table
from prunescope.engine import AttackRecord, Rate, Store, Study
from prunescope.engine.reading.papers import figure_caption, literature_names
from prunescope.engine.reading.papers import paper_table as table_of
from prunescope.engine.reading.titles import literature_title

TRIO = ("260eaa6447d8", "334d350026bd", "84a30126986d")


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> list[Study]:
    """The bundled studies of SST-2: adaptive, SparseGPT, magnitude."""
    store = Store(tmp_path_factory.mktemp("cache"))
    keys = {study.key[:12]: study.key for study in store.studies()}
    found = [store.study(keys[key]) for key in TRIO]
    return [study for study in found if study is not None]


def test_methods_are_called_as_in_the_literature(trio: list[Study]) -> None:
    assert literature_names(trio) == ["Adaptive (PruneScope)", "SparseGPT", "Magnitude"]
    about = {"method": "paper", "pattern": "2:4"}
    assert literature_title(about) == "P1 (Li et al. 2023) 2:4"
    settings = {"method": "adaptive:refit=none", "pattern": "unstructured"}
    assert literature_title(settings) == "Adaptive (PruneScope) (refit=none)"
    same = [made_up_study(), made_up_study((0.0, 0.5))]
    assert len(set(literature_names(same))) == 2


def test_a_cell_is_measured_or_empty_and_never_borrowed(trio: list[Study]) -> None:
    table = table_of(trio, [0.0, 0.875, 0.9, 0.42], ["acc", "size"])
    adaptive, sparsegpt, _ = table.cells["acc"]
    assert adaptive[1].value == "86.1" and adaptive[1].interval == "83.7–88.3"
    assert sparsegpt[2].value == "" and adaptive[2].value == "85.4"
    assert not any(row[3].value for rows in table.cells.values() for row in rows)
    assert "–: not measured." in table.marks


def test_bold_needs_a_test_and_a_collapsed_model_is_marked(trio: list[Study]) -> None:
    table = table_of(trio, [0.5, 0.875, 0.9], ["acc", "aua", "asr", "cls_error"])
    best = {
        name: [[cell.best for cell in row] for row in rows] for name, rows in table.cells.items()
    }
    assert best["acc"] == [[False, True, False], [False] * 3, [False] * 3]
    assert best["aua"][0] == [False, True, False] and not any(best["cls_error"][0])
    magnitude = table.cells["acc"][2][1], table.cells["aua"][2][1]
    assert all(cell.collapsed for cell in magnitude)
    assert magnitude[0].value == "50.9" and magnitude[1].value == "", "its attacks mean nothing"


def test_nothing_is_bold_where_two_studies_cannot_be_paired(trio: list[Study]) -> None:
    other = replace(trio[1], identity={**trio[1].identity, "evaluation": "other examples"})
    table = table_of([trio[0], other], [0.875], ["acc"])
    assert not any(cell.best for row in table.cells["acc"] for cell in row)


def test_the_caption_says_how_many_under_which_attack_and_seed(trio: list[Study]) -> None:
    text = " ".join(table_of(trio, [0.5], ["acc", "aua"]).caption)
    assert text == (
        "Accuracy (Acc) and accuracy under attack (Aua) of MiniLM-L6 on SST-2 at several "
        "sparsities of the prunable weights. 872 examples, seed 0. 200 of them attacked "
        "with DeepWordBug. In brackets: 95% Wilson intervals."
    )
    assert "attacked" not in " ".join(table_of(trio, [0.5], ["acc"]).caption)
    shaded = figure_caption(trio, ["acc"], True)
    assert "Shaded: 95% Wilson intervals." in shaded and shaded[-1].endswith("are faded.")
    assert figure_caption(trio, ["aua"], True)[-1].endswith(
        "answer to everything, are without Aua and Asr."
    )
    assert not any("Shaded" in sentence for sentence in figure_caption(trio, ["acc"], False))


def balanced(text: str) -> bool:
    bare = re.sub(r"\\[{}%&#_$]", "", text)
    depth = 0
    for sign in bare:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if depth < 0:
            return False
    return depth == 0


def test_the_latex_table_is_for_booktabs_and_well_formed(trio: list[Study]) -> None:
    table = table_of(trio, [0.0, 0.5, 0.75, 0.875], ["acc", "aua"])
    text = paper_table.to_latex(table, {"key": "a\n\\input{x}"})
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert balanced(body) and "{lrrrr}" in body and body.count(r"\midrule") == 2
    assert r"\textbf{86.1} (83.7--88.3)" in body and r"50.9\textsuperscript{\textdagger}" in body
    for line in body.split(r"\midrule")[1].splitlines()[2:-1]:
        assert line.endswith(r" \\") and len(re.findall(r"(?<!\\)&", line)) == 4
    opened = re.findall(r"\\begin\{(\w+\*?)\}", body)
    assert opened == re.findall(r"\\end\{(\w+\*?)\}", body)[::-1] == ["table*", "tabular"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_letters_in_every_table(text: str) -> None:
    study = made_up_study(method=text, model=text, data=text)
    table = table_of([study], [0.0, 0.5, 0.7], ["acc", "aua"])
    latex = paper_table.to_latex(table, {text: text})
    body = "\n".join(line for line in latex.splitlines() if not line.startswith("%"))
    known = "begin end centering small caption label toprule midrule bottomrule multicolumn emph"
    escapes = (
        "textbackslash textasciitilde textasciicircum textless textgreater textbar "
        "textasciigrave textdagger textsuperscript textbf"
    )
    assert balanced(body)
    assert set(re.findall(r"\\([a-zA-Z]+)", body)) <= {*known.split(), *escapes.split()}
    markdown = paper_table.to_markdown(table, {}).splitlines()
    for line in markdown[:4]:
        assert len(re.findall(r"(?<!\\)\|", line.replace("\\\\", ""))) == 6


def test_the_page_shows_the_file_and_the_table_and_offers_both(cache: Path) -> None:
    save(cache, made_up_study())
    app = app_at("figure").run()
    assert not app.exception
    assert len(app.get("image")) == 1
    labels = [button.label for button in app.get("download_button")]
    assert labels == ["PDF", "SVG", "PNG", "LaTeX", "Markdown", "CSV"]
    assert list(app.dataframe[0].value.columns) == ["measure", "method", "dense", "50%", "90%"]
    assert "tabular" in app.code[0].value


def test_a_link_opens_the_figure_with_its_measures_and_columns(cache: Path) -> None:
    save(cache, made_up_study())
    query = {"measures": "acc,size", "sparsities": "0,90", "size": "single", "legend": "none"}
    app = app_at("figure", query).run()
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table.columns) == ["measure", "method", "dense", "90%"]
    assert list(table["measure"]) == ["Acc, %", "Packed size, MB"]
    assert app.selectbox(key="size").value == "single"
    app.toggle(key="figure-mono").set_value(True).run()
    assert not app.exception


def test_a_study_without_attack_offers_no_attack(cache: Path) -> None:
    save(cache, made_up_study(attacked=0))
    app = app_at("figure").run()
    assert not app.exception and "Aua" not in str(app.dataframe[0].value)


def test_the_csv_is_read_back() -> None:
    study = made_up_study()
    frame = paper_table.to_frame(table_of([study], [0.0, 0.5], ["acc"]))
    (row,) = csv.DictReader(io.StringIO(frame.to_csv(index=False)))
    assert row["dense"] == "90.0 (82.6–94.5)"


def test_a_rate_of_no_example_is_an_empty_cell() -> None:
    study = made_up_study()
    broken = tuple(AttackRecord(i, "skipped", 0, 0, 9, 0.9, 0.4) for i in range(3))
    first = replace(study.levels[0], asr=Rate.of(0, 0), attacks=broken)
    table = table_of([replace(study, levels=(first,))], [0.0], ["asr"])
    assert table.cells["asr"][0][0].value == ""
