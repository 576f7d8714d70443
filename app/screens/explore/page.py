"""Explore: the slider is the instrument, everything below answers it."""

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from prunescope import engine
from prunescope.app.charts import curves, palette
from prunescope.app.components import cards, example_list, instrument
from prunescope.app.components.export_menu import chart, export_bar, table_bar
from prunescope.app.components.parts import (
    STOPS_NOTE,
    heat_map,
    notices_of,
    opened,
    pick_studies,
    provenance,
    report_button,
)
from prunescope.app.components.text import plain
from prunescope.app.screens.explore.live import export_here, live_panel, measure_here, time_here
from prunescope.app.state import address
from prunescope.app.state.limits import closed
from prunescope.app.state.resources import (
    dark,
    evaluation_texts,
    safe_sparsity,
    signature,
    store,
    workbench,
)
from prunescope.engine.reading import commands, flips, series

Seen = tuple[
    tuple[str, tuple[tuple[str, int], ...]], ...
]  # the studies' keys, and what changes when they do
TOLERANCE = 3.0  # points, where nobody says otherwise


def main() -> None:
    there = store()
    studies = there.studies()
    if not studies:
        st.header("No study yet")
        st.text("Run one with: python -m engine demo")
        notices_of(there.notices)
        return
    left, middle, right = st.columns([6, 5, 1.6], vertical_alignment="bottom")
    with middle:
        keys, notices = pick_studies(studies, len(palette.STUDIES))
    with right:
        points, told = _tolerance()
    shown, more = opened(keys)
    with left:
        st.title("How sparse before it breaks?", anchor=False)
        st.text(_told(shown))
    notices_of([*there.notices, *more], [*notices, *told])
    if shown:
        _answer([study.key for study in shown], points)
        _numbers(shown)  # outside: the slider does not change them
    workbench().warm()


def _told(shown: list[engine.Study]) -> str:
    if not shown:
        return "Pick a study."
    first = f"{engine.full_names(shown)[0]}, {shown[0].about['counts']['evaluation']} evaluated"
    return (
        first
        if len(shown) == 1
        else f"{len(shown)} studies. Last safe, layers and live work are those of the first: "
        f"{first}"
    )


def _tolerance() -> tuple[float, list[str]]:
    found, told = address.number("tolerance", TOLERANCE, 0.0, 50.0)
    st.session_state.setdefault("tolerance", found)
    points = st.number_input(
        "Tolerance, points",
        0.0,
        50.0,
        step=0.5,
        format="%.1f",
        key="tolerance",
        help="Last safe: the highest measured sparsity up to which Acc and Aua stay within this "
        "many "
        "points of the dense model.",
    )
    address.write("tolerance", f"{points:g}", f"{TOLERANCE:g}")
    return points, told


@st.fragment
def _answer(keys: list[str], points: float) -> None:
    """Everything that the slider moves; a fragment, so that the pickers above are not asked again
    at every release.
    """
    shown, _ = opened(keys)
    if len(shown) < len(keys):  # one was removed while it was shown: the whole page says so
        st.rerun()
    study, stops = shown[0], series.stops(shown)
    percent = _slider(shown, stops, points)
    sparsity = percent / 100
    picked = _curves_shown(shown)
    seen = tuple((study.key, signature(study.key)) for study in shown)
    instrument.cards(
        _cards(seen, stops, shown), percent, "curves", cards.marks(shown, stops, picked)
    )
    _charts(shown, seen, picked, stops, percent)
    _tables(study, sparsity)
    live_panel(study, _solvable(study, sparsity))
    with st.expander(
        "Take it with you: the commands that measure this again, and the whole study as one page"
    ):
        repeat = commands.repeat_command(study, [sparsity])
        text = commands.shell(repeat, commands.export_command(study, sparsity))
        st.code(text, language="sh", wrap_lines=True)
        report_button(study, points)


def _slider(shown: list[engine.Study], stops: list[float], points: float) -> float:
    study = shown[0]
    measured = [round(100 * level.sparsity, 4) for level in study.levels]
    start, told = address.number(
        "sparsity", min(address.FIRST, measured[-1]), 0.0, stops[-1]
    )  # where there is something to see
    notices_of([], told)
    start = min(stops, key=lambda stop: abs(stop - start))
    safe = safe_sparsity(study.key, signature(study.key), points)
    flag = (
        None
        if safe is None
        else {"at": 100 * safe.sparsity, "low": 100 * safe.low, "high": 100 * safe.high}
    )
    with st.container(key="dock"):
        percent = instrument.slider(stops, start, measured, flag)
    address.write("sparsity", f"{percent:g}")
    st.caption(_measured(study, measured) + (_safe(safe) if safe and len(measured) > 1 else ""))
    dense = study.level(0.0)
    notices_of([*engine.doubts(study, points), *(dense.notices if dense else ())])
    return percent


