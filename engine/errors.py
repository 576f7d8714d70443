"""Every exception the engine raises on purpose, and how its text names a setting.

    PruneScopeError
    ├── InputError            what the user gave cannot be used; the CLI exits with 2
    │   ├── ModelError          the model: missing, unsafe format, unsupported family, wrong hash
    │   ├── DataError           the data: missing, no text or label column, labels out of range
    │   ├── SettingError        a setting out of its range: sparsity, size, device
    │   ├── ResourceError       a resource is missing, or must be fetched and there is no network
    │   ├── TrainingDiverged    fine-tuning went wrong at a step: a learning rate too high
    │   └── StoreError          the cache folder cannot be read or written
    ├── DamagedEntryError     a stored entry does not match its checksum; it has been set aside
    ├── NumericalError        a factorisation failed at the strongest damping allowed
    ├── WorkerError           the worker process died; the request can be sent again
    └── InterruptedStudy      stopped by the user; the same command resumes (exit 3)

A message says what happened, with the value, and what to do. It never names a flag:

1. Write a setting by its field name in backticks: "give at least one, such as `levels=0,0.5`".
2. `name` alone is the setting, `name=value` the setting with a value, `name=true` a switch.
3. `str(error)` stays as written, so it travels through workers, jobs and JSON, and reads as Python.
4. Whoever shows it calls `phrase`: the CLI turns a name into its flag, a page into its label.
5. `error.setting` is the first setting named, or the one given: `SettingError(text, setting=…)`.
"""

import re
from collections.abc import Callable

_NAMED = re.compile(r"`([a-z][a-z0-9_]*)(?:=([^`]*))?`")


def phrase(text: str, word: Callable[[str, str | None], str | None]) -> str:
    """The text with each setting in the words of whoever shows it.

    `word(name, value)` gives the words for a setting, with its value where the text has one. It
    gives None for a name that is not one of its settings: the backticks then stay as they are.
    """

    def replacement(match: re.Match[str]) -> str:
        words = word(match[1], match[2])
        return match[0] if words is None else words

    return _NAMED.sub(replacement, text)


class PruneScopeError(Exception):
    """Base of everything the engine raises on purpose."""

    def __init__(self, *args: object, setting: str | None = None) -> None:
        super().__init__(*args)
        named = _NAMED.search(str(self))
        self.setting = setting or (named[1] if named else None)


class InputError(PruneScopeError):
    """What the user gave cannot be used."""


class ModelError(InputError):
    """The model cannot be used."""


class DataError(InputError):
    """The data cannot be used."""


class SettingError(InputError):
    """A setting is out of its range."""


class ResourceError(InputError):
    """A resource that must be fetched or installed is missing."""


class StoreError(InputError):
    """The cache folder cannot be read or written."""


class DamagedEntryError(PruneScopeError):
    """A stored entry does not match its checksum."""


class NumericalError(PruneScopeError):
    """A factorisation failed although the damping was raised as far as allowed."""


class TrainingDiverged(InputError):
    """Fine-tuning went wrong: a loss or gradient that is not finite, or far above guessing."""


class WorkerError(PruneScopeError):
    """The worker process died."""


class InterruptedStudy(PruneScopeError):
    """Stopped by the user; finished levels are kept."""
