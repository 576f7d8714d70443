"""Checks of records, and of entries of JSON and YAML files, by their fields' descriptions."""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import MISSING
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

from prunescope.engine.config.describe import Described, describe, settings_of
from prunescope.engine.errors import SettingError

Record = TypeVar("Record")


PLAIN: tuple[type, ...] = (bool, int, float, str)


def _is_plain(value: Any, kind: type) -> bool:
    """Whether a value is of a plain kind: true is no number, a whole number is a number."""
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    return isinstance(value, int | float if kind is float else kind)


def check_record(record: Any, where: str = "", skip: Collection[str] = ()) -> None:
    """Raises SettingError for the first field that is not among its choices or not in its range."""
    for name, described in settings_of(type(record)).items():
        value = getattr(record, name)
        if value is None and described.optional:
            continue
        if described.kind in PLAIN and not _is_plain(value, described.kind):
            raise described.refusal(value, f"{where}`{name}`")
        if name in skip:
            continue
        if isinstance(value, str | int | float) and not described.setting.allows(value):
            raise described.refusal(value, f"{where}`{name}`")


def check_value(value: Any, kind: Any, where: str) -> None:
    """Raises SettingError for a value of JSON or YAML that is not of this kind or not in its range.

    `kind` is a type, alone or annotated with a `Setting`. True and false are no numbers, a whole
    number is a number, and nothing is converted.
    """
    described = kind if isinstance(kind, Described) else describe("", kind)
    if value is None and described.optional:
        return
    if not (_is_of(value, described.kind) and described.setting.allows(value)):
        raise described.refusal(value, where)


def _is_of(value: Any, kind: Any) -> bool:
    from pydantic import ValidationError

    try:
        _adapter(kind).validate_python(list(value) if isinstance(value, tuple) else value)
    except ValidationError:
        return False
    return True


@cache
def _adapter(kind: Any) -> Any:
    """Pydantic's check of a type, loaded by the first file that is read: it takes 0.2 seconds."""
    from pydantic import ConfigDict, TypeAdapter

    listed = list[get_args(kind)[0]] if get_origin(kind) is tuple else kind  # type: ignore[misc]
    return TypeAdapter(listed, config=ConfigDict(strict=True))


def check_entry(entry: Any, kinds: Mapping[str, Any], where: str) -> None:
    """Raises SettingError where an entry of a file is not an object, and for its first key that is
    unknown or has a value that does not fit.
    """
    if not isinstance(entry, dict):
        raise SettingError(f"{where}: {entry!r} is not an object with settings; correct it.")
    for name in entry:
        if name not in kinds:
            raise unknown_setting(str(name), kinds, where)
    for name, value in entry.items():
        check_value(value, kinds[name], f"{where}: {name}")


def unknown_setting(name: str, names: Collection[str], where: str) -> SettingError:
    """The error for a key that is no setting, with the one that was probably meant."""
    near = difflib.get_close_matches(name, names, n=1)
    meant = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(names)}."
    return SettingError(f"{where}: unknown setting {name[:40]!r}; {meant}", setting=name)


def read_record(record: type[Record], entry: Any, where: str) -> Record:
    """A record from an entry of a file. Raises SettingError naming the first key that is unknown,
    missing or does not fit.
    """
    described = settings_of(record)
    check_entry(entry, described, where)
    for name, field in described.items():
        if field.default is MISSING and name not in entry:
            raise SettingError(f"{where}: there is no {name}; give {field.values}.", setting=name)
    return record(**entry)
