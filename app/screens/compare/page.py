"""Compare: studies and methods in one table, the front of robustness against sparsity or size, and
who flips where.
"""

from typing import Any

import pandas as pd
import streamlit as st

from prunescope import engine
from prunescope.app.charts import compare as charts
from prunescope.app.charts.compare import Level
from prunescope.app.components import example_list
from prunescope.app.components.export_menu import chart, export_bar, table_bar
from prunescope.app.components.parts import notices_of, opened, provenance
from prunescope.app.components.text import plain
from prunescope.app.state import address
from prunescope.app.state.resources import alternatives, dark, evaluation_texts, store
from prunescope.engine.reading import commands, flips, levels

DIFFERENT, ALL = "differences only", "all settings"


def main() -> None:
    there = store()
    heads = there.studies()
    if not heads:
        st.header("No study yet")
        st.text("There is nothing to compare. Run a study with: python -m engine demo")
        notices_of(there.notices)
        return
    notices = _take_up(linked, heads) if (linked := address.entered()) is not None else []
    left, right = st.columns([2, 3], vertical_alignment="bottom", gap="medium")
    with left:
        st.title("Compare", anchor=False)
    with right:
        studies, said = _studies(heads)
    notices_of([*there.notices, *said], notices)
    if not studies:
        st.info("Pick at least one study that has a measured level.")
        return
    sparsity, base = _instruments(studies)
    _table(studies, sparsity, base)
    _front(studies)
    a, b = _flips(studies, sparsity, base)
    with st.expander("Run this yourself: measure these studies at this sparsity"):
        st.code(
            commands.shell(*(commands.repeat_command(study, [sparsity]) for study in studies)),
            language="sh",
            wrap_lines=True,
        )
    address.write_all(_view(studies, sparsity, base, a, b))


def _take_up(linked: dict[str, str], heads: list[engine.Study]) -> list[str]:
    """Set the widgets from an address; what it names and is not here is told."""
    state = st.session_state
    keys, notices = address.studies(heads, charts.MOST, "studies")
    sparsity, more = address.number("sparsity", address.FIRST, 0, 95, whole=True)
    state["c-studies"], state["c-sparsity"] = keys or _usual(heads), int(sparsity)
    words = {"settings": ("all", "differences"), "y": tuple(charts.TITLES), "x": tuple(charts.AXES)}
    usual = {"settings": "differences", "y": "aua", "x": "sparsity"}
    found = {name: address.one_of(name, options, usual[name]) for name, options in words.items()}
    state["c-settings"] = ALL if found["settings"][0] == "all" else DIFFERENT
    state["c-y"], state["c-x"] = found["y"][0], found["x"][0]
    for name in ("base", "a", "b"):
        state[f"c-{name}"] = linked.get(name)
    state["c-named"] = {name: linked[name] for name in ("base", "a", "b") if name in linked}
    return [*notices, *more, *(told for _, said in found.values() for told in said)]


def _usual(heads: list[engine.Study]) -> list[str]:
    """The studies on the examples that most studies share."""
    groups: dict[str, list[str]] = {}
    for head in heads:
        groups.setdefault(str(head.identity.get("evaluation")), []).append(head.key)
    return max(groups.values(), key=len)[: charts.MOST]


def _studies(heads: list[engine.Study]) -> tuple[list[engine.Study], list[str]]:
    names = {head.key: name for head, name in zip(heads, engine.short_names(heads), strict=True)}
    keys = st.multiselect(
        "Studies",
        list(names),
        key="c-studies",
        format_func=names.__getitem__,
        max_selections=charts.MOST,
        placeholder="Pick studies",
        wrap=True,
    )
    return opened(keys)


def _levels(studies: list[engine.Study]) -> dict[str, Level]:
    """Every measured level of the studies by its id."""
    return {
        levels.level_id(study, level.sparsity): Level(study, level.sparsity)
        for study in studies
        for level in study.levels
    }


