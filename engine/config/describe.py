"""What is known about a setting, beside the record's field that holds it.

    batch_size: Annotated[int, Setting("Batch size", "examples a step", "N", ge=1)] = 32

The field gives name, type and default; `Setting` gives label, help, range and group. From them come
the record's own check, the checks of JSON and YAML, the command line's options, the labels and help
of the app's form, and docs/cli.md.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from prunescope.engine.errors import SettingError

KINDS: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
    list | str: "a list or text",
    tuple[float, ...]: "a list of numbers",
    tuple[int, ...]: "a list of whole numbers",
    tuple[str, ...]: "a list of names",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What a person is told about a setting, and the values it takes."""

    label: str  # on a page: "Batch size"
    help: str  # a phrase without a full stop: "examples a step"
    metavar: str | None = None  # in the usage of the command line
    group: str = ""  # title of its options in --help
    choices: tuple[str, ...] = ()  # the only values, where they are known
    examples: tuple[str, ...] = ()  # values worth offering, where others are possible too
    ge: float | None = None  # value ≥ ge
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    takes: str = ""  # the values in words, where type and range do not say it well
    former: tuple[tuple[str, str], ...] = ()  # (spelling of before, of today), taken as well
    default: str = ""  # what happens by default, where the field's own default does not say it

    # With these two, pydantic and others that know annotated-types read the range from a field.
    __is_annotated_types_grouped_metadata__ = True

    def __iter__(self) -> Iterator[Any]:
        import annotated_types as bounds

        for name, bound in (("ge", bounds.Ge), ("gt", bounds.Gt), ("le", bounds.Le)):
            if (value := getattr(self, name)) is not None:
                yield bound(value)
        if self.lt is not None:
            yield bounds.Lt(self.lt)

    def allows(self, value: Any) -> bool:
        """Whether the value is a choice and in range; infinities and NaN never are."""
        if self.choices and value not in self.choices:
            return False
        try:
            return (
                not (isinstance(value, float) and not math.isfinite(value))
                and (self.ge is None or value >= self.ge)
                and (self.gt is None or value > self.gt)
                and (self.le is None or value <= self.le)
                and (self.lt is None or value < self.lt)
            )
        except TypeError:
            return False

    @property
    def range(self) -> str:
        """The range in words, such as "above 0", "of at least 1" or "in [0, 1)"; may be empty."""
        low = self.gt if self.ge is None else self.ge
        high = self.lt if self.le is None else self.le
        if low is not None and high is not None:
            opening, closing = "(" if self.ge is None else "[", ")" if self.le is None else "]"
            return f"in {opening}{low:g}, {high:g}{closing}"
        if low is not None:
            return f"above {low:g}" if self.ge is None else f"of at least {low:g}"
        if high is not None:
            return f"below {high:g}" if self.le is None else f"of at most {high:g}"
        return ""


@dataclass(frozen=True, slots=True)
class Described:
    """A field of a record with what is known about it."""

    name: str
    kind: Any  # its type, without None
    optional: bool  # whether None is allowed
    default: Any  # MISSING where there is none
    setting: Setting

    @property
    def flag(self) -> str:
        """Its option on the command line; a switch that is on by default is turned off."""
        dashed = self.name.replace("_", "-")
        return f"--no-{dashed}" if self.default is True else f"--{dashed}"

    @property
    def values(self) -> str:
        """The values it takes, in words: "a number in [0, 1)"."""
        if self.setting.takes:
            return self.setting.takes
        if self.setting.choices:
            return f"one of {', '.join(self.setting.choices)}"
        return f"{KINDS.get(self.kind, 'a value')} {self.setting.range}".rstrip()

    @property
    def default_text(self) -> str:
        """Its default in words; nothing where it must be given, and for switches."""
        if self.setting.default or self.kind is bool:
            return self.setting.default
        return shown(self.default)

    @property
    def sentence(self) -> str:
        """Its help as a sentence, for a page."""
        return f"{self.setting.help[0].upper()}{self.setting.help[1:]}."

    def refusal(self, value: Any, name: str) -> SettingError:
        """The error for a value that it does not take; `name` is how the sentence calls it."""
        text = repr(value) if isinstance(value, str) else str(value)
        text = text if len(text) <= 80 else f"{text[:79]}…"
        return SettingError(f"{name} is {text}; it must be {self.values}.", setting=self.name)


def shown(value: Any) -> str:
    """A default as a person writes it: `0.0001`, `0.5,0.75`; nothing for None and no default."""
    if value is None or value is MISSING or value == "":
        return ""
    if isinstance(value, tuple):
        return ",".join(shown(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def settings_of(record: Any) -> Mapping[str, Described]:
    """Every field of a record type, by name; one without a `Setting` is described by its type."""
    return _settings_of(record)


@cache
def _settings_of(record: Any) -> Mapping[str, Described]:
    return {field.name: describe(field.name, field.type, field.default) for field in fields(record)}


def describe(name: str, annotation: Any, default: Any = MISSING) -> Described:
    """A field by its type, which may be annotated with a `Setting`."""
    setting = Setting(name.replace("_", " ").capitalize(), "")
    if get_origin(annotation) is Annotated:
        annotation, *notes = get_args(annotation)
        setting = next((note for note in notes if isinstance(note, Setting)), setting)
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    optional = len(kinds) == 1 and NoneType in get_args(annotation)
    return Described(name, kinds[0] if optional else annotation, optional, default, setting)
