"""Bookkeeping of a stream: which inputs wait, and which are under way in which call."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import Generic, NamedTuple, TypeVar

from services.common.clients.encoder_inputs import EncoderInput

K = TypeVar("K")


@dataclass
class _Entry(Generic[K]):
    key: K
    content: EncoderInput
    size_bytes: int
    call: int | None = None
    breaks: int = 0


class Numbered(NamedTuple):
    """An input under the number that its outcome will name."""

    number: int
    content: EncoderInput


class Unanswered(Generic[K]):
    """Every input that was added and has no outcome yet. An outcome counts once, whatever calls carried its input.

    Args:
        most_breaks: An input that was under way in so many broken calls is given up: it may be what breaks them.
    """

    def __init__(self, most_breaks: int) -> None:
        self._most_breaks = most_breaks
        self._numbers = count()
        self._entries: dict[int, _Entry[K]] = {}
        self._waiting: list[int] = []
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """Bytes of all inputs."""
        return self._size_bytes

    @property
    def waiting(self) -> bool:
        """Whether an input is in no call."""
        return bool(self._waiting)

    def carries(self, call: int) -> bool:
        """Whether `call` has inputs under way."""
        return any(entry.call == call for entry in self._entries.values())

    def add(self, key: K, content: EncoderInput) -> None:
        """Let an input wait for a call."""
        number = next(self._numbers)
        self._entries[number] = _Entry(key, content, content.size_bytes)
        self._size_bytes += content.size_bytes
        heapq.heappush(self._waiting, number)

    def take(self, call: int, most_items: int, most_bytes: int) -> list[Numbered]:
        """Inputs for one message of `call`, oldest first; at least one if any waits, however large."""
        taken: list[Numbered] = []
        size_bytes = 0
        while self._waiting and len(taken) < most_items:
            entry = self._entries[self._waiting[0]]
            size_bytes += entry.size_bytes
            if taken and size_bytes > most_bytes:
                break
            number = heapq.heappop(self._waiting)
            entry.call = call
            taken.append(Numbered(number, entry.content))
        return taken

    def answer(self, call: int, number: int) -> list[K]:
        """Take note of an outcome.

        Returns:
            The input's key; nothing if it is not under way in `call`.
        """
        entry = self._entries.get(number)
        if entry is None or entry.call != call:
            return []
        return [self._remove(number)]

    def end(self, call: int, *, broken: bool) -> list[K]:
        """Take note of the end of a call: what it left unanswered waits again.

        Args:
            call: It takes no more inputs.
            broken: It ended in the midst of its work, and an input of it may be why.

        Returns:
            The keys that are given up.
        """
        given_up: list[K] = []
        for number in [number for number, entry in self._entries.items() if entry.call == call]:
            entry = self._entries[number]
            entry.call = None
            entry.breaks += broken
            if entry.breaks >= self._most_breaks:
                given_up.append(self._remove(number))
            else:
                heapq.heappush(self._waiting, number)
        return given_up

    def _remove(self, number: int) -> K:
        entry = self._entries.pop(number)
        self._size_bytes -= entry.size_bytes
        return entry.key
