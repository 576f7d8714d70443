"""The colours of the heat map."""

import re
from pathlib import Path

import pytest
from components import sent
from made_up_studies import made_up_study, save
from pages import app_at

from prunescope.app.components.heat_map import DECADES, colours


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("dark", [False, True])
def test_a_larger_error_is_further_from_the_page_s_colour(dark: bool) -> None:
    shades = [luminance(colour) for colour in colours(dark)]
    assert shades == sorted(shades, reverse=not dark) and len(set(shades)) == len(shades)


@pytest.mark.parametrize("dark", [False, True])
def test_a_number_can_be_read_on_every_colour(dark: bool) -> None:
    for shade in map(luminance, colours(dark)):
        assert max((shade + 0.05) / 0.05, 1.05 / (shade + 0.05)) >= 4.5


def test_the_scale_is_named_and_spans_two_powers_of_ten_at_most(cache: Path) -> None:
    save(cache, made_up_study((0.0, 0.01, 0.9)))
    (heat,) = sent(app_at("layers").run(), "heat")
    low, high = heat["bounds"]
    assert high / low == pytest.approx(DECADES) and "log scale" in heat["scale"]


def test_the_worst_layer_is_marked_where_none_was_picked(cache: Path) -> None:
    save(cache, made_up_study())
    app = app_at("layers").run()
    (heat,) = sent(app, "heat")
    assert heat["picked"].startswith("2.") and "cell" not in app.query_params
