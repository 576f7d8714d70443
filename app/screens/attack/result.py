"""What an attack on a sentence looks like, while it runs and when it is done: the same places, so that nothing jumps."""

from typing import Any

import streamlit as st

from prunescope import engine
from prunescope.app.charts import attack as charts
from prunescope.app.components import job_progress
from prunescope.app.components.export_menu import chart, export_bar, table_bar
from prunescope.app.components.text import plain
from prunescope.app.components.text_diff import marked, side
from prunescope.app.state.resources import dark

VERDICT = {
    "broken": "broken",
    "held": "held",
    "skipped": "wrong without any attack",
    "exhausted": "not broken within its budget",
}
KIND = {"start": "reading the sentence", "rank": "ranking the words", "try": "trying changes"}
ENCODER = (
    "Changed words stand in brackets, after them what they were. Similarity is the cosine of the embedded sentence "
    "encoder (all-MiniLM-L6-v2) between the text before and after."
)


def head(job: engine.LiveJob, behind: engine.LiveJob | None) -> None:
    """One line on how far the attack is."""
    share, text = job_progress.told(job, behind)
    if not job.snapshots:
        st.progress(share, text=text)
        return
    asked = max(look.queries for look in job.snapshots.values())
    st.text(
        f"{engine.ATTACKS.get(job.arguments['attack'], '')} at work: {_queries(asked)}. Same candidates, same seed for all."
    )


def _queries(count: int) -> str:
    return f"{count} {'query' if count == 1 else 'queries'}"


def live(job: engine.LiveJob, label: str | None) -> None:
    """The texts and paths of the attack as it stands."""
    if not job.snapshots:
        return
    names = [victim["name"] for victim in job.arguments["victims"]]
    changes = {name: _changes(job, name) for name in names}
    for place, (column, name) in enumerate(zip(st.columns(len(names)), names, strict=True)):
        look = job.snapshots.get(name, engine.AttackSnapshot())
        with column:
            _text(place, f"{name}: {KIND.get(look.kind, 'waiting')}", marked(changes[name]))
            lowest = look.path[-1][1] if look.path else 1.0
            st.text(f"{_queries(look.queries)}, confidence down to {100 * lowest:.1f} %")
    _paths({name: look.path for name, look in job.snapshots.items()}, label)


def _changes(job: engine.LiveJob, name: str) -> list[list[str]]:
    look, text = job.snapshots.get(name), " ".join(job.arguments["text"].split())
    if look is None or look.text is None:
        return [[text, text]]
    return [[piece.before, piece.after] for piece in engine.word_changes(text, look.text)]


def _text(place: int, title: str, text: str) -> None:
    colour, _, _, mark = charts.LOOKS[place]
    st.html(side(title, mark, colour, text))


def _paths(sides: dict[str, Any], label: str | None) -> None:
    chart(
        charts.paths(sides, label, dark()),
        "paths",
        "Lowest confidence in the true label against queries, one line a victim",
    )


def result(found: dict[str, Any]) -> None:
    """Everything that came of it."""
    for notice in found["notices"]:
        st.info(plain(notice))
    if found["cut_at"]:
        st.info(
            f"The text is longer than the model's limit; it reads the first {found['cut_at']} tokens only."
        )
    st.text(_told(found))
    for place, (column, one) in enumerate(
        zip(st.columns(len(found["sides"])), found["sides"], strict=True)
    ):
        with column:
            _side(place, one, found["label_names"])
    if any(one["similarity"] is not None for one in found["sides"]):
        st.caption(ENCODER)
    about = {
        "text": found["text"],
        "attack": found["attack"],
        "seed": found["seed"],
        "budget": _budget(found),
        "victims": "; ".join(
            f"{one['name']} = {one['study'][:12]} at {one['sparsity']:g}" for one in found["sides"]
        ),
    }
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.header("Confidence by query", anchor=False)
        sides = {one["name"]: one["path"] for one in found["sides"]}
        _paths(sides, found["label_names"][found["truth"]])
        export_bar("paths", "prunescope-attack", charts.paths_table(sides), about)
        st.caption(
            "The lowest confidence in the true label that any query has seen so far; the first queries rank the words."
        )
    with right:
        _transfer(found, about)
    _importance(found, about)
    with st.expander("The numbers"):
        table = charts.sides_table(found)
        form = st.column_config.NumberColumn
        st.dataframe(
            table,
            hide_index=True,
            placeholder="–",
            column_config={
                "sparsity": form(format="%g %%"),
                "confidence before": form(format="%.2f %%"),
                "confidence after": form(format="%.2f %%"),
                "similarity": form(format="%.3f"),
            },
        )
        table_bar("prunescope-attack-victims", table, about)


