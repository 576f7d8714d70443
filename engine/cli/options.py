"""Options of commands, made from the descriptions of settings, and the records made from them."""

import argparse
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, fields, replace
from typing import Any, TypeVar, get_args, get_origin

from prunescope.engine.attacks.catalogue import ATTACKS
from prunescope.engine.cli.settings import Places
from prunescope.engine.config.describe import Described, settings_of
from prunescope.engine.config.study import LEVELS, READING, StudySpec
from prunescope.engine.errors import phrase
from prunescope.engine.pruning.methods import METHODS

Answer = tuple[dict[str, Any], str]  # (the JSON object, the table)
Command = Callable[..., argparse.ArgumentParser]  # command(name, run, about)
Record = TypeVar("Record")

# Settings of a study in the order in which --help lists them.
VICTIM = ("model", "data", *READING)
PRUNER = ("method", "pattern", "allocation", "layers", "precision", "force", "recover")
CALIBRATION = ("calibration_data", "calibration", "held_out")
RUN = ("seed", "device")
BUDGET = ("max_queries", "max_seconds")
MEASURES = ("eval_examples", "attack", "attack_examples", *BUDGET, "resources")
# Names that are known only above the records.
NAMES = {"attack": ", ".join([*ATTACKS, "none"]), "method": ", ".join(METHODS)}


def add_settings(
    parser: argparse.ArgumentParser,
    record: type,
    *names: str,
    defaults: Mapping[str, Any] | None = None,
    helps: Mapping[str, str] | None = None,
    metavars: Mapping[str, str] | None = None,
    required: Collection[str] = (),
    optional: Mapping[str, str] | None = None,
    into: argparse._ActionsContainer | None = None,
) -> None:
    """Add an option for each of these fields of a record.

    Flag, type, choices, default and help come from the field; `defaults`, `helps` and `metavars`
    replace them for a command in which a setting means something narrower. `optional` ones may be
    left out, and then that happens which their text says. They go `into` a group of their own, or
    into the one that their description names.
    """
    settings = settings_of(record)
    for name in names:
        described = settings[name]
        if defaults and name in defaults:
            setting = replace(described.setting, default="")
            described = replace(described, default=defaults[name], setting=setting)
        if helps and name in helps:
            described = replace(
                described, setting=replace(described.setting, help=helps[name], default="")
            )
        if metavars and name in metavars:
            setting = replace(described.setting, metavar=metavars[name])
            described = replace(described, setting=setting)
        if optional and name in optional:
            setting = replace(described.setting, default=optional[name])
            described = replace(described, default=None, setting=setting)
        if name in required:
            described = replace(described, default=MISSING)
        strict = not hasattr(record, "__post_init__")  # no record will check it
        _add_option(into or group_of(parser, described.setting.group), described, strict)


def _add_option(
    into: argparse._ActionsContainer, described: Described, strict: bool = True
) -> None:
    """Add the option of one setting to a group.

    A `strict` option refuses a value that is not in its range; a record has its own check.
    """
    about, default = option_help(described), described.default
    if described.kind is bool:
        action = "store_false" if default is True else "store_true"
        switch = into.add_argument(described.flag, action=action, dest=described.name, help=about)
        switch.described = described  # type: ignore[attr-defined]
        return
    option = into.add_argument(
        described.flag,
        type=_reader(described, strict),
        default=None if default is MISSING or _is_list(described) else default,
        required=default is MISSING,
        metavar=described.setting.metavar,
        help=about,
    )
    option.described = described  # type: ignore[attr-defined]  # for docs/cli.md


def flag_text(flag: str, value: str | None) -> str:
    """A flag as a person types it, with its value where there is one; a switch has none."""
    if value is None or value in ("true", "false"):
        return flag
    # A label map is given with an equals sign, since a label may begin with a minus.
    return f"{flag}{'=' if value[:1] == '-' or '=' in value else ' '}{shlex.quote(value)}"


def study_flag(name: str, value: str | None) -> str | None:
    """How `study` gives a setting that a message names; see `engine.errors`."""
    described = settings_of(StudySpec).get(name)
    return None if described is None else flag_text(described.flag, value)


