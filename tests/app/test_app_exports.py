"""Charts and tables as files: what they hold, and that no text in them is more than text."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest
from hostile import HOSTILE
from made_up_studies import made_up_study, save
from pages import app_at

from prunescope.app.charts import curves as charts
from prunescope.app.charts import files, palette
from prunescope.app.charts.names import file_name
from prunescope.app.charts.text import for_chart, for_html, for_latex, for_sheet, short, visible
from prunescope.app.components.export_menu.formats import FORMATS, Source, file_of
from prunescope.engine.reading import series
from prunescope.engine.reading.names import full_name

FRAME = pd.DataFrame({"name": list(HOSTILE), "value": range(len(HOSTILE))})


class Tags(HTMLParser):
    """The tags and the attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        assert not any(
            name.startswith("on") or (value or "").startswith("javascript:")
            for name, value in attrs
        )


def test_a_csv_reads_back_with_no_cell_that_a_sheet_would_run() -> None:
    text = files.to_csv(FRAME.rename(columns={"value": "=cmd"}), {"note": "\n=1+1\nx"})
    assert text.startswith("# note: =1+1 x\n")
    rows = list(csv.reader(io.StringIO(text.split("\n", 1)[1], newline="")))
    assert rows[0] == ["name", "'=cmd"] and len(rows) == 51
    for (cell, _), meant in zip(rows[1:], HOSTILE, strict=True):
        lf = meant.replace("\r\n", "\n").replace("\r", "\n")
        assert cell in (lf, f"'{lf}")
        assert not re.match(r"[\s\u200b]*[=+\-@＝]", cell)


@pytest.mark.parametrize("text", ["a - b", "good", "1.5", "'tis", "#1"])
def test_an_ordinary_text_stays_as_it_is_in_a_sheet(text: str) -> None:
    assert for_sheet(text) == text


def test_json_holds_the_very_texts_and_null_for_what_is_not_there() -> None:
    read = json.loads(
        files.to_json(FRAME.assign(gap=[float("nan"), *range(49)]), {"key": "x", "seed": 0})
    )
    assert read["about"] == {"key": "x", "seed": 0}
    assert [row["name"] for row in read["rows"]] == list(HOSTILE)
    assert read["rows"][0]["gap"] is None and read["rows"][1]["gap"] == 0


def test_markdown_has_one_line_a_row_and_four_bars_in_it() -> None:
    table = files.to_markdown(FRAME, {}).strip().splitlines()
    assert len(table) == 52
    for line in table:
        assert len(re.findall(r"(?<!\\)\|", re.sub(r"\\\\", "", line))) == 3
    assert not re.search(r"(?<!\\)[<`$!\[]", "\n".join(table).replace("\\\\", ""))


def test_latex_has_no_command_but_its_own() -> None:
    text = files.to_latex(FRAME, {"a\nb": "\\input{x}\n\\write18"})
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0]
    commands = {
        "textbackslash",
        "textasciitilde",
        "textasciicircum",
        "textless",
        "textgreater",
        "textbar",
        "textasciigrave",
    }
    assert set(re.findall(r"\\([a-zA-Z]+)", body)) <= commands
    assert all(line.startswith("%") for line in text.split(r"\begin{tabular}")[0].splitlines())
    rows = body.strip().split("\n")
    assert len(rows) == 50
    for row in rows:  # one separator, balanced braces, one end
        assert len(re.findall(r"(?<!\\)&", row)) == 1 and row.endswith(r" \\")
        bare = re.sub(r"\\[{}]", "", row)
        assert bare.count("{") == bare.count("}")


def test_latex_escapes_are_the_known_ones() -> None:
    assert for_latex("50 % of a_b & {c}") == r"50 \% of a\_b \& \{c\}"


@pytest.mark.parametrize("text", HOSTILE)
def test_html_holds_text_alone(text: str) -> None:
    assert not set("<>\"'\x00\x1b\u202e\u200b") & set(for_html(text))


def titled(text: str) -> go.Figure:
    """A chart whose every text is this one, as charts escape it."""
    figure = go.Figure(go.Scatter(x=[1, 2], y=[1, 2], name=for_chart(text)))
    return figure.update_xaxes(title_text=for_chart(text))


