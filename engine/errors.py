"""Every exception the engine raises on purpose.

    PruneScopeError
    ├── InputError            something the user gave cannot be used; the CLI exits with 2
    │   ├── ModelError          the model: missing, unsafe format, unsupported family, wrong hash
    │   ├── DataError           the data: missing, no text or label column, labels out of range, one
      class
    │   ├── SettingError        a setting out of range: sparsity, level, size, device
    │   ├── ResourceError       something must be fetched and there is no network, or a resource is
      missing
    │   ├── TrainingDiverged    fine-tuning went wrong at a step: a learning rate too high
    │   └── StoreError          the cache folder cannot be read or written
    ├── DamagedEntryError     a stored entry does not match its checksum; it has been set aside
    ├── NumericalError        a factorisation failed although the damping was raised as far as
      allowed
    ├── WorkerError           the worker process died; the request can be sent again
    └── InterruptedStudy      stopped by the user; what was finished is kept and the same command
      resumes (exit 3)

Every message says what happened, with the value, and what to do:

    try:
        victim = engine.load_victim("some/folder")
    except engine.InputError as error:
        print(error)
"""


class PruneScopeError(Exception):
    """Base of everything the engine raises on purpose."""


class InputError(PruneScopeError):
    """Something the user gave cannot be used."""


class ModelError(InputError):
    """The model cannot be used."""


class DataError(InputError):
    """The data cannot be used."""


class SettingError(InputError):
    """A setting is out of its range."""


class ResourceError(InputError):
    """A resource that must be fetched or installed is not here."""


class StoreError(InputError):
    """The cache folder cannot be read or written."""


class DamagedEntryError(PruneScopeError):
    """A stored entry does not match its checksum."""


class NumericalError(PruneScopeError):
    """A factorisation failed although the damping was raised as far as allowed."""


class TrainingDiverged(InputError):
    """Fine-tuning went wrong: a loss or gradient that is no number, or a loss far above guessing."""


class WorkerError(PruneScopeError):
    """The worker process died."""


class InterruptedStudy(PruneScopeError):
    """Stopped by the user; finished levels are kept."""
