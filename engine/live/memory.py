"""The live worker's cache in memory, bounded in bytes."""

import ctypes
import gc
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Generic, TypeVar

from torch import Tensor, nn

Value = TypeVar("Value")


class BoundedCache(Generic[Value]):
    """Values by key; above `most` bytes the least recently used are dropped.

    Bytes are those of the tensors and texts that the values hold, each counted once: studies of one
    model share its weights. What the running request has used stays until the next one begins, even
    above `most`, so that it is not loaded twice for one request; so does the newest value.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._values: OrderedDict[str, Value] = OrderedDict()
        self._used: set[str] = set()

    def begin(self) -> None:
        """Another request begins: what the one before has used may be dropped for room."""
        self._used.clear()

    def __contains__(self, key: str) -> bool:
        """Whether a value is here, without counting it as used."""
        return key in self._values

    def get(self, key: str) -> Value | None:
        """A value, which counts as used; None where there is none."""
        if key in self._values:
            self._values.move_to_end(key)
            self._used.add(key)
        return self._values.get(key)

    def put(self, key: str, value: Value) -> None:
        """Add a value, and make room for it."""
        self._values[key] = value
        self.get(key)
        self.make_room()

    def make_room(self, needed: int = 0) -> None:
        """Drop the least recently used until `needed` bytes fit or only values in use remain."""
        idle = [key for key in self._values if key not in self._used]
        dropped = False
        while idle and self.bytes() + needed > self.most:
            del self._values[idle.pop(0)]
            dropped = True
        if dropped:
            release_memory()

    def values(self) -> tuple[Value, ...]:
        """All values, the least recently used first."""
        return tuple(self._values.values())

    def bytes(self) -> int:
        """The bytes of all values together."""
        return bytes_in_memory(self._values.values())


def bytes_in_memory(values: Iterable[object]) -> int:
    """Bytes of the tensors and texts in the fields and containers of values, shared ones once."""
    sizes: dict[tuple[str, int], int] = {}
    for leaf in _leaves(list(values)):
        if isinstance(leaf, Tensor):
            storage = leaf.untyped_storage()
            sizes["tensor", storage.data_ptr()] = storage.nbytes()
        else:
            sizes["text", id(leaf)] = sys.getsizeof(leaf)
    return sum(sizes.values())


def _leaves(value: object) -> Iterator[Tensor | str]:
    if isinstance(value, Tensor | str):
        yield value
    elif isinstance(value, nn.Module):
        yield from value.parameters()
        yield from value.buffers()
    elif isinstance(value, Mapping):
        yield from _leaves(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    elif is_dataclass(value):
        own = [getattr(value, field.name) for field in fields(value)]
        cached = getattr(value, "__dict__", {}).values()  # of cached properties
        yield from _leaves([*own, *cached])


def release_memory() -> None:
    """Return freed memory to the system.

    Models hold reference cycles, and the C library keeps what was freed.
    """
    gc.collect()
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