def _measured(study: engine.Study, measured: list[float]) -> str:
    if (own := series.own_sparsity(study)) is not None:
        return f"The pattern {study.about['pattern']} exists at {100 * own:g} % only. "
    if len(measured) == 1:
        return f"Measured at {measured[0]:g} % only. "
    return (
        f"Measured at {len(measured)} levels from {measured[0]:g} to {measured[-1]:g} %; "
        f"{STOPS_NOTE} "
    )


def _safe(safe: engine.SafeSparsity) -> str:
    what = " and ".join(name.capitalize() for name in safe.checked)
    lies = "lies" if len(safe.checked) == 1 else "lie"  # Acc alone, where there was no attack
    spread = (
        f"between {100 * safe.low:g} and {100 * safe.high:g} %"
        if safe.high > safe.low
        else f"at {100 * safe.low:g} %"
    )
    return (
        f"Last safe: {100 * safe.sparsity:g} %. At every level up to there {what} {lies} at most "
        f"{safe.points:g} points "
        f"below dense. Over draws of the examples the last safe one lies {spread}, in "
        f"{100 * safe.support:.0f} % of them "
        f"at {100 * safe.sparsity:g} % or above."
    )


def _curves_shown(shown: list[engine.Study]) -> list[str]:
    """Which curves the chart holds, as the address says."""
    there = [
        name
        for name in curves.LOOKS
        if name != "latency" or any(series.latencies(study) for study in shown)
    ]
    usual = [
        name for name in (("acc", "aua", "cls_error") if len(shown) > 1 else there) if name in there
    ]
    named = [name for name in address.read("curves").split(",") if name]
    if unknown := [name for name in named if name not in curves.LOOKS]:
        st.info(f"The link names the curve {address.seen(unknown[0])}, which there is not.")
        address.write("curves", ",".join(name for name in named if name in there))
    elif lacking := [name for name in named if name not in there]:
        st.info(
            f"The link names the curve {address.seen(lacking[0])}, of which nothing was measured "
            "here."
        )
        address.write("curves", ",".join(name for name in named if name in there))
    return [name for name in named if name in there] or usual


@st.cache_resource(max_entries=16, show_spinner=False)
def _cards(seen: Seen, stops: list[float], _shown: list[engine.Study]) -> dict[str, Any]:
    return cards.cards(_shown, stops)


@st.cache_resource(max_entries=16, show_spinner=False)
def _figure(
    seen: Seen, picked: tuple[str, ...], in_dark: bool, _shown: list[engine.Study]
) -> go.Figure:
    """The curves; building them takes longer than all else that a release of the slider asks for."""
    names = engine.short_names(_shown)
    return curves.curves(
        [(name, series.curves(study)) for name, study in zip(names, _shown, strict=True)],
        picked,
        in_dark,
    )


def _charts(
    shown: list[engine.Study], seen: Seen, picked: list[str], stops: list[float], percent: float
) -> None:
    sparsity = percent / 100
    left, right = st.columns([2, 1], gap="medium")
    with left:
        st.header("Robustness against sparsity", anchor=False)
        chart(
            _figure(seen, tuple(picked), dark(), shown),
            "curves",
            "Accuracy, accuracy under attack, attack success, errors and size against sparsity",
        )
        _curve_picker(shown, picked)
        export_bar(
            "curves",
            "prunescope-curves",
            series.together(shown),
            {**provenance(shown), "unit": "per cent, errors relative"},
        )
    with right:
        cell = heat_map(shown[0], stops, percent)
        if cell:
            st.page_link(
                "screens/layers/page.py",
                label=plain(f"{series.cell_name(cell)} over sparsity, and more about layers"),
            )
        export_bar(
            "layers",
            f"prunescope-layers-{percent:g}",
            series.layer_grid(shown[0], sparsity).rename_axis("block"),
            {
                **provenance(shown[:1]),
                "sparsity": sparsity,
                "measured": shown[0].level(sparsity) is not None,
            },
        )


def _curve_picker(shown: list[engine.Study], picked: list[str]) -> None:
    there = [
        name
        for name in curves.LOOKS
        if name != "latency" or any(series.latencies(study) for study in shown)
    ]
    key = f"curves-of-{len(shown) > 1}"
    if st.session_state.get(key) != picked:
        st.session_state[key] = picked

    def title(name: str) -> str:
        return curves.LOOKS[name][0] + " error" * (curves.LOOKS[name][4] == "error")

    def keep() -> None:
        address.write("curves", ",".join(st.session_state[key]))

    st.pills(
        "Curves",
        there,
        selection_mode="multi",
        key=key,
        format_func=title,
        label_visibility="collapsed",
        on_change=keep,
        wrap=True,
    )