def _name(studies: list[engine.Study], level: Level) -> str:
    short = engine.short_names(studies)[[study.key for study in studies].index(level.study.key)]
    share = f"{100 * level.sparsity:g} %" if level.sparsity else "dense"
    return share if len(studies) == 1 else f"{short}, {share}"


def _pick(
    title: str, name: str, studies: list[engine.Study], default: str, help: str | None = None
) -> Level:
    """A measured level; one that a link names and is not here is told."""
    state, there = st.session_state, _levels(studies)
    linked = state.get("c-named", {}).pop(name, None)
    if linked is not None and linked not in there:
        st.info(
            f"The link names the level {address.seen(linked)}, which is not measured in the "
            "studies that are shown."
        )
    if state.get(f"c-{name}") not in there:
        state[f"c-{name}"] = default
    labels = {key: _name(studies, level) for key, level in there.items()}
    return there[
        st.selectbox(title, list(there), key=f"c-{name}", format_func=labels.__getitem__, help=help)
    ]


def _nearest(study: engine.Study, sparsity: float) -> str:
    return levels.level_id(
        study, min((level.sparsity for level in study.levels), key=lambda one: abs(one - sparsity))
    )


def _instruments(studies: list[engine.Study]) -> tuple[float, Level]:
    left, right = st.columns([3, 2], vertical_alignment="bottom", gap="medium")
    with left:
        percent = st.slider(
            "Sparsity of the prunable weights", 0, 95, step=1, format="%d %%", key="c-sparsity"
        )
    with right:
        base = _pick(
            "Baseline, pinned",
            "base",
            studies,
            _nearest(studies[0], 0.0),
            "Deltas in the table are differences to it.",
        )
    return percent / 100, base


def _table(studies: list[engine.Study], sparsity: float, base: Level) -> None:
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.header(f"At {100 * sparsity:g} %", anchor=False)
    with right:
        chosen = st.segmented_control(
            "Settings",
            [DIFFERENT, ALL],
            key="c-settings",
            label_visibility="collapsed",
            required=True,
        )
    apart, same = charts.settings_apart(studies)
    table = charts.compare_table(
        studies, sparsity, base, apart if chosen == DIFFERENT else list(charts.settings(studies[0]))
    )
    form = st.column_config.NumberColumn
    config: dict[str, Any] = {
        "size": form("size, MB", format="%.1f"),
        "[CLS] error": form(format="%.3f"),
    }
    for title in charts.TITLES.values():
        config |= {
            title: form(format="%.1f %%"),
            f"Δ {title}": form(format="%+.1f", help="Points to the baseline."),
        }
    hidden = [
        name for name in table if name == "key" or name.endswith(" n") or table[name].isna().all()
    ]
    st.dataframe(table.drop(columns=hidden), hide_index=True, column_config=config, placeholder="–")
    about = {
        **provenance(studies),
        **{name: value for name, value in same.items() if value != "–"},
        "sparsity": sparsity,
        "baseline": f"{base.study.key[:12]} at {base.sparsity:g}",
        "unit": "per cent; Δ in points; size in MB",
    }
    table_bar("prunescope-compare", table, about)
    told = f"Deltas are points to the baseline: {_name(studies, base)}."
    if any(
        flips.same_examples(base.study, study) or flips.same_attack(base.study, study)
        for study in studies
    ):
        told += (
            " There is none where the examples are others, nor of Aua and Asr where the "
            "attack is another."
        )
    if len(studies) > 1 and same and chosen == DIFFERENT:
        told += (
            " The same in all: "
            + ", ".join(f"{name} {value}" for name, value in same.items() if value != "–")
            + "."
        )
    st.caption(plain(told))


