"""The records: rates with their Wilson interval, and what a specification refuses."""

import json
import math
import subprocess
import sys
from dataclasses import asdict

import pytest

from prunescope import engine
from prunescope.engine import paths
from prunescope.engine.errors import SettingError
from prunescope.engine.records import Rate, StudySpec


def test_a_rate_has_the_wilson_interval() -> None:
    rate = Rate.of(8, 10)
    assert (rate.value, rate.n, rate.hits) == (0.8, 10, 8)
    # The bounds are the two p that solve (p̂ − p)² = z² p (1 − p) / n.
    for bound in (rate.low, rate.high):
        assert (0.8 - bound) ** 2 == pytest.approx(1.959963984540054**2 * bound * (1 - bound) / 10)
    assert rate.low < 0.8 < rate.high


def test_an_interval_at_the_edge_ends_exactly_there() -> None:
    for n in range(1, 300):
        none, all_ = Rate.of(0, n), Rate.of(n, n)
        assert none.low == 0 < none.high < 1 and 0 < all_.low < 1 == all_.high


def test_a_rate_of_nothing_has_no_value_and_the_widest_interval() -> None:
    assert Rate.of(0, 0) == Rate(None, 0, 0.0, 1.0)


@pytest.mark.parametrize(("hits", "n"), [(3, 2), (-1, 2), (1, 0)])
def test_what_is_not_a_share_is_refused(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{hits} of {n}"):
        Rate.of(hits, n)


@pytest.mark.parametrize("level", [1.0, -0.1, 1, math.nan, math.inf, "0.5", 0.9999999])
def test_a_level_outside_its_range_is_refused_by_value(level: object) -> None:
    with pytest.raises(SettingError, match=f"Sparsity {level} is outside"):
        StudySpec(levels=(0.5, level))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1, 99999999999999999999])
def test_a_seed_that_no_generator_takes_is_refused(seed: int) -> None:
    assert StudySpec(seed=2**63 - 1).seed == 2**63 - 1 and StudySpec(seed=-(2**63)).seed == -(2**63)
    with pytest.raises(SettingError, match=f"`seed` is {seed}; it must be a number of 64 bits"):
        StudySpec(seed=seed)


@pytest.mark.parametrize("name", ["calibration", "held_out", "eval_examples", "attack_examples"])
def test_a_size_below_one_is_refused_by_name_and_value(name: str) -> None:
    with pytest.raises(SettingError, match=f"`{name}` is 0"):
        StudySpec(**{name: 0})  # type: ignore[arg-type]


def test_without_an_attack_no_examples_to_attack_are_needed() -> None:
    assert StudySpec(attack="none", attack_examples=0).attack_examples == 0


def test_levels_have_six_digits_so_that_none_is_measured_twice() -> None:
    assert StudySpec(levels=(0, 0.5000001, 1 / 3)).levels == (0.0, 0.5, 0.333333)


def test_no_levels_are_refused() -> None:
    with pytest.raises(SettingError, match="no levels"):
        StudySpec(levels=())


def test_a_study_finds_its_level_whatever_the_last_digit() -> None:
    level = engine.LevelResult(0.3, 0.3, 0.2, Rate.of(1, 2), None, None, 0.0, {}, (), (), (), 1, 1)
    study = engine.Study("key", {}, {}, (level,))
    assert study.level(0.1 + 0.2) is level
    assert study.level(0.31) is None


def test_a_page_calls_settings_by_their_labels() -> None:
    with pytest.raises(SettingError) as caught:
        StudySpec(calibration=0)
    assert engine.labelled(str(caught.value)).startswith("“Calibration sentences” is 0; it must be")
    assert engine.labelled("Give `levels=0,0.875`.") == "Give “Levels, per cent: 0, 87.5”."
    assert engine.labelled("Give `elsewhere`.") == "Give `elsewhere`."


def test_the_record_of_a_stored_study_is_as_it_was() -> None:
    """Keys and stored bytes depend on the names, order and values of the fields."""
    assert json.dumps(asdict(StudySpec(levels=(0, 0.5)))) == (
        '{"model": "embedded", "data": "embedded", "method": "adaptive", '
        '"pattern": "unstructured", '
        '"levels": [0.0, 0.5], "calibration": 512, "held_out": 128, "eval_examples": 872, '
        '"attack": "deepwordbug", "attack_examples": 200, "max_queries": null, '
        '"max_seconds": null, "seed": 0, "device": "auto", "allocation": "auto", "layers": "", '
        '"precision": "fp32", "force": false, "resources": null, "text_column": null, '
        '"pair_column": null, "label_column": null, "label_map": null, '
        '"calibration_data": "", "recover": "off"}'
    )


def test_every_setting_of_a_study_is_described() -> None:
    for name, described in engine.settings_of(StudySpec).items():
        assert described.setting.help and described.setting.label and described.setting.group, name


def test_stored_studies_are_read_without_pydantic() -> None:
    """It takes 0.2 seconds to import, and only files of settings need it."""
    code = (
        "import sys; from prunescope import engine; engine.StudySpec(); engine.Store; "
        "assert 'pydantic' not in sys.modules and 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=paths.PROJECT).returncode == 0