def outside_plotly(page: str) -> str:
    return page.replace(files.plotly_script(), "")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_page_of_hostile_text_has_no_tag_but_its_own(text: str) -> None:
    page = outside_plotly(files.chart_html(text, FRAME, {text: text}, titled(text)))
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", page, re.S)
    assert len(scripts) == 2 and all("<" not in script for script in scripts)
    own = "html head meta title style script body main h1 h2 div table thead tbody tr th td dl dt"
    assert set(Tags(page).found) <= {*own.split(), "dd"}


def test_a_stand_alone_page_of_a_chart_holds_plotly_and_asks_for_nothing() -> None:
    figure = charts.curves([("", series.curves(made_up_study()))], ["acc"], dark=True)
    page = files.chart_html("curves", FRAME.tail(1), {"key": "x"}, figure)
    outside = outside_plotly(page)
    assert len(page) - len(outside) > 1_000_000
    assert "http" not in outside and " src=" not in outside and "Plotly.newPlot" in outside
    assert palette.PAGE[True] not in outside, "a dark page's chart stands on white as well"


def test_invisible_characters_are_spelled_out() -> None:
    assert visible("a\u202eb\u200bc\x00") == "a⟨U+202E⟩b⟨U+200B⟩c⟨U+0000⟩"
    assert visible("é 日本 🙂") == "é 日本 🙂"


STARTS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF-", "html": b"<!DOCTYPE html>"}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_button_gets_the_file_that_it_asked_for(kind: str) -> None:
    source = Source(pd.DataFrame({"a": [1.25]}), {"key": "k"}, "title", lambda: titled("name"))
    content = file_of(kind, source)
    if kind in STARTS:
        assert content.startswith(STARTS[kind])
    if kind not in ("png", "svg", "pdf"):
        assert b"1.25" in content and b"k" in content


def test_names_of_files_say_what_of_which_study_at_which_sparsity() -> None:
    about: dict[str, object] = {
        "data": "SST-2",
        "method": "Adaptive; SparseGPT (dense inputs)",
        "key": "260eaa6447d85cab, 334d350026bd6632",
    }
    name = "prunescope-curves-sst2-adaptive-sparsegpt-dense-inputs-260eaa64-334d3500.pdf"
    assert file_name("prunescope-curves", about, "pdf") == name
    one = {"data": "SST-2", "method": "Wanda", "key": "260eaa6447d85cab", "sparsity": 0.875}
    assert file_name("layers", one, "csv") == "layers-sst2-wanda-260eaa64-87.5.csv"
    many = {"method": "a; b; c; d; e", "key": "1, 2, 3, 4"}
    assert file_name("x", many, "md") == "x-a-b-c-and-2-more-1-2-3-and-1-more.md"
    assert file_name("prunescope-batch", {}, "json") == "prunescope-batch.json"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_of_a_file_is_plain(text: str) -> None:
    name = file_name("prunescope-x", {"data": text, "method": text, "key": text}, "csv")
    assert re.fullmatch(r"[a-z0-9-]{1,130}\.csv", name)


def test_the_menu_makes_nothing_before_it_is_opened(cache: Path) -> None:
    save(cache, made_up_study())
    app = app_at("explore").run()
    assert not app.exception
    assert not [button for button in app.get("download_button") if "export-" in str(button.key)]
    app.session_state["export-curves"] = True
    app.run()
    keys = [button.key for button in app.get("download_button")]
    assert [key for key in keys if key and key.startswith("export-curves")] == [
        f"export-curves-{kind}" for kind in ("png", "svg", "pdf", "html", "csv", "json")
    ]


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_marks_and_texts_stand_out_from_the_page(dark: bool) -> None:
    for colour in palette.INKS:
        assert contrast(colour, palette.PAGE[dark]) >= 3
        assert contrast(palette.ink(colour, dark), palette.PAGE[dark]) >= 4.5


def test_studies_differ_in_colour_dash_and_marker() -> None:
    assert all(
        len(set(part)) == len(palette.STUDIES) for part in zip(*palette.STUDIES, strict=True)
    )


def test_a_name_is_short_and_shows_what_is_invisible() -> None:
    assert short("x" * 5000) == "x" * 59 + "…" and short("bert") == "bert"
    assert short("a\u202eb") == "a⟨U+202E⟩b"
    assert (
        len(full_name(made_up_study(model=HOSTILE[-2], data=HOSTILE[-2], method=HOSTILE[-2]))) < 300
    )