def _front(studies: list[engine.Study]) -> None:
    left, middle, right = st.columns([3, 1, 1], vertical_alignment="bottom")
    left.header("Who is ahead", anchor=False)
    with middle:
        y = st.segmented_control(
            "Robustness",
            list(charts.TITLES),
            key="c-y",
            required=True,
            format_func=charts.TITLES.__getitem__,
        )
    with right:
        x = st.segmented_control("Against", list(charts.AXES), key="c-x", required=True)
    table = charts.points(studies)
    if table[y].isna().all():
        st.text(f"None of these studies has {charts.TITLES[y]}: they were run without an attack.")
        return
    measured, notices = alternatives() if x == "size" else ([], [])
    notices_of(notices)
    others = charts.alternatives(studies, measured)
    if len(others):
        table = pd.concat([table, others], ignore_index=True)
    best = charts.front(table, y, x)
    chart(
        charts.pareto(table, best, y, x, dark()),
        "pareto",
        f"{charts.TITLES[y]} against {x} of every measured level, with the Pareto front",
    )
    about = {
        **provenance(studies),
        "front": f"{charts.TITLES[y]} against {x}",
        "unit": "per cent; size in MB",
    }
    export_bar(
        "pareto", "prunescope-front", table.drop(columns=["place", "group", "guesses"]), about
    )
    guessing = ""
    if y != "acc" and table["guesses"].any():
        guessing = (
            " Left out of the front: levels that guess, with an Acc within five points of chance. "
            "One answer to "
            "everything cannot be broken."
        )
    named = (
        " Named points are other ways to a smaller model, measured on the same examples."
        if len(others)
        else ""
    )
    st.caption(
        "Large marks on the line: no other level is at least as good in both and better in one. A "
        "front joins only levels "
        "that were measured on the same examples, and under the same attack. Differences within "
        "the intervals are no "
        f"differences.{guessing}{named}"
    )
    with st.expander(f"The {len(best)} {'models' if named else 'levels'} of the front"):
        shown = best[["study", "sparsity", "size", y, f"{y}_low", f"{y}_high", f"{y}_n"]]
        st.dataframe(
            shown,
            hide_index=True,
            column_config={
                name: st.column_config.NumberColumn(format="%.1f")
                for name in ("size", y, f"{y}_low", f"{y}_high")
            },
        )
        table_bar("prunescope-front-levels", shown, about)


def _flips(studies: list[engine.Study], sparsity: float, base: Level) -> tuple[Level, Level]:
    st.header("Two levels, example by example", anchor=False)
    left, right = st.columns(2)
    other = (
        studies[1]
        if len(studies) > 1 and not studies[0].about["counts"]["attacked"]
        else studies[0]
    )
    with left:
        a = _pick("Level A", "a", studies, levels.level_id(base.study, base.sparsity))
    with right:
        b = _pick("Level B", "b", studies, _nearest(other, sparsity or 0.5))
    if a == b:
        st.text("A and B are the same level; pick two.")
        return a, b
    if why := flips.same_examples(a.study, b.study):
        st.info(plain(f"{why} Pick two levels that were measured on the same examples."))
        return a, b
    _two_tables(studies, a, b)
    _examples(studies, a, b)
    return a, b


def _two_tables(studies: list[engine.Study], a: Level, b: Level) -> None:
    first, second = a.measured, b.measured
    assert first is not None and second is not None
    n = a.study.about["counts"]["evaluation"]
    about = _levels_about(studies, a, b)
    left, right = st.columns(2)
    with left:
        table, p = charts.flip_table(first, second, n)
        _two_by_two(
            table, "prunescope-flips", about, f"{n} examples. McNemar's exact test: p = {p:.3g}."
        )
    with right:
        why = flips.same_attack(a.study, b.study)
        if why or not (first.attacks and second.attacks):
            st.info(plain(why or "One of the levels was not attacked."))
            return
        table, p, known = charts.attack_flips(first, second)
        _two_by_two(
            table,
            "prunescope-attack-flips",
            about,
            f"The {known} attacked examples that both get right. McNemar's exact test: p = {p:.3g}.",
        )


