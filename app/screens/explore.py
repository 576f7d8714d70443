"""Explore: the slider is the instrument, everything below answers it."""

import streamlit as st

import engine
from app import charts, figures
from app.export_bar import export_bar
from app.live import live_panel, measure_here
from app.state import dark, read_study, signature, store, workbench
from app.text import plain

HELP = {
    "Acc": "Accuracy: correct / n, on the evaluation set.",
    "Aua": "Accuracy under attack: right at first and not broken by the attack / attacked.",
    "Asr": "Attack success rate: broken / right at first. Its denominator differs from level to level.",
    "Size": "The whole model with the pruned weights packed as a bitmap and survivors (fp32), as `python -m engine prune` "
            "writes it. Opened again it is an ordinary model, as large in memory and as fast as the dense one.",
}  # fmt: skip


def main() -> None:
    view = store()
    studies = view.studies()
    if not studies:
        st.header("No study yet")
        st.text("Run one with: python -m engine demo")
        _notices(view.notices)
        return
    study, notices = _chosen(studies)
    _notices(view.notices + notices)
    if study is None or not study.levels:
        st.info("This study has no measured level yet. Run it with `python -m engine study`, or pick another one above.")
        return
    sparsity = _slider(study)
    _cards(study, sparsity)
    _charts(study, sparsity)
    _paired(study, sparsity)
    live_panel(study, _solvable(study, sparsity))
    with st.expander("Run this yourself: measure the level again, or write the pruned model as a smaller file"):
        st.code(figures.commands(study, sparsity), language="sh")
    workbench().warm()


def _notices(notices: list[str]) -> None:
    for notice in notices:
        st.warning(plain(notice))


def _chosen(studies: list[engine.Study]) -> tuple[engine.Study | None, list[str]]:
    names = {study.key: figures.sentence(study) for study in studies}
    if len(set(names.values())) < len(names):  # told apart by what they are, then by their key
        names = {key: f"{name} · {key[:6]}" for key, name in names.items()}
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    wanted = st.query_params.get("study", "")
    linked = next((key for key in names if wanted and key.startswith(wanted)), None)
    if wanted and linked is None:
        st.info(plain(f"The link names the study {wanted[:12]!r}, which is not in this store; the first one is shown."))
    with right:
        keys = list(names)
        key = st.selectbox("Study", keys, index=keys.index(linked) if linked else 0, format_func=names.__getitem__, key="study")
    if wanted != key[:12]:  # each write sends the whole address, so an idle one could undo the slider's
        st.query_params["study"] = key[:12]
    study, notices = read_study(key, signature(key))
    with left:
        st.title("How sparse before it breaks?", anchor=False)
        if study is not None:
            st.text(figures.sentence(study) + f", {study.about['counts']['evaluation']} evaluated")
    return study, notices


def _slider(study: engine.Study) -> float:
    left, right = st.columns([1, 5], vertical_alignment="center")
    with right:
        percent = st.slider("Sparsity of the prunable weights", 0, 95, 50, 1, format="%d %%", key="sparsity",
                            bind="query-params")  # fmt: skip
        safe = figures.last_safe(study, 3.0)
        measured = [round(100 * level.sparsity, 2) for level in study.levels]
        told = f"Measured at {len(measured)} levels from {measured[0]:g} to {measured[-1]:g} %."
        if (own := figures.own_sparsity(study)) is not None:
            told = f"The pattern {study.about['pattern']} exists at {100 * own:g} % only."
        if safe is not None:
            told += f" Last safe level: {100 * safe:g} % (Acc and Aua within 3 points of dense)."
        st.caption(told)
    with left:
        achieved = next((level.achieved_model for level in study.levels if level.sparsity == percent / 100), None)
        st.metric("Sparsity", f"{percent} %", border=False,
                  help="Zeros / prunable weights: the linears of the encoder blocks, without embeddings and head.")  # fmt: skip
        whole = percent / 100 * study.about["prunable"] / study.about["parameters"] if achieved is None else achieved
        st.caption(f"{100 * whole:.1f} % of the whole model")
    return percent / 100


def _cards(study: engine.Study, sparsity: float) -> None:
    dense = study.level(0.0)
    for column, name in zip(st.columns(4), ("acc", "aua", "asr", "size"), strict=True):
        with column:
            if name == "size":
                _size_card(study, sparsity)
            else:
                _rate_card(study, dense, sparsity, name)


def _rate_card(study: engine.Study, dense: engine.LevelResult | None, sparsity: float, name: str) -> None:
    label = charts.LOOKS[name][0]
    value = figures.rate_at(study, sparsity, name)
    if value.value is None:
        st.metric(label, "–", border=True, help=HELP[label])
        st.caption("not measured in this study")
        return
    base = getattr(dense, name) if dense else None
    delta = None if base is None or base.value is None or sparsity == 0 else 100 * (value.value - base.value)
    st.metric(label, f"{'' if value.rate else '≈ '}{100 * value.value:.1f} %", border=True, help=HELP[label],
              delta=None if delta is None else "as dense" if abs(delta) < 0.05 else f"{delta:+.1f} points to dense",
              delta_color="off" if delta is not None and abs(delta) < 0.05 else "inverse" if name == "asr" else "normal",
              delta_arrow="off" if delta is not None and abs(delta) < 0.05 else "auto")  # fmt: skip
    st.caption(_certainty(value))