def _told(found: dict[str, Any]) -> str:
    whose = "as given" if found["truth_given"] else "what the dense model says"
    attack = engine.ATTACKS.get(found["attack"], found["attack"])
    return (
        f"True label: {found['label_names'][found['truth']]} ({whose}). {attack}, seed {found['seed']}, {_budget(found)}; "
        f"same candidates for all. {found['seconds']:.1f} s."
    )


def _budget(found: dict[str, Any]) -> str:
    given = [
        f"{found['budget'][unit]:g} {unit}"
        for unit in ("queries", "seconds")
        if found["budget"][unit]
    ]
    return f"at most {' and '.join(given)} each" if given else "no budget"


def _side(place: int, one: dict[str, Any], names: list[str]) -> None:
    outcome = one["outcome"]
    broken = outcome == "broken"
    _text(place, f"{one['name']}: {VERDICT[outcome]}", marked(one["changes"], changed=broken))
    said = (
        f"{names[one['label_before']]} → {names[one['label_after']]}"
        if broken
        else f"says {names[one['label_before']]}"
    )
    confidence = f"{100 * one['truth_before']:.1f} %" + (
        f" → {100 * one['truth_after']:.1f} %" if broken else ""
    )
    alike = f"\nsimilarity {one['similarity']:.2f}" if one["similarity"] is not None else ""
    st.text(
        f"{said}\nconfidence {confidence}\n{_queries(one['queries'])}, {one['words_changed']} of {one['words']} words{alike}"
    )


def _transfer(found: dict[str, Any], about: dict[str, object]) -> None:
    st.header("Does it transfer?", anchor=False)
    table = charts.transfer_table(found)
    if table.empty:
        st.text("The attack broke none of them, so there is no text to hand on.")
        return
    st.dataframe(table, hide_index=True, alt="What each victim says of each text that was found")
    table_bar("prunescope-transfer", table, about)
    st.caption(
        "Each text that broke a victim, read by all of them, with the confidence left in the true label."
    )


def _importance(found: dict[str, Any], about: dict[str, object]) -> None:
    st.header("Which words carry it", anchor=False)
    if found["importance"] is None:
        st.text("Leaving out one word at a time is shown for sentences of 2 to 60 words.")
        return
    table = charts.importance_table(found["importance"])
    wide = 26 * min(len(table), charts.MOST_WORDS)  # pixels; a narrow page scrolls sideways
    st.html(
        f"<style>.st-key-words {{ overflow-x: auto; }} .st-key-importance {{ min-width: {wide}px; }}</style>"
    )
    with st.container(key="words"):
        chart(
            charts.importance_map(table, dark()),
            "importance",
            "Points of confidence in the true label that each word is worth to each victim",
        )
    export_bar(
        "importance",
        "prunescope-words",
        table,
        {**about, "unit": "points of confidence lost without the word"},
    )
    more = f" The {charts.MOST_WORDS} that matter most are drawn, all are in the export." * (
        len(table) > charts.MOST_WORDS
    )
    st.caption(
        "Points of confidence in the true label that are lost when the word is left out of the original; below 0, the "
        f"victim is surer without it.{more} These readings are not among the attack's queries."
    )