def _levels_about(studies: list[engine.Study], a: Level, b: Level) -> dict[str, object]:
    named = {
        name: f"{_name(studies, level)} ({level.study.key[:12]})"
        for name, level in (("A", a), ("B", b))
    }
    return {**provenance([a.study] if a.study.key == b.study.key else [a.study, b.study]), **named}


def _two_by_two(table: pd.DataFrame, name: str, about: dict[str, object], told: str) -> None:
    st.dataframe(table, hide_index=True)
    st.text(told)
    table_bar(name, table, {**about, "test": told})


def _examples(studies: list[engine.Study], a: Level, b: Level) -> None:
    first, second = a.measured, b.measured
    assert first is not None and second is not None
    one, two = _name(studies, a), _name(studies, b)
    table = flips.with_kinds(flips.rows(first, second, a.study.about["counts"]["evaluation"]))
    texts, why = evaluation_texts(a.study.key)
    if texts is not None:
        names = a.study.about["label_names"]
        table = table.assign(
            label=[names[label] for label in texts.labels],
            words=[len(text.split()) for text in texts.texts],
            text=list(texts.texts),
        )
    st.header("Examples that flipped", anchor=False)
    shown = _filtered(table, one, two)
    if shown.empty:
        st.text("There is none.")
        return
    columns = [
        name
        for name in ("row", "label", "words", "A", "B", "text")
        if name in shown and shown[name].notna().any()
    ]
    config: dict[str, Any] = {
        "A": f"A: {one}",
        "B": f"B: {two}",
        "text": st.column_config.TextColumn(width="large"),
    }
    levels = [(level.study, level.sparsity) for level in (a, b)]
    if texts is not None and texts.pairs is None:
        st.caption(example_list.HINT)
        example_list.open_on_attack(levels, example_list.examples(shown[columns], "c-rows", config))
    else:
        st.dataframe(shown[columns], hide_index=True, column_config=config)
    table_bar(
        "prunescope-flipped",
        shown[columns].rename(columns={"A": one, "B": two}),
        _levels_about(studies, a, b),
    )
    if texts is None:
        st.caption(plain(f"Rows are shown by their numbers. {why}"))


def _filtered(table: pd.DataFrame, one: str, two: str) -> pd.DataFrame:
    left, middle, right = st.columns([3, 2, 3])
    counts = table["kind"].value_counts()
    kinds = [name for name in flips.KINDS if name != "any" and name in counts]
    apart = [name for name in kinds if name.startswith("only")] or kinds
    if not kinds:
        return table.head(0)
    if st.session_state.get("c-kind") not in kinds:
        st.session_state["c-kind"] = apart[0]
    kind = left.selectbox(
        "What happened",
        kinds,
        key="c-kind",
        format_func=lambda name: f"{flips.KINDS[name].format(a=one, b=two)} ({counts[name]})",
    )
    shown = table[table["kind"] == kind]
    if "label" in table:
        label = middle.selectbox("Label", ["any", *sorted(table["label"].unique())], key="c-label")
        shown = shown if label == "any" else shown[shown["label"] == label]
    if table["words"].notna().any():
        most = max(2, int(table["words"].max()))
        low, high = right.slider("Words", 1, most, (1, most), key="c-words")
        shown = shown[shown["words"].between(low, high) | shown["words"].isna()]
    return shown


def _view(
    studies: list[engine.Study], sparsity: float, base: Level, a: Level, b: Level
) -> dict[str, str | None]:
    state = st.session_state
    return {
        "studies": " ".join(study.key[:12] for study in studies),
        "sparsity": f"{100 * sparsity:g}",
        "base": levels.level_id(base.study, base.sparsity),
        "y": state["c-y"],
        "x": state["c-x"],
        "settings": "all" if state["c-settings"] == ALL else None,
        "a": levels.level_id(a.study, a.sparsity),
        "b": levels.level_id(b.study, b.sparsity),
    }


main()
