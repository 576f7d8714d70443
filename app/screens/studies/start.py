"""The form that starts a study: each field explained, checked by the engine before anything starts,
with an estimate.
"""

import shlex
from dataclasses import asdict, fields
from typing import Any

import streamlit as st

from prunescope import engine
from prunescope.app.components.job_progress import doing
from prunescope.app.components.text import plain, span
from prunescope.app.state import address
from prunescope.app.state.resources import jobs, workbench

MODELS = ("embedded", "embedded:ag_news", "embedded:imdb")
DATA = ("embedded",)
PATTERNS = ("unstructured", "row", "2:4", "4:8", "32:64")
LEVELS = "0, 50, 70, 80, 90"
SHORT = {
    "calibration": "Calibration sentences",
    "held_out": "Held-out sentences",
    "eval_examples": "Evaluated examples",
    "attack_examples": "Attacked examples",
    "seed": "Seed",
}
READING = {
    "text_column": "Text column",
    "pair_column": "Pair column",
    "label_column": "Label column",
    "label_map": "Label map",
}
HELP = {
    "model": "`embedded` is the project's own small BERT; a hub name or the path of a model folder "
    "works too: type it.",
    "data": "`embedded` are the project's own reviews; a hub name, a folder with train and "
    "validation files, or one TSV, CSV, "
    "JSONL or Parquet file works too: type it.",
    "method": "How weights are chosen and corrected. Settings may be changed one by one: type "
    "`adaptive:refit=none`.",
    "pattern": "Which zeros go together. `2:4` means 2 zeros among each 4 weights, and fixes the "
    "sparsity.",
    "levels": "Sparsities in per cent: the share of zeros among the weights of the encoder's "
    "linears. 0 is the dense model.",
    "attack": "How texts are changed until the model errs. `none` leaves the attack out, which is "
    "much quicker.",
    "calibration": "Sentences that the pruner sees. Fewer than about three tokens for each input "
    "of a layer make it unreliable.",
    "held_out": "Further sentences, for the layer errors only.",
    "eval_examples": "Examples for accuracy; as many as there are, if there are fewer.",
    "attack_examples": "Examples that are attacked, the same at each level. They take most of the "
    "time.",
    "text_column": "The column of texts. Left empty, it is found by its usual names, such as text, "
    "sentence or review.",
    "pair_column": "For pairs, the column of the second texts; with a text column alone there are "
    "none.",
    "label_column": "The column of class numbers or names. Left empty, it is found by its usual "
    "names, such as label or class.",
    "label_map": "What each label of the data means: `neg=0,pos=1` by the model's class numbers, "
    "or `bad=negative,good=positive` "
    "by its class names. `-1` leaves rows out. Left empty, labels are matched by name or number.",
    "seed": "Of the choice of sentences and examples, and of the attack's draws.",
}
DEFAULT = engine.StudySpec(attack_examples=100)


def start_form(rows: list[engine.StudyRow]) -> None:
    """The fields, the estimate, the command line that does the same, and the button."""
    try:
        spec = _fields(rows)
    except engine.PruneScopeError as error:
        st.error(plain(str(error)))
        spec = None
    found = None if spec is None else engine.estimate(spec, rows)
    left, right = st.columns([3, 1], vertical_alignment="center")
    with left:
        if found is not None:
            about = "" if found.seconds is None else f"**About {span(found.seconds)}.** "
            st.markdown(about + plain(found.about))
    with right:
        if (
            st.button("Start", type="primary", key="start", disabled=spec is None, width="stretch")
            and spec is not None
        ):
            st.session_state["checking"] = (workbench().submit("check", spec=asdict(spec)), spec)
            st.session_state.pop("refused", None)
    _checking(rows)
    if refused := st.session_state.get("refused"):
        st.error(plain(refused))
    if spec is not None:
        with st.expander("The same from the command line"):
            st.code(command(spec), language="sh", wrap_lines=True)


