"""What the live worker keeps in memory between requests: opened studies and pruned victims, up to a
number of bytes.
"""

import ctypes
import gc
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Generic, TypeVar

from torch import Tensor, nn

Value = TypeVar("Value")


class Held(Generic[Value]):
    """Values by key. Where they come to more than `most` bytes, the least recently used go first.

    Bytes are those of the tensors and texts that the values hold, each counted once: studies of one
    model share its weights. What the running request has used stays until the next one begins, even
    above `most`, so that it is not made twice for one request; so does the newest value.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._values: OrderedDict[str, Value] = OrderedDict()
        self._used: set[str] = set()

    def begin(self) -> None:
        """Another request begins: what the one before has used may go, once room is needed."""
        self._used.clear()

    def get(self, key: str) -> Value | None:
        """A value, which counts as used; None where it is not here."""
        if key in self._values:
            self._values.move_to_end(key)
            self._used.add(key)
        return self._values.get(key)

    def put(self, key: str, value: Value) -> None:
        """Take a value in, and make room for it."""
        self._values[key] = value
        self.get(key)
        self.room()

    def room(self, wanted: int = 0) -> None:
        """Let go of what was used longest ago, until `wanted` bytes more fit or only what is in use
        is left.
        """
        idle = [key for key in self._values if key not in self._used]
        gone = False
        while idle and self.bytes() + wanted > self.most:
            del self._values[idle.pop(0)]
            gone = True
        if gone:
            give_back()

    def values(self) -> tuple[Value, ...]:
        """All values, the least recently used first."""
        return tuple(self._values.values())

    def bytes(self) -> int:
        """What all values hold together."""
        return held_bytes(self._values.values())


def held_bytes(values: Iterable[object]) -> int:
    """Bytes of the tensors and texts that values hold in their fields and containers, shared ones
    counted once.
    """
    found: dict[tuple[str, int], int] = {}
    for part in _parts(list(values)):
        if isinstance(part, Tensor):
            storage = part.untyped_storage()
            found["tensor", storage.data_ptr()] = storage.nbytes()
        else:
            found["text", id(part)] = sys.getsizeof(part)
    return sum(found.values())


def _parts(value: object) -> Iterator[Tensor | str]:
    if isinstance(value, Tensor | str):
        yield value
    elif isinstance(value, nn.Module):
        yield from value.parameters()
        yield from value.buffers()
    elif isinstance(value, Mapping):
        yield from _parts(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _parts(part)
    elif is_dataclass(value):
        own = [getattr(value, field.name) for field in fields(value)]
        yield from _parts(
            [*own, *getattr(value, "__dict__", {}).values()]
        )  # what is worked out once, too


def give_back() -> None:
    """Return freed memory to the system: models hold cycles, and the C library keeps what was
    freed.
    """
    gc.collect()
    if (
        sys.platform == "linux"
        and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None
    ):
        trim(0)
