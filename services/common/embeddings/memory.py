"""The embeddings used last, in this process, bounded in bytes."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from services.common.domain import Vector
from services.common.embeddings.values import WIRE

_ENTRY_BYTES = 256
"""What Python needs for the objects around one key and its floats (CPython 3.11: 49 + 33 for the two, the rest for
their place in the dictionary)."""


class RecentVectors:
    """A least-recently-used cache; belongs to one event loop or thread.

    Args:
        limit_bytes: Most that keys, vectors and what Python needs around them may hold.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held: OrderedDict[str, bytes] = OrderedDict()
        self._size_bytes = 0

    @property
    def size_bytes(self) -> int:
        """What is held now."""
        return self._size_bytes

    def get(self, key: str) -> Vector | None:
        """The vector, read-only; it now counts as used last."""
        held = self._held.get(key)
        if held is None:
            return None
        self._held.move_to_end(key)
        return np.frombuffer(held, WIRE)

    def put(self, key: str, vector: Vector) -> None:
        """Hold a copy; those unused for longest go until there is room. One that never fits is not held."""
        self._drop(key)
        # A copy: the row of a batch would keep its whole batch in memory.
        floats = vector.astype(WIRE).tobytes()
        if _bytes_of(key, floats) > self._limit_bytes:
            return
        self._held[key] = floats
        self._size_bytes += _bytes_of(key, floats)
        while self._size_bytes > self._limit_bytes:
            self._drop(next(iter(self._held)))

    def _drop(self, key: str) -> None:
        floats = self._held.pop(key, None)
        if floats is not None:
            self._size_bytes -= _bytes_of(key, floats)


def _bytes_of(key: str, floats: bytes) -> int:
    return len(key) + len(floats) + _ENTRY_BYTES