def _fields(rows: list[engine.StudyRow]) -> engine.StudySpec:
    """What the fields say. Raises SettingError."""
    models = list(dict.fromkeys([*MODELS, *(str(row.about["spec"]["model"]) for row in rows)]))
    data = list(
        dict.fromkeys(
            [*DATA, *(str(row.about["spec"]["data"]) for row in rows if row.about["spec"]["data"])]
        )
    )
    methods, first, second = list(engine.METHODS), st.columns(2), st.columns([2, 1, 2])
    values: dict[str, Any] = {
        "model": first[0].selectbox(
            "Model", models, help=HELP["model"], accept_new_options=True, key="new-model"
        ),
        "data": first[1].selectbox(
            "Data", data, help=HELP["data"], accept_new_options=True, key="new-data"
        ),
        "method": second[0].selectbox(
            "Method", methods, help=HELP["method"], accept_new_options=True, key="new-method"
        ),
        "pattern": second[1].selectbox(
            "Pattern", PATTERNS, help=HELP["pattern"], accept_new_options=True, key="new-pattern"
        ),
    }
    attacks = {"none": "none", **engine.ATTACKS}
    values["attack"] = second[2].selectbox(
        "Attack",
        list(attacks),
        index=1,
        format_func=lambda name: attacks.get(name, name),
        help=HELP["attack"],
        key="new-attack",
    )
    if (known := engine.METHODS.get(values["method"])) is not None:
        st.caption(plain(f"{known.name}: {known.about}"))
    if not all(values.values()):
        raise engine.SettingError("A field is empty; choose a value, or type one.")
    levels = st.text_input(
        "Levels, per cent", LEVELS, help=HELP["levels"], key="new-levels", max_chars=400
    )
    for column, (name, label) in zip(st.columns(5), SHORT.items(), strict=True):
        off = name == "attack_examples" and values["attack"] == "none"
        values[name] = int(
            column.number_input(
                label,
                0 if name == "seed" else 1,
                10_000_000,
                getattr(DEFAULT, name),
                1,
                help=HELP[name],
                key=f"new-{name}",
                disabled=off,
            )
        )
    with st.expander("Columns and labels of the data, where they are not found by themselves"):
        for column, (name, label) in zip(st.columns(4), READING.items(), strict=True):
            typed = column.text_input(
                label, key=f"new-{name.replace('_', '-')}", max_chars=2000, help=HELP[name]
            ).strip()
            values[name] = typed or None
    return engine.StudySpec(**values, levels=levels_in(levels))


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
            f"{outside[0]:g} % is no sparsity; levels are percentages from 0 to below 100, as in "
            f"{LEVELS}."
        )
    if small := [level for level in levels if 0 < level < 1]:
        raise engine.SettingError(
            f"{small[0]:g} is less than one per cent; levels are percentages, so write "
            f"{100 * small[0]:g} for a share of {small[0]:g}."
        )
    return tuple(round(level / 100, 6) for level in levels)


def _checking(rows: list[engine.StudyRow]) -> None:
    """Follow the check of what was asked for; when it is well, queue the study."""
    if "checking" not in st.session_state:
        return
    job, spec = st.session_state["checking"]
    if job.active:

        @st.fragment(run_every=0.4, key="check")
        def poll() -> None:
            if not job.active:
                st.rerun()
            st.progress(
                job.progress.share,
                text=f"Checking model, data and settings: {plain(doing(job.progress.stage))}"
                if job.progress.stage
                else "Waiting for the worker to check model, data and settings",
            )
            if st.button("Cancel", key="cancel-check"):
                workbench().cancel(job)
                st.rerun()

        poll()
        return
    del st.session_state["checking"]
    if job.state != "done" or job.result is None:
        if job.state == "failed":
            st.session_state["refused"] = (
                job.reason
            )  # which stays until something else is asked for
        else:
            st.info("Cancelled before it started.")
        return
    try:
        row = jobs().submit(spec, _expected(spec, rows, job.result["stored"]))
    except engine.PruneScopeError as error:
        st.error(plain(str(error)))
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
    usual, parts = engine.StudySpec(), [".venv/bin/python", "-m", "engine", "study", "--background"]
    for field in fields(spec):
        value = getattr(spec, field.name)
        if value != getattr(usual, field.name):
            text = (
                ",".join(f"{level:g}" for level in value) if field.name == "levels" else str(value)
            )
            option = f"--{field.name.replace('_', '-')}"
            parts += [f"{option}={text}"] if text.startswith("-") else [option, text]
    return shlex.join(parts)
