"""Charts as files for a paper: every chart of the house passes, and what the files hold."""

import importlib
import inspect
import io
import pkgutil
import re
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Iterator
from pathlib import Path

import plotly.graph_objects as go
import pytest
from hostile import HOSTILE
from made_up_texts import attack_result, batch_result
from matplotlib.cbook import is_math_text
from PIL import Image
from plotly.subplots import make_subplots
from test_app_layers import looked

from prunescope.app import charts
from prunescope.app.charts import (
    attack,
    averages,
    curves,
    files,
    heat,
    inside,
    panels,
    paper,
    paper_figure,
    pareto,
    report,
    subnetworks,
)
from prunescope.app.charts.text import for_chart, visible
from prunescope.engine import Store, Study, member_sets, subnetwork_tables
from prunescope.engine.reading import series
from prunescope.engine.reading import subnetworks as reading

HELPERS = {"style.dressed"}  # they dress a figure, and draw none
ABOUT: dict[str, object] = {"data": "SST-2", "examples": "872 evaluated", "note": "µ – 日本 $x$"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The bundled studies alone."""
    return Store(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def studies(store: Store) -> list[Study]:
    """The three studies that the pages open on."""
    found = (store.study(study.key) for study in store.studies() if study.about["data"] == "sst2")
    return [study for study in found if study is not None][:3]


def every(store: Store, studies: list[Study], dark: bool) -> Iterator[tuple[str, go.Figure]]:
    """One figure or more of every chart."""
    frames = [(study.about["method"], series.curves(study)) for study in studies]
    yield "curves.curves", curves.curves(frames, list(curves.LOOKS), dark)
    yield "curves.curves", curves.curves(frames[:1], list(curves.LOOKS), dark)
    limit = panels.SafeLimit(50, 75)
    for rate, chance in (("acc", 50.0), ("aua", None)):
        shown = panels.Panel(rate, "872 examples", chance)
        yield "panels.panel", panels.panel(frames, shown, limit, dark)
    for x in pareto.AXES:
        table = pareto.points(studies)
        yield "pareto.pareto", pareto.pareto(table, pareto.front(table, "aua", x), "aua", x, dark)
    cell = next(iter(studies[0].levels[0].layer_errors))
    frame = series.cell_curve(studies[0], cell)
    yield "inside.cell_chart", inside.cell_chart(frame, "Block 1, key", dark)
    grid = series.layer_grid(studies[0], 0.875)
    yield "heat.layers_chart", heat.layers_chart(grid, (0.01, 0.8), ["#FFF8EC", "#340E04"])
    yield "report.layers_figure", report.layers_figure(studies[0])
    for columns in (1, 2, 3):
        figure = paper_figure.paper_figure(frames, paper_figure.MEASURES, columns)
        yield "paper_figure.paper_figure", figure
    yield from every_attack(dark)
    yield from every_look(dark)
    yield from every_dense(store, dark)
    yield from every_subnetwork(store, dark)


def every_attack(dark: bool) -> Iterator[tuple[str, go.Figure]]:
    result = attack_result(("Dense", "50%"), "a fine film", "a f1ne film")
    sides = {side["name"]: side["path"] for side in result["sides"]}
    yield "attack.paths", attack.paths(sides, "positive", dark)
    words = attack.importance_table(result["importance"])
    yield "attack.importance_map", attack.importance_map(words, dark)
    yield "attack.batch_chart", attack.batch_chart(attack.batch_table(batch_result()), dark)


def every_look(dark: bool) -> Iterator[tuple[str, go.Figure]]:
    yield "inside.distances_chart", inside.distances_chart(looked(), "cosine", dark)
    yield "inside.map_chart", inside.map_chart(looked(), dark)
    table = inside.attention_table(looked(), "dense", "clean", 1, None)
    yield "inside.attention_chart", inside.attention_chart(table, 0.8, dark)


def every_dense(store: Store, dark: bool) -> Iterator[tuple[str, go.Figure]]:
    member_set = next(one for one in member_sets(store) if one.evaluated and one.averages)
    judged, evaluated = averages.judged_table(member_set), averages.evaluated_table(member_set)
    yield "averages.members_chart", averages.members_chart(judged, dark)
    yield "averages.evaluated_chart", averages.evaluated_chart(evaluated, dark)
    steps = averages.steps_table(next(iter(member_set.averages.values())))
    yield "averages.steps_chart", averages.steps_chart(steps, dark)


def every_subnetwork(store: Store, dark: bool) -> Iterator[tuple[str, go.Figure]]:
    table = next(one for one in subnetwork_tables(store) if one.name == "nli-small")
    spread = subnetworks.drawn(table, reading.spread_table(table))
    yield "subnetworks.curves", subnetworks.curves(spread, reading.panels(table), dark)
    yield "subnetworks.gap_chart", subnetworks.gap_chart(spread, reading.panels(table)[-1], dark)
    part = next(part for part in table.runs[0].outside if part.groups)
    groups = reading.group_table(table, part.name, next(iter(part.groups)), 0.7)
    yield "subnetworks.group_chart", subnetworks.group_chart(groups, dark)


def public_charts() -> set[str]:
    """The functions of `app/charts` that return a Plotly figure."""
    names = set()
    for module in pkgutil.iter_modules(charts.__path__):
        if module.ispkg:
            continue
        loaded = importlib.import_module(f"prunescope.app.charts.{module.name}")
        for name, function in inspect.getmembers(loaded, inspect.isfunction):
            own = function.__module__ == loaded.__name__ and not name.startswith("_")
            if own and inspect.signature(function).return_annotation is go.Figure:
                names.add(f"{module.name}.{name}")
    return names - HELPERS


def file(figure: go.Figure, kind: str = "pdf", **style: object) -> bytes:
    return paper.to_bytes(figure, paper.Style(**style), kind, ABOUT)  # type: ignore[arg-type]


@pytest.mark.parametrize("dark", [False, True])
def test_every_chart_of_the_house_is_drawn_on_paper(
    store: Store, studies: list[Study], dark: bool
) -> None:
    drawn = set()
    for name, figure in every(store, studies, dark):
        assert '<div id="chart">' in files.plot_html("chart", figure), f"{name} is a page, too"
        content = file(figure, "png", dots=60)
        picture = Image.open(io.BytesIO(content)).convert("RGB")
        assert picture.getpixel((1, 1)) == (255, 255, 255), f"{name} stands on white"
        assert len(picture.getcolors(1 << 20) or []) > 20, f"{name} is not empty"
        drawn.add(name)
    assert drawn == public_charts(), "a new chart is tried here too"


def test_a_part_that_paper_does_not_know_is_refused_and_not_left_out() -> None:
    for figure in (
        go.Figure(go.Pie(values=[1, 2])),
        go.Figure(go.Scatter(x=[1], y=[1], fill="tozeroy")),
        go.Figure(go.Scatter(x=[1], y=[1]), {"shapes": [{"type": "circle", "x0": 0}]}),
        go.Figure(go.Scatter(x=[1], y=[1]), {"xaxis": {"tickformat": ".0%"}}),
    ):
        with pytest.raises(ValueError, match="cannot be drawn on paper"):
            file(figure)


def simple(name: str = "Adaptive") -> go.Figure:
    figure = go.Figure(go.Scatter(x=[0, 50], y=[90, 80], name=name, line={"color": "#DB6B2A"}))
    figure.add_scatter(x=[0, 50], y=[90, 60], name="SparseGPT", line={"dash": "dot"})
    figure.add_scatter(
        x=[0, 50, 50, 0],
        y=[92, 82, 78, 88],
        fill="toself",
        fillcolor="rgba(219,107,42,0.2)",
        showlegend=False,
    )
    return figure.update_yaxes(range=[40, 100], ticksuffix="%", title_text=name)


def pdf_text(content: bytes) -> bytes:
    """What the streams of a PDF say."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.S)
    return b"\n".join(zlib.decompressobj().decompress(part) for part in streams if part[:1] == b"x")


def test_a_pdf_is_vectors_with_truetype_fonts_inside() -> None:
    content = file(simple())
    assert content.startswith(b"%PDF-") and content.count(b"/FontFile2") >= 1
    assert b"/Subtype /Image" not in content and b"/Type3" not in content
    assert b" l\n" in pdf_text(content), "lines, not pixels"


def test_a_figure_has_the_width_of_its_column() -> None:
    for preset, width in (("single", 3.3), ("double", 6.9), ("slide", 13.333)):
        style = {"preset": paper.PRESETS[preset]}
        box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", file(simple(), **style))
        assert box is not None and float(box[1]) == pytest.approx(72 * width, abs=0.1)
        picture = Image.open(io.BytesIO(file(simple(), "png", **style)))
        dots = 144 if preset == "slide" else 300
        assert picture.width == pytest.approx(dots * width, abs=1)
        assert picture.info["dpi"][0] == pytest.approx(dots, abs=0.1)
    assert picture.size == (1920, 1080)
    assert float(box[2]) == pytest.approx(72 * 7.5)


@pytest.mark.parametrize("kind", paper.FORMATS)
def test_the_same_chart_is_the_same_bytes(studies: list[Study], kind: str) -> None:
    frames = [(study.about["method"], series.curves(study)) for study in studies]
    first, second = (
        file(curves.curves(frames, ["acc", "aua", "cls_error"]), kind) for _ in range(2)
    )
    assert first == second and b"2026" not in re.sub(rb"ID|<[^>]*>", b"", first[:300])


def test_the_metadata_says_where_the_numbers_come_from() -> None:
    picture = Image.open(io.BytesIO(file(simple(), "png", title="Acc of SST-2")))
    assert picture.info["Title"] == "Acc of SST-2" and picture.info["Software"] == "PruneScope"
    assert "examples: 872 evaluated" in picture.info["Description"]
    assert "µ – 日本 $x$" in picture.info["Description"]
    svg = file(simple(), "svg", title="Acc of SST-2").decode()
    assert "<dc:title>Acc of SST-2</dc:title>" in svg and "examples: 872 evaluated" in svg
    assert "<dc:date>" not in svg
    pdf = file(simple(), title="Acc of SST-2")
    assert b"Acc of SST-2" in pdf and b"/CreationDate" not in pdf
    assert "872 evaluated".encode("utf-16-be") in pdf


def test_bands_title_and_legend_are_as_chosen() -> None:
    whole = paper.drawn(simple(), paper.Style(title="A title"))
    (legend,) = whole.legends
    assert legend.get_title().get_text() == "A title"
    assert paper.drawn(simple(), paper.Style(title="$x", legend="none")).get_suptitle() == r"\$x"
    assert [text.get_text() for text in legend.get_texts()] == ["Adaptive", "SparseGPT"]
    assert len(whole.axes[0].patches) == 1
    bare = paper.drawn(simple(), paper.Style(legend="none", band=False))
    assert not bare.legends and not bare.axes[0].patches and not bare.get_suptitle()
    for place in ("right", "bottom"):
        assert paper.drawn(simple(), paper.Style(legend=place)).legends


def test_without_colour_every_pixel_is_grey() -> None:
    def hues(mono: bool) -> int:
        picture = Image.open(io.BytesIO(file(simple(), "png", mono=mono, dots=60))).convert("RGB")
        return sum(max(pixel) - min(pixel) > 12 for _, pixel in picture.getcolors(1 << 20) or [])

    assert hues(False) > 0 and hues(True) == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_is_letters_in_every_format(text: str) -> None:
    name = for_chart(text[:60])
    drawn = paper.drawn(simple(name), paper.Style()).axes[0].yaxis.label.get_text()
    assert not is_math_text(drawn)
    assert drawn.replace(r"\$", "$") == visible(text[:60])
    for kind in paper.FORMATS:
        content = paper.to_bytes(simple(name), paper.Style(title=text[:60]), kind, {text: text})
        if kind == "svg":
            root = ElementTree.fromstring(content)
            assert not [one for one in root.iter() if one.tag.endswith(("script", "image"))]


def test_a_log_axis_and_categories_keep_their_order() -> None:
    figure = go.Figure(go.Scatter(x=["b", "a", "c"], y=[0.01, 1, 0.1], mode="markers"))
    figure.update_yaxes(type="log", range=[-3, 1])
    axes = paper.drawn(figure, paper.Style()).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["b", "a", "c"]
    assert axes.get_yscale() == "log" and axes.get_ylim() == pytest.approx((0.001, 10))


def test_hollow_marks_stay_hollow_and_missing_bars_are_not_drawn() -> None:
    figure = go.Figure(
        go.Scatter(
            x=[1, 2],
            y=[10, 20],
            mode="markers",
            marker={"symbol": ["circle", "circle-open"], "color": "#DB6B2A"},
            error_y={"array": [1, None], "arrayminus": [2, None]},
        )
    )
    axes = paper.drawn(figure, paper.Style()).axes[0]
    full, hollow = (line for line in axes.lines if line.get_marker() == "o")
    assert hollow.get_markerfacecolor() == "#FFFFFF" != full.get_markerfacecolor()
    (bars,) = axes.collections
    assert (
        len([path for path in bars.get_segments() if len(path) and path[0][1] == path[0][1]]) == 1
    )


def test_bars_stand_beside_one_another() -> None:
    figure = go.Figure(go.Bar(x=["a", "b"], y=[1, 2], name="one"))
    figure.add_bar(x=["a", "b"], y=[2, 1], name="two", error_y={"array": [0.1, 0.2]})
    axes = paper.drawn(figure, paper.Style()).axes[0]
    left = [patch.get_x() for patch in axes.patches]
    assert len(left) == 4 and len(set(left)) == 4


def test_nothing_of_paper_is_imported_before_a_file_is_asked_for() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from prunescope.app.components import export_menu; "
        "from prunescope.app.charts import report, heat; print('matplotlib' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True
    )
    assert answer.stdout.strip() == "False"


def test_a_shape_across_the_paper_stands_in_every_panel_and_a_title_over_its_own() -> None:
    figure = make_subplots(rows=2, cols=1, subplot_titles=["first", "second"], shared_xaxes=True)
    for row in (1, 2):
        figure.add_scatter(x=[0, 50], y=[row, row], row=row, col=1)
    figure.add_shape(type="rect", x0=0, x1=50, y0=0, y1=1, yref="paper", fillcolor="#DB6B2A")
    figure.add_hline(y=1, row=1, col=1)
    top, bottom = paper.drawn(figure, paper.Style()).axes
    assert [len(axes.patches) for axes in (top, bottom)] == [1, 1]
    assert [len(axes.lines) for axes in (top, bottom)] == [3, 2]
    assert [axes.texts[0].get_text() for axes in (top, bottom)] == ["first", "second"]
