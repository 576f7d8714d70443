"""What a check measures: a few settings with good defaults, and all others folded."""

from typing import Any

import streamlit as st

from prunescope import engine
from prunescope.app.screens.check.fields import (
    DEFAULT,
    SETTINGS,
    choice,
    help_of,
    keep,
    kept,
    key_of,
    number,
    restore,
    text,
)
from prunescope.app.screens.check.link import TOLERANCE
from prunescope.engine.reading.titles import method_name_title

LEVELS = ", ".join(f"{100 * level:g}" for level in DEFAULT.levels)
COUNTS = ("calibration", "held_out", "eval_examples", "seed")
LISTED = {  # settings with usual values, to which others may be typed
    "pattern": SETTINGS["pattern"].setting.examples,
    "allocation": SETTINGS["allocation"].setting.examples,
    "precision": SETTINGS["precision"].setting.examples,
    "device": SETTINGS["device"].setting.examples,
    "recover": SETTINGS["recover"].setting.choices,
}
OPTIONAL = ("max_queries", "max_seconds", "layers", "resources", "calibration_data")  # empty: none
NO_ATTACK = "none"


def settings() -> dict[str, Any]:
    """The fields of the settings: values of a study's settings by name. Raises SettingError."""
    values = _main()
    with st.expander("More settings", key=key_of("more"), expanded=False):
        values |= _folded()
    values["levels"] = levels_in(str(kept("levels", LEVELS)))
    return values


def _main() -> dict[str, Any]:
    levels, method, attack = st.columns([2, 1.2, 1.2])
    text(levels, "levels", LEVELS)
    values: dict[str, Any] = {
        "method": choice(
            method, "method", {name: method_name_title(name) for name in engine.METHODS}
        ),
        "attack": choice(attack, "attack", {NO_ATTACK: "none", **engine.ATTACKS}, typed=False),
    }
    attacked, points, about = st.columns([1, 1, 2.4], vertical_alignment="center")
    values["attack_examples"] = number(attacked, "attack_examples", values["attack"] == NO_ATTACK)
    key = restore(TOLERANCE, engine.TOLERANCE)
    points.number_input(
        "Tolerance, points",
        0.0,
        50.0,
        step=0.5,
        format="%.1f",
        key=key,
        help="A sparsity is safe if accuracy and accuracy under attack stay within this many "
        "points of the dense model. It can be changed afterwards.",
    )
    keep(TOLERANCE)
    about.caption(_what_it_tells(values))
    return values


def _what_it_tells(values: dict[str, Any]) -> str:
    if values["attack"] == NO_ATTACK:
        return "Without an attack, only accuracy is measured, which is much quicker."
    points = engine.smallest_difference(values["attack_examples"])
    attacked = engine.pluralize(values["attack_examples"], "attacked example")
    return (
        f"With {attacked}, a difference in accuracy under attack of less than about {points:.0f} "
        "points cannot be told from chance. More examples tell more and take longer."
    )


def _folded() -> dict[str, Any]:
    values: dict[str, Any] = {
        name: number(column, name)
        for column, name in zip(st.columns(len(COUNTS)), COUNTS, strict=True)
    }
    for column, (name, options) in zip(st.columns(len(LISTED)), LISTED.items(), strict=True):
        typed = not SETTINGS[name].setting.choices
        values[name] = choice(column, name, {option: option for option in options}, typed)
    for column, name in zip(st.columns(len(OPTIONAL)), OPTIONAL, strict=True):
        values[name] = _parsed(name, text(column, name))
    key = restore("force", False)
    st.checkbox(SETTINGS["force"].setting.label, key=key, help=help_of("force"))
    values["force"] = keep("force")
    return values


def _parsed(name: str, written: str) -> Any:
    """The value of a field that may be empty. Raises SettingError for one that is no number."""
    described = SETTINGS[name]
    if not written:
        return None if described.optional else described.default
    if described.kind is str:
        return written
    try:
        return described.kind(written)
    except ValueError:
        raise described.refusal(written, f"`{name}`") from None


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