def as_flags(text: str) -> str:
    """A text of the engine with each setting as an option, for reasons that no command gave."""

    def flag(name: str, value: str | None) -> str:
        return study_flag(name, value) or flag_text(f"--{name.replace('_', '-')}", value)

    return phrase(text, flag)


def option_help(described: Described) -> str:
    """The help of an option: what the setting is, and its default."""
    about, default = option_about(described), described.default_text
    return (f"{about} (default: {default})" if default else about).replace("%", "%%")


def option_about(described: Described) -> str:
    """What a setting is, and its values where they are names."""
    about = as_flags(described.setting.help)
    if described.default is True:
        about = f"do not {about}"
    if (names := NAMES.get(described.name)) and not described.setting.choices:
        first, semicolon, rest = about.partition(";")
        about = f"{first}: {names}{semicolon}{rest}"
    return about


def group_of(parser: argparse.ArgumentParser, title: str) -> argparse._ArgumentGroup:
    """The parser's group of options with this title."""
    known = {group.title: group for group in parser._action_groups}
    return known.get(title) or parser.add_argument_group(title)


def _is_list(described: Described) -> bool:
    return get_origin(described.kind) is tuple


def _reader(described: Described, strict: bool) -> Callable[[str], Any]:
    """The function that turns an option's text into the setting's value."""
    if _is_list(described):
        return lambda text: list_of(text, get_args(described.kind)[0])

    former = dict(described.setting.former)

    def read(text: str) -> Any:
        try:
            value = described.kind(former.get(text, text))
        except ValueError:
            value = None
        if value is None or (strict and not described.setting.allows(value)):
            raise argparse.ArgumentTypeError(f"{text!r} is not {described.values}")
        return value

    return read


def list_of(text: str, kind: Callable[[str], Any]) -> tuple[Any, ...]:
    """`"0,0.5"` → (0.0, 0.5); `none` is the empty list."""
    try:
        return () if text == "none" else tuple(kind(part) for part in text.split(","))
    except ValueError:
        example = "0,1,2" if kind is int else "0,0.5,0.875"
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of numbers such as {example}"
        ) from None


def record_of(record: type[Record], options: argparse.Namespace, **fixed: Any) -> Record:
    """The record that a command's options describe; fields without an option keep their default."""
    values = {
        field.name: getattr(options, field.name)
        for field in fields(record)  # type: ignore[arg-type]
        if hasattr(options, field.name)
    }
    return record(**{**values, **fixed})


def spec_from(options: argparse.Namespace, **fixed: Any) -> StudySpec:
    """The study that a command's options describe, with whole paths.

    Without levels, it has the default ones, or 0 and the one sparsity of an n:m pattern.
    """
    if "levels" not in fixed and getattr(options, "levels", ()) is None:
        own = own_sparsity(options.pattern)
        fixed["levels"] = LEVELS if own is None else (0.0, own)
    return record_of(StudySpec, options, **fixed).rooted()


def own_sparsity(pattern: str) -> float | None:
    """The one sparsity that an n:m pattern has; None for a pattern that takes any."""
    from prunescope.engine.pruning.patterns import NofM, pattern_named

    known = pattern_named(pattern)
    return known.sparsity if isinstance(known, NofM) else None


def victim_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of model, data, pruning and cache."""
    add_settings(parser, StudySpec, *VICTIM, *PRUNER, *CALIBRATION, *RUN)
    add_settings(parser, Places, "cache")


def measure_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of evaluation and attack."""
    add_settings(parser, StudySpec, *MEASURES)


def reading_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for each of `READING`: how a data set is to be read."""
    add_settings(parser, StudySpec, *READING)


def reading_of(options: argparse.Namespace) -> dict[str, Any]:
    """The values of these options, as arguments of `load_dataset`."""
    return {name: getattr(options, name) for name in READING}


def names_of(text: str | None) -> tuple[str, ...] | None:
    """`"negative, positive"` → its parts; None where nothing was given."""
    return tuple(part.strip() for part in text.split(",")) if text else None
