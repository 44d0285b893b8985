"""A small bounded cache for what never changes once it is written, or only ever grows."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class RecentlyUsed(Generic[K, V]):
    """Keeps the `size` values that were asked for last. Thread-safe; a value may be made twice at once."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value under `key`, made if it is not there; what `make` raises is not kept."""
        found = self.find(key)
        if found is not None:
            return found
        made = make()
        with self._lock:
            value = self._values.setdefault(key, made)
            self._shrink()
            return value

    def find(self, key: K) -> V | None:
        """The value under `key`, if it is there."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key]

    def put(self, key: K, value: V) -> None:
        """Keep a value in place of what is there."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            self._shrink()

    def _shrink(self) -> None:
        while len(self._values) > self._size:
            self._values.popitem(last=False)
