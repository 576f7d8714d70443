"""Details of the level under the slider: the pruner's record, and the paired test against dense."""

from typing import Any

import pandas as pd
import streamlit as st

from prunescope import engine
from prunescope.app.charts.attack import verdict
from prunescope.app.charts.text import plain
from prunescope.app.components import example_list
from prunescope.app.components.export_menu import table_bar
from prunescope.app.state.resources import evaluation_texts
from prunescope.engine.reading import flips, series
from prunescope.engine.reading.provenance import provenance

FLIPS = ("only B breaks", "only A breaks", "both break")  # in the order of their rows


def examples(study: engine.Study, sparsity: float) -> None:
    """The attacked examples of the first study, dense and pruned, or why there are none."""
    dense, level = study.level(0.0), study.level(sparsity)
    if level is None or level.sparsity == 0:
        st.text("Pick a measured sparsity above 0%; the ticks under the slider are measured.")
    elif dense is None or not dense.attacks:
        st.text("Nothing was attacked in this study.")
    else:
        _paired(study, dense, level)


def pruner_record(study: engine.Study, sparsity: float) -> None:
    """What the pruner wrote down at a measured level; nothing at a sparsity between two."""
    level = study.level(sparsity)
    if level is not None and level.sparsity and level.layers:
        _pruner(study, level)


def _pruner(study: engine.Study, level: engine.LevelResult) -> None:
    with st.expander(f"What the pruner did to every layer at {100 * level.sparsity:g}%"):
        for notice in level.notices:
            st.text(notice)
        form = st.column_config.NumberColumn
        columns = {
            "requested": form(format="%.2f%%"),
            "achieved": form(format="%.2f%%"),
            "held-out error": form(format="%.4f"),
            "correction α": form(
                format="%.2f",
                help="Strength of the correction of earlier layers' error, 0 to 1.",
            ),
            "damping": form(
                format="%.2g", help="Ridge on the statistics, as a share of their mean diagonal."
            ),
            "tokens per input": form(
                format="%.1f",
                help="Calibration tokens for each input of the layer; below about 3 the "
                "statistics are noisy.",
            ),
            "seconds": form(format="%.2f", help="Time to prune this layer."),
        }
        table = series.layer_table(level)
        st.dataframe(table, hide_index=True, column_config=columns)
        table_bar(
            f"prunescope-pruner-{100 * level.sparsity:g}",
            table,
            {**provenance([study]), "sparsity": level.sparsity},
        )


def _paired(study: engine.Study, dense: engine.LevelResult, level: engine.LevelResult) -> None:
    pair = engine.paired_attack(dense.attacks, level.attacks)
    dense_rate, pruned_rate = (
        engine.format_rate(rate.value, rate.low, rate.high) for rate in (pair.first, pair.second)
    )
    st.text(
        f"The {pair.first.n} attacked examples that both models classify correctly.\n"
        f"Attack success: dense {dense_rate}, pruned {pruned_rate}.\n"
        f"Both withstand the attack: {pair.both_hold}. Only dense fails: "
        f"{pair.only_first_breaks}. Only pruned fails: {pair.only_second_breaks}. Both fail: "
        f"{pair.both_break}.\n"
        f"McNemar's exact test: p = {pair.p_value:.3g}."
    )
    _failures(study, dense, level)


def _failures(study: engine.Study, dense: engine.LevelResult, level: engine.LevelResult) -> None:
    """Attacked examples on which one model failed, then those on which both did, with links to the
    attack page.
    """
    table = flips.with_kinds(flips.rows(dense, level, study.about["counts"]["evaluation"]))
    table = table[table["kind"].isin(FLIPS)].sort_values(
        "kind", key=lambda kinds: kinds.map(FLIPS.index), kind="stable"
    )
    if table.empty:
        return
    examples, reason = evaluation_texts(study.key)
    if examples is not None:
        table = _with_texts(table, examples, study.about["label_names"])
    table = table.assign(A=table["A"].map(verdict), B=table["B"].map(verdict))
    columns = [name for name in ("row", "label", "words", "A", "B", "text") if name in table]
    config: dict[str, Any] = {
        "A": "dense",
        "B": f"{100 * level.sparsity:g}%",
        "text": st.column_config.TextColumn(width="large"),
    }
    if examples is not None and examples.pairs is None:
        st.caption(example_list.HINT)
        row = example_list.examples(table[columns], "e-rows", config)
        example_list.open_on_attack([(study, level.sparsity)], row)
        return
    st.dataframe(table[columns], hide_index=True, column_config=config)
    st.caption(
        plain(
            f"Examples are shown by their numbers. {reason}"
            if examples is None
            else "The examples are pairs of texts; the attack page takes single sentences."
        )
    )


def _with_texts(table: pd.DataFrame, examples: engine.Examples, labels: list[str]) -> pd.DataFrame:
    rows = list(table["row"])
    return table.assign(
        label=[labels[examples.labels[row]] for row in rows],
        text=[examples.texts[row] for row in rows],
    )