def _numbers(shown: list[engine.Study]) -> None:
    with st.expander("The numbers behind the curves"):
        frame = series.together(shown)
        columns = {
            name: st.column_config.NumberColumn(format=_digits(name))
            for name in frame
            if name not in ("study", "key")
        }
        st.dataframe(frame, hide_index=True, column_config=columns)
        about = provenance(shown)
        if machines := about.get("measured with"):
            st.caption(
                plain(
                    f"Measured with {machines}. Another processor or number of threads rounds "
                    "otherwise."
                )
            )
        table_bar("prunescope-levels", frame, about)


def _digits(name: str) -> str:
    """How a column of the numbers is written: counts whole, errors with the digits that they have."""
    return "%d" if name.endswith(("_n", "_bytes")) else "%.3g" if "error" in name else "%.2f"


def _tables(study: engine.Study, sparsity: float) -> None:
    here = study.level(sparsity)
    if here is not None and here.sparsity > 0 and here.layers:
        _layers(study, here)
    _paired(study, sparsity)
    if closed("measuring, timing and exporting a model are"):
        return
    if here is None and _solvable(study, sparsity) == sparsity:
        measure_here(study, sparsity)
    if sparsity > 0 and _solvable(study, sparsity) == sparsity:
        time_here(study, sparsity)
        export_here(study, sparsity)


def _layers(study: engine.Study, level: engine.LevelResult) -> None:
    with st.expander(f"What the pruner did to every layer at {100 * level.sparsity:g} %"):
        for notice in level.notices:
            st.text(notice)
        form = st.column_config.NumberColumn
        table = series.layer_table(level)
        st.dataframe(
            table,
            hide_index=True,
            column_config={
                "requested": form(format="%.2f %%"),
                "achieved": form(format="%.2f %%"),
                "held-out error": form(format="%.4f"),
                "correction α": form(
                    format="%.2f",
                    help="Strength of the correction of earlier layers' error, 0 to 1.",
                ),
                "damping": form(
                    format="%.2g",
                    help="Ridge on the statistics, as a share of their mean diagonal.",
                ),
                "tokens per input": form(
                    format="%.1f",
                    help="Calibration tokens for each input of the layer; below about 3 "
                    "the statistics are noisy.",
                ),
                "seconds": form(format="%.2f", help="Spent solving this layer."),
            },
        )
        table_bar(
            f"prunescope-pruner-{100 * level.sparsity:g}",
            table,
            {**provenance([study]), "sparsity": level.sparsity},
        )


def _solvable(study: engine.Study, sparsity: float) -> float:
    """The sparsity that can be solved here: the pattern's own for n:m, else the slider's."""
    own = series.own_sparsity(study)
    return sparsity if own is None else own


def _paired(study: engine.Study, sparsity: float) -> None:
    dense, here = study.level(0.0), study.level(sparsity)
    if dense is None or here is None or not dense.attacks or sparsity == 0:
        return
    pair = engine.paired_attack(dense.attacks, here.attacks)
    with st.expander(
        f"Paired with dense: the {pair.first.n} attacked examples that both models get right"
    ):
        st.text(
            f"Attack success: dense {_share(pair.first)}, pruned {_share(pair.second)}.\n"
            f"Both hold {pair.both_hold}, only dense breaks {pair.only_first_breaks}, "
            f"only pruned breaks {pair.only_second_breaks}, both break {pair.both_break}.\n"
            f"McNemar's exact test: p = {pair.p_value:.3g}."
        )
        _broken(study, dense, here)


def _broken(study: engine.Study, dense: engine.LevelResult, here: engine.LevelResult) -> None:
    """The attacked examples that broke dense or pruned, those that broke one alone first; each
    opens on the attack page.
    """
    table = flips.with_kinds(flips.rows(dense, here, study.about["counts"]["evaluation"]))
    order = ("only B breaks", "only A breaks", "both break")
    table = table[table["kind"].isin(order)].sort_values(
        "kind", key=lambda kinds: kinds.map(order.index), kind="stable"
    )
    if table.empty:
        return
    texts, why = evaluation_texts(study.key)
    if texts is not None:
        names = study.about["label_names"]
        rows = list(table["row"])
        table = table.assign(
            label=[names[texts.labels[row]] for row in rows],
            text=[texts.texts[row] for row in rows],
        )
    columns = [name for name in ("row", "label", "words", "A", "B", "text") if name in table]
    config: dict[str, Any] = {
        "A": "dense",
        "B": f"{100 * here.sparsity:g} %",
        "text": st.column_config.TextColumn(width="large"),
    }
    if texts is not None and texts.pairs is None:
        st.caption(example_list.HINT)
        levels = [(study, here.sparsity)]
        example_list.open_on_attack(levels, example_list.examples(table[columns], "e-rows", config))
        return
    st.dataframe(table[columns], hide_index=True, column_config=config)
    st.caption(
        plain(
            f"Rows are shown by their numbers. {why}"
            if texts is None
            else "The examples are pairs of texts, and one sentence is attacked on the attack page."
        )
    )


def _share(rate: engine.Rate) -> str:
    return (
        "–"
        if rate.value is None
        else f"{100 * rate.value:.1f} % [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"
    )


main()