def _certainty(value: figures.Value) -> str:
    if value.rate is not None:
        return f"95 %: {100 * value.rate.low:.1f} – {100 * value.rate.high:.1f} %, n = {value.rate.n}"
    low, high = value.between or (0.0, 0.0)
    return f"interpolated between {100 * low:g} and {100 * high:g} %"


def _size_card(study: engine.Study, sparsity: float) -> None:
    size, dense = figures.bytes_at(study, sparsity), 4 * study.about["parameters"]
    assert size.value is not None
    change = 100 * (size.value / dense - 1)
    st.metric("Size, packed", f"{'≈ ' if size.between else ''}{size.value / 1e6:.1f} MB", border=True, help=HELP["Size"],
              delta=f"{change:+.0f} % to dense" if change <= -0.5 else None, delta_color="inverse")  # fmt: skip
    st.caption("dense: " + f"{dense / 1e6:.1f} MB, fp32")


def _charts(study: engine.Study, sparsity: float) -> None:
    frame = figures.curves(study)
    at = {}
    for name in figures.RATES:
        value = figures.rate_at(study, sparsity, name)
        at[name] = (None if value.value is None else 100 * value.value, value.rate is not None)
    here = study.level(sparsity)
    at["cls_error"] = (here.cls_error if here else None, True)
    grid = figures.layer_grid(study, sparsity)
    about = {"study": figures.sentence(study), "key": study.key, "seed": study.about["seed"]}
    left, right = st.columns([2, 1])
    with left:
        st.subheader("Robustness against sparsity", anchor=False)
        st.plotly_chart(charts.curves(frame, sparsity, at, dark()), key="curves", config=charts.CONFIG,
                        alt="Accuracy, accuracy under attack, attack success and errors against sparsity")  # fmt: skip
        export_bar("curves", "prunescope-curves", frame, {**about, "unit": "per cent, errors relative"})
    with right:
        st.subheader(f"Layer errors at {100 * sparsity:.0f} %", anchor=False)
        figure = charts.heat_map(grid, figures.error_range(study), here is None, dark())
        st.plotly_chart(figure, key="layers", config=charts.CONFIG,
                        alt="Relative error of every layer at the chosen sparsity")  # fmt: skip
        export_bar("layers", f"prunescope-layers-{100 * sparsity:.0f}", grid.rename_axis("block"),
                   {**about, "sparsity": sparsity, "measured": here is not None})  # fmt: skip
    with st.expander("The numbers behind the curves"):
        columns = {name: st.column_config.NumberColumn(format="%.2f") for name in frame.columns[1:]}
        st.dataframe(frame, hide_index=True, column_config=columns)
    if here is not None and here.sparsity > 0 and here.layers:
        _layers(here)
    if here is None and _solvable(study, sparsity) == sparsity:
        measure_here(study, sparsity)


def _layers(level: engine.LevelResult) -> None:
    with st.expander(f"What the pruner did to every layer at {100 * level.sparsity:g} %"):
        for notice in level.notices:
            st.text(notice)
        form = st.column_config.NumberColumn
        st.dataframe(
            figures.layer_table(level), hide_index=True,
            column_config={
                "requested": form(format="%.2f %%"), "achieved": form(format="%.2f %%"), "held-out error": form(format="%.4f"),
                "correction α": form(format="%.2f", help="Strength of the correction of earlier layers' error, 0 to 1."),
                "damping": form(format="%.2g", help="Ridge on the statistics, as a share of their mean diagonal."),
                "tokens per input": form(format="%.1f", help="Calibration tokens for each input of the layer; below about 3 "
                                                             "the statistics are noisy."),
                "seconds": form(format="%.2f", help="Spent solving this layer."),
            },
        )  # fmt: skip


def _solvable(study: engine.Study, sparsity: float) -> float:
    """The sparsity that can be solved here: the pattern's own for n:m, else the slider's."""
    own = figures.own_sparsity(study)
    return sparsity if own is None else own


def _paired(study: engine.Study, sparsity: float) -> None:
    dense, here = study.level(0.0), study.level(sparsity)
    if dense is None or here is None or not dense.attacks or sparsity == 0:
        return
    pair = engine.paired_attack(dense.attacks, here.attacks)
    with st.expander(f"Paired with dense: the {pair.first.n} attacked examples that both models get right"):
        st.text(
            f"Attack success  dense {_share(pair.first)}   pruned {_share(pair.second)}\n"
            f"Both hold {pair.both_hold}, only dense breaks {pair.only_first_breaks}, "
            f"only pruned breaks {pair.only_second_breaks}, both break {pair.both_break}.\n"
            f"McNemar's exact test: p = {pair.p_value:.3g}."
        )


def _share(rate: engine.Rate) -> str:
    return "–" if rate.value is None else f"{100 * rate.value:.1f} % [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


main()
