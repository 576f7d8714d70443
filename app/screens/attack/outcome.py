"""The attack that was started last: its models side by side while it runs and when it is over."""

import streamlit as st

from prunescope import engine
from prunescope.app.charts import attack as charts
from prunescope.app.charts.text import plain
from prunescope.app.components import job_progress
from prunescope.app.components.export_menu import chart
from prunescope.app.components.notices import message, show_error
from prunescope.app.components.side_panels import panels
from prunescope.app.screens.attack import result
from prunescope.app.screens.attack.form import Form
from prunescope.app.screens.attack.sides import headline, panel
from prunescope.app.state.resources import attack_runs, dark

POLL = 0.25  # seconds


def outcome(form: Form) -> None:
    """Everything at the right of the form."""
    run = job_progress.attack_in_slot()
    if run is None:
        st.html('<p class="ps-empty">Pick a sentence above, or type your own and press Attack.</p>')
        return
    if differs := difference(run, form):
        _old(run, differs)
    with st.container(key="a-old" if differs else "a-fresh"):
        if run.active:
            job_progress.watch(
                "attack",
                run,
                attack_runs(),
                POLL,
                _head,
                lambda run: _live(run, form),
            )
        else:
            _ended(run, form)


def difference(run: engine.AttackRun, form: Form) -> str:
    """What of the form is another than the attack that is shown was started with."""
    asked = run.arguments
    if " ".join(asked["text"].split()) != " ".join(form.text.split()):
        return "another sentence"
    names = ("attack", "seed", "queries", "seconds")
    request = form.request()
    if asked["victims"] != request["victims"]:
        return "other models"
    if asked["label"] != form.truth or any(asked[name] != request[name] for name in names):
        return "other settings"
    return ""


def _old(run: engine.AttackRun, differs: str) -> None:
    text = " ".join(run.arguments["text"].split())
    cut = text if len(text) <= 70 else f"{text[:69]}…"
    st.info(
        f"Below is an earlier attack, on {plain(f'“{cut}”')}. The form holds {differs}; press "
        "Attack to see it."
    )


def _head(run: engine.AttackRun) -> None:
    attack = engine.ATTACKS.get(run.arguments["attack"], "")
    text = f"{attack} at work: the same candidates and the same seed for every model."
    st.caption(plain(text))


def _live(run: engine.AttackRun, form: Form) -> None:
    _panels(run, form)
    paths = dict(map(_path, run.sides()))  # all of them, so that each line looks as its panel does
    if any(paths.values()):
        paths_chart(paths, _truth_name(run, form))


def _path(side: engine.SideState) -> tuple[str, charts.Path]:
    """The name and the path of a model, or of the one that stands in for it."""
    attacked: engine.SideState | engine.StandIn = side
    if side.stand_in is not None and side.snapshot is None:
        attacked = side.stand_in
    if attacked.result is not None:
        return attacked.name, attacked.result["path"]
    return attacked.name, [] if attacked.snapshot is None else attacked.snapshot.path


def paths_chart(paths: dict[str, charts.Path], label: str | None) -> None:
    """The paths of all models; `label` is the true one, where it is known."""
    chart(
        charts.paths(paths, label, dark()),
        "paths",
        "Lowest confidence in the true label against queries, one line a model",
    )


def _ended(run: engine.AttackRun, form: Form) -> None:
    if run.state == "failed":
        show_error(run.reason)
        return
    known = run.result
    if run.state == "cancelled":
        st.info(message(run.reason) if run.reason else "Cancelled. What has ended is shown below.")
    elif known is not None:
        st.caption(plain(result.settings(known)))
        result.notices(known)
    _panels(run, form)
    if run.state == "done" and known is not None:
        result.result(known)


def _panels(run: engine.AttackRun, form: Form) -> None:
    text = " ".join(run.arguments["text"].split())
    known = run.result
    names = known["label_names"] if known else form.study.about["label_names"]
    truth = known["truth"] if known else run.arguments["label"]
    sides = run.sides()
    shown = [panel(index, side, text, names, truth) for index, side in enumerate(sides)]
    st.html(panels(shown, headline(sides)))


def _truth_name(run: engine.AttackRun, form: Form) -> str | None:
    names, truth = form.study.about["label_names"], run.arguments["label"]
    return names[truth] if truth is not None and truth < len(names) else None
