"""The errors: how a message names a setting, and how the CLI and a page phrase it."""

import pickle

import pytest

from prunescope.engine.errors import DataError, SettingError, phrase


def shouted(name: str, value: str | None) -> str | None:
    """Words for the settings `levels` and `force` only."""
    if name not in ("levels", "force"):
        return None
    return name.upper() if value is None else f"{name.upper()}:{value}"


@pytest.mark.parametrize(
    ("text", "phrased"),
    [
        ("Give `levels`.", "Give LEVELS."),
        ("Give `levels=0,0.5` or `force`.", "Give LEVELS:0,0.5 or FORCE."),
        ("Write `methods: [adaptive]` or `members`.", "Write `methods: [adaptive]` or `members`."),
        ("{levels} of 100%", "{levels} of 100%"),
    ],
)
def test_a_message_is_phrased_by_whoever_shows_it(text: str, phrased: str) -> None:
    assert phrase(text, shouted) == phrased


def test_an_error_carries_the_setting_it_is_about() -> None:
    assert SettingError("There are no levels; give `levels=0,0.5`.").setting == "levels"
    assert SettingError("There are no levels.", setting="levels").setting == "levels"
    assert DataError("The file is empty.").setting is None


def test_an_error_keeps_its_text_and_setting_between_processes() -> None:
    error = pickle.loads(pickle.dumps(DataError("No labels.", setting="label_column")))
    assert (str(error), error.setting) == ("No labels.", "label_column")
