"""A sweep: every combination of models, data, methods, patterns, seeds and attacks, each a study over the same sparsities.

    models: [embedded, ./my-model]
    data: [embedded]
    methods: [adaptive, magnitude]
    sparsities: [0, 0.5, 0.7]
    seeds: [0, 1]
    attacks: [none, deepwordbug]
    calibration: 256                 # any other setting of a study, the same for all

The sparsities of one combination stay together, because they are solved in one pass over the text.
"""

import itertools
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from engine.errors import SettingError
from engine.records import StudySpec

AXES = {"models": "model", "data": "data", "methods": "method", "patterns": "pattern", "attacks": "attack", "seeds": "seed"}
MOST = 100_000  # studies of one sweep
LARGEST = 1 << 20  # bytes of its file


def read_sweep(path: Path) -> list[StudySpec]:
    """The studies of a sweep's file, in the order of their axes. Raises SettingError for anything that is not one."""
    try:
        if path.stat().st_size > LARGEST:
            raise SettingError(f"{path} is larger than 1 MB; a sweep is a few lines of YAML.")
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"{path} cannot be read ({error.strerror}); name a YAML file with the sweep.") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise SettingError(f"{path} is not YAML ({' '.join(str(error).split())[:160]}).") from error
    return sweep_of(found)


def sweep_of(found: object) -> list[StudySpec]:
    """The studies of a sweep that was read from YAML. Raises SettingError."""
    if not isinstance(found, dict):
        raise SettingError("A sweep is a list of settings such as `methods: [adaptive, magnitude]`, one a line.")
    types = {field.name: field.type for field in fields(StudySpec)}
    single = {name for name in types if name not in (*AXES.values(), "levels")}
    for name in found:
        if name not in AXES and name not in single and name != "sparsities":
            known = ", ".join([*AXES, "sparsities", *sorted(single)])
            raise SettingError(f"The sweep has {str(name)[:40]!r}; it may have {known}.")
    common = {name: _of_kind(name, found[name], types[name]) for name in single if name in found}
    if "sparsities" in found:
        common["levels"] = tuple(_number(level) for level in _list("sparsities", found["sparsities"]))
    axes = [[_of_kind(axis, value, types[name]) for value in _list(axis, found[axis])] if axis in found
            else [getattr(StudySpec(), name)] for axis, name in AXES.items()]  # fmt: skip
    count = 1
    for axis in axes:
        count *= len(axis)
    if count > MOST:
        raise SettingError(f"The sweep has {count:,} studies; at most {MOST:,} go into one.")
    return [StudySpec(**common, **dict(zip(AXES.values(), values, strict=True))) for values in itertools.product(*axes)]


def _list(name: str, value: object) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    if not values or len({repr(one) for one in values}) < len(values):
        raise SettingError(f"{name} is {str(value)[:60]}; give a list of different values.")
    return values


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SettingError(f"The sparsity {str(value)[:40]!r} is not a number; levels are shares such as 0.5.")
    return float(value)


def _of_kind(name: str, value: object, kind: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise SettingError(f"{name} has {str(value)[:60]!r} ({type(value).__name__}), which is not what the setting takes.")
    return value
