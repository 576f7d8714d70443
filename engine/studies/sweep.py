"""A sweep: every combination of models, data, methods, patterns, seeds and attacks, each a study
over the same sparsities.

    models: [embedded, ./my-model]
    data: [embedded]
    methods: [adaptive, magnitude]
    sparsities: [0, 0.5, 0.7]
    seeds: [0, 1]
    attacks: [none, deepwordbug]
    calibrations: [256, 1024]        # numbers of calibration texts
    recoveries: [off, global]
    eval_examples: 500               # any other setting of a study, the same for all

The sparsities of one combination stay together, because one pass over the text prunes them all.
A name such as $PRUNESCOPE_DATA in a value stands for the environment variable.
"""

import itertools
import os
import re
from pathlib import Path
from typing import Any

import yaml

from prunescope.engine.config.check import check_value, unknown_setting
from prunescope.engine.config.describe import Described, settings_of
from prunescope.engine.errors import SettingError
from prunescope.engine.records import StudySpec

AXES = {
    "models": "model",
    "data": "data",
    "methods": "method",
    "patterns": "pattern",
    "calibrations": "calibration",
    "attacks": "attack",
    "seeds": "seed",
    "recoveries": "recover",
}
MOST = 100_000  # studies of one sweep
LARGEST = 1 << 20  # bytes of its file


def read_sweep(path: Path) -> list[StudySpec]:
    """The studies of a sweep's file, in the order of their axes. Raises SettingError for a file
    that is no sweep.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise SettingError(f"{path} is larger than 1 MB; a sweep is a few lines of YAML.")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(
            f"{path} cannot be read ({error.strerror}); name a YAML file with the sweep."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise SettingError(f"{path} is not YAML ({' '.join(str(error).split())[:160]}).") from error
    return sweep_of(content)


def sweep_of(content: object) -> list[StudySpec]:
    """The studies of a sweep that was read from YAML. Raises SettingError."""
    if not isinstance(content, dict):
        raise SettingError(
            "A sweep is a list of settings such as `methods: [adaptive, magnitude]`, one a line."
        )
    settings = settings_of(StudySpec)
    single = [name for name in settings if name not in (*AXES.values(), "levels")]
    for name in content:
        if name not in (*AXES, *AXES.values(), "sparsities", *single):
            raise unknown_setting(str(name), [*AXES, "sparsities", *single], "The sweep")
    common = {
        name: _checked(name, content[name], settings[name]) for name in single if name in content
    }
    if "sparsities" in content:
        common["levels"] = tuple(
            _number(level) for level in _list("sparsities", content["sparsities"])
        )
    axes = [_values(axis, content, settings[name]) for axis, name in AXES.items()]
    count = 1
    for axis in axes:
        count *= len(axis)
    if count > MOST:
        raise SettingError(f"The sweep has {count:,} studies; at most {MOST:,} go into one.")
    return [
        StudySpec(**common, **dict(zip(AXES.values(), values, strict=True))).rooted()
        for values in itertools.product(*axes)
    ]


def _values(axis: str, content: dict[str, Any], setting: Described) -> list[Any]:
    """The values of one axis, given as a list under its own name or as one value under the
    setting's.
    """
    name = setting.name
    if axis != name and axis in content and name in content:
        raise SettingError(
            f"The sweep has {axis} and {name}, which are the same; leave {name} away."
        )
    value_or_list = content.get(axis, content.get(name))
    if value_or_list is None:
        return [setting.default]
    return [_checked(axis, value, setting) for value in _list(axis, value_or_list)]


def _list(name: str, value: object) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    if not values or len({repr(item) for item in values}) < len(values):
        raise SettingError(f"{name} is {str(value)[:60]}; give a list of different values.")
    return values


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SettingError(
            f"The sparsity {str(value)[:40]!r} is not a number; levels are shares such as 0.5."
        )
    return float(value)


def _checked(name: str, value: object, setting: Described) -> Any:
    """The value of a setting, under the name that it has in the file."""
    if value is False and "off" in setting.setting.choices:
        value = "off"  # what YAML makes of the word without quotes
    check_value(value, setting, f"The sweep: {name}")
    if setting.kind is float and isinstance(value, int):
        return float(value)
    return _expanded(name, value) if isinstance(value, str) else value


def _expanded(name: str, value: str) -> str:
    if missing := next(
        (variable for variable in re.findall(r"\$\{?(\w+)", value) if variable not in os.environ),
        None,
    ):
        raise SettingError(
            f"{name} has {value[:60]!r}, but the environment has no {missing}; set it to the "
            "folder meant."
        )
    return os.path.expandvars(value)
