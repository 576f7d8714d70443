"""The form that starts a study: each field explained, checked by the engine before anything starts,
with an estimate.
"""

from dataclasses import asdict
from functools import partial
from typing import Any

import streamlit as st

from prunescope import engine
from prunescope.app.charts.text import plain, span
from prunescope.app.components.job_progress import bar, begin, in_slot, watch
from prunescope.app.components.notices import show_error
from prunescope.app.state import address
from prunescope.app.state.resources import jobs, workbench
from prunescope.engine.reading.commands import shell, study_command

LEVELS = "0, 50, 70, 80, 90"
SIZES = ("calibration", "held_out", "eval_examples", "attack_examples", "seed")
COLUMNS = ("text_column", "pair_column", "label_column", "label_map")
SETTINGS = engine.settings_of(engine.StudySpec)
DEFAULT = engine.StudySpec(attack_examples=100)
CHECK = "check"  # the slot of the check before a study starts


def start_form(rows: list[engine.StudyRow]) -> None:
    """The fields, the estimate, the command line that does the same, and the button."""
    try:
        spec = _fields(rows)
    except engine.PruneScopeError as error:
        show_error(error)
        spec = None
    duration = None if spec is None else engine.estimate(spec, rows)
    left, right = st.columns([3, 1], vertical_alignment="center")
    with left:
        if duration is not None:
            about = "" if duration.seconds is None else f"**About {span(duration.seconds)}.** "
            st.markdown(about + plain(duration.about))
    with right:
        if (
            st.button("Start", type="primary", key="start", disabled=spec is None, width="stretch")
            and spec is not None
        ):
            begin(CHECK, workbench(), "check", spec=asdict(spec))
            st.session_state.pop("refused", None)
    _follow_check(rows)
    if refused := st.session_state.get("refused"):
        show_error(refused)
    if spec is not None:
        with st.expander("The same from the command line"):
            st.code(command(spec), language="sh", wrap_lines=True)


def _fields(rows: list[engine.StudyRow]) -> engine.StudySpec:
    """The study that the fields describe. Raises SettingError."""
    first, second = st.columns(2), st.columns([2, 1, 2])
    attacks = {"none": "none", **engine.ATTACKS}
    values: dict[str, Any] = {
        "model": _choice(first[0], "model", _known("model", rows)),
        "data": _choice(first[1], "data", _known("data", rows)),
        "method": _choice(second[0], "method", list(engine.METHODS)),
        "pattern": _choice(second[1], "pattern", list(SETTINGS["pattern"].setting.examples)),
        "attack": second[2].selectbox(
            SETTINGS["attack"].setting.label,
            list(attacks),
            index=1,
            format_func=lambda name: attacks.get(name, name),
            help=plain(SETTINGS["attack"].sentence),
            key="new-attack",
        ),
    }
    if (method := engine.METHODS.get(values["method"])) is not None:
        st.caption(plain(f"{method.name}: {method.about}"))
    if not all(values.values()):
        raise engine.SettingError("A field is empty; choose a value, or type one.")
    levels = SETTINGS["levels"]
    text = st.text_input(
        levels.setting.label, LEVELS, help=plain(levels.sentence), key="new-levels", max_chars=400
    )
    for column, name in zip(st.columns(len(SIZES)), SIZES, strict=True):
        values[name] = _number(
            column, name, name == "attack_examples" and values["attack"] == "none"
        )
    with st.expander("Columns and labels of the data, where they are not found by themselves"):
        for column, name in zip(st.columns(len(COLUMNS)), COLUMNS, strict=True):
            values[name] = _text(column, name) or None
    return engine.StudySpec(**values, levels=levels_in(text))


def _known(name: str, rows: list[engine.StudyRow]) -> list[str]:
    """Values worth offering: the setting's examples, and those of stored studies."""
    stored = [row.about["spec"][name] for row in rows]
    examples = SETTINGS[name].setting.examples
    return list(dict.fromkeys([*examples, *(str(value) for value in stored if value)]))


def _choice(column: Any, name: str, values: list[str]) -> Any:
    """The field of a setting that has usual values; others may be typed."""
    described = SETTINGS[name]
    return column.selectbox(
        described.setting.label,
        values,
        help=plain(described.sentence),
        accept_new_options=True,
        key=f"new-{name}",
    )


def _number(column: Any, name: str, disabled: bool) -> int:
    """The field of a setting that is a whole number."""
    described = SETTINGS[name]
    least = 0 if name == "seed" else 1
    return int(
        column.number_input(
            described.setting.label,
            *(least, 10_000_000, getattr(DEFAULT, name), 1),
            help=plain(described.sentence),
            key=f"new-{name}",
            disabled=disabled,
        )
    )


def _text(column: Any, name: str) -> str:
    """The field of a setting that may be left empty."""
    described, key = SETTINGS[name], f"new-{name.replace('_', '-')}"
    text: str = column.text_input(
        described.setting.label, key=key, max_chars=2000, help=plain(described.sentence)
    )
    return text.strip()


def levels_in(text: str) -> tuple[float, ...]:
    """`"0, 50, 87.5"` → (0.0, 0.5, 0.875). Raises SettingError."""
    if not text.replace(",", "").strip():
        raise engine.SettingError(f"There are no levels; write percentages such as {LEVELS}.")
    try:
        levels = sorted(
            {float(part.strip().rstrip("%")) for part in text.split(",") if part.strip()}
        )
    except ValueError:
        raise engine.SettingError(
            f"{text[:60]!r} is not a list of percentages; write them as in {LEVELS}."
        ) from None
    if outside := [level for level in levels if not 0 <= level < 100]:
        raise engine.SettingError(
            f"{outside[0]:g}% is not a sparsity; levels are percentages from 0 to below 100, as in "
            f"{LEVELS}."
        )
    if small := [level for level in levels if 0 < level < 1]:
        raise engine.SettingError(
            f"{small[0]:g} is below one per cent; levels are percentages, so write "
            f"{100 * small[0]:g} for a share of {small[0]:g}."
        )
    return tuple(round(level / 100, 6) for level in levels)


def _follow_check(rows: list[engine.StudyRow]) -> None:
    """Show the check of a study that is to start, and queue the study when the check is done."""
    job = in_slot(CHECK)
    if job is None:
        return
    if job.active:
        watch(CHECK, job, workbench(), 0.4, partial(bar, before="Checking the study: "))
        return
    del st.session_state[CHECK]
    if job.state != "done" or job.result is None:
        if job.state == "failed":
            # shown until the next check
            st.session_state["refused"] = job.reason
        else:
            st.info("Cancelled before it started.")
        return
    spec = engine.StudySpec(**job.arguments["spec"])
    try:
        row = jobs().submit(spec, _expected(spec, rows, job.result["stored"]))
    except engine.PruneScopeError as error:
        show_error(error)
        return
    address.write("job", row.id)
    st.rerun()


def _expected(
    spec: engine.StudySpec, rows: list[engine.StudyRow], stored: list[float]
) -> float | None:
    """Seconds for the levels that are not stored yet."""
    left = tuple(level for level in spec.levels if level not in stored)
    return (
        engine.estimate(engine.StudySpec(**{**asdict(spec), "levels": left}), rows).seconds
        if left
        else 0.0
    )


def command(spec: engine.StudySpec) -> str:
    """The command line that starts the same study; what is as usual is left out."""
    return shell(study_command(asdict(spec), background=True))
