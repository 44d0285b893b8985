"""Who comes first: lines that are about to be written, in one order that all workers see.

    arrivals/<tenant>/<position>          one announcement, created only if there is none of this position

A worker announces its lines before it looks for others like them. Two that come at once get two positions, and
the later one sees the earlier one: it waits until that one's lines have come to an end, and finds them in the
store. No clock and no lease decides. A position that exists is proof that all before it existed.

An announcement whose lines have come to an end is emptied, and taken away once there is a later one: the last
position is never free again. The folder holds about as many as there are workers.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pydantic import TypeAdapter

from services.common.errors import NotFoundError
from services.common.objects import ObjectStore

_FOLDER = "arrivals"
_DIGITS = 12
_SETTLED = b""


@dataclass(frozen=True)
class Arrival:
    """A line with a picture that is about to be written.

    Attributes:
        line: 0-based.
        item_id: Of its item.
        sha256: Hex digest of the picture.
        perceptual_hash: Of the picture; empty if it is too plain to have one.
    """

    line: int
    item_id: str
    sha256: str
    perceptual_hash: str = ""


@dataclass(frozen=True)
class Announcement:
    """Lines of one job that arrived together, in order.

    Attributes:
        at: When, aware; nothing is decided by it.
        position: Not part of what is written down.
    """

    job_id: str
    arrivals: tuple[Arrival, ...]
    at: datetime
    position: int = -1


Place = tuple[int, int]
"""A line's place in the order: the position of its announcement, and its own within that."""
_ANNOUNCEMENT = TypeAdapter(Announcement)


@dataclass(frozen=True)
class Seen:
    """What stands in the order at one moment.

    Attributes:
        unsettled: Announcements with lines that may not have come to their end, by position.
        last: The highest position; -1: there is none yet.
    """

    unsettled: Mapping[int, Announcement]
    last: int

    def places(self, job_id: str, lines: Collection[int]) -> dict[int, Place]:
        """Where lines of a job stand already, because an earlier try announced them: the first place counts."""
        found: dict[int, Place] = {}
        for position, announcement in sorted(self.unsettled.items()):
            if announcement.job_id != job_id:
                continue
            for index, arrival in enumerate(announcement.arrivals):
                if arrival.line in lines:
                    found.setdefault(arrival.line, (position, index))
        return found


@dataclass
class _Memory:
    """What this process knows of one tenant's order: what stands at a position changes but to nothing."""

    read: dict[int, Announcement] = field(default_factory=dict)
    settled: set[int] = field(default_factory=set)


class ArrivalLog:
    """Keeps the order of each tenant. All calls block; thread-safe.

    Args:
        objects: Where job ledgers are kept.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._memories: dict[str, _Memory] = {}
        self._lock = threading.Lock()

    def announce(self, tenant: str, job_id: str, arrivals: Sequence[Arrival]) -> dict[int, Place]:
        """Give lines their places; those that an earlier try announced keep theirs. Durable on return.

        Args:
            tenant: Whose.
            job_id: Of the lines.
            arrivals: In the order of their lines.

        Returns:
            The place of each line, by line.
        """
        places = self.look(tenant).places(job_id, {arrival.line for arrival in arrivals})
        new = tuple(arrival for arrival in arrivals if arrival.line not in places)
        if new:
            position = self._append(tenant, Announcement(job_id, new, datetime.now(UTC)))
            places |= {arrival.line: (position, index) for index, arrival in enumerate(new)}
        return places

    def look(self, tenant: str) -> Seen:
        """What stands in the order now.

        Looked at after `announce`, it holds everything before one's own position that is not settled.
        """
        positions = self._positions(tenant)
        with self._lock:
            memory = self._memories.setdefault(tenant, _Memory())
            unsettled = {}
            for position in positions:
                announcement = self._read(tenant, memory, position)
                if announcement is not None:
                    unsettled[position] = announcement
            self._tidy(tenant, memory, positions)
        return Seen(unsettled, positions[-1] if positions else -1)

    def is_settled(self, tenant: str, position: int) -> bool:
        """Whether the lines of an announcement have come to their end since it was seen."""
        settled = self._content(tenant, position) == _SETTLED
        if settled:
            self._note_settled(tenant, position)
        return settled

    def settle(self, tenant: str, position: int) -> None:
        """All lines announced at a position have come to their end: nobody need wait for them."""
        self._objects.put(_name(tenant, position), _SETTLED)
        self._note_settled(tenant, position)

    def _note_settled(self, tenant: str, position: int) -> None:
        with self._lock:
            self._memories.setdefault(tenant, _Memory()).settled.add(position)

    def _content(self, tenant: str, position: int) -> bytes:
        try:
            return self._objects.get(_name(tenant, position))
        except NotFoundError:
            return _SETTLED

    def _append(self, tenant: str, announcement: Announcement) -> int:
        data = _ANNOUNCEMENT.dump_json(announcement, exclude={"position"})
        while True:
            positions = self._positions(tenant)
            position = positions[-1] + 1 if positions else 0
            if self._objects.create(_name(tenant, position), data):
                return position

    def _positions(self, tenant: str) -> list[int]:
        return [int(name) for name in self._objects.list(f"{_FOLDER}/{tenant}")]

    def _read(self, tenant: str, memory: _Memory, position: int) -> Announcement | None:
        if position in memory.settled:
            return None
        if position not in memory.read:
            data = self._content(tenant, position)
            if data == _SETTLED:
                memory.settled.add(position)
                return None
            memory.read[position] = replace(_ANNOUNCEMENT.validate_json(data), position=position)
        return memory.read[position]

    def _tidy(self, tenant: str, memory: _Memory, positions: Sequence[int]) -> None:
        """Take away what is settled, but for the last: its position must not be given out again."""
        for position in memory.settled.intersection(positions[:-1]):
            self._objects.delete(_name(tenant, position))
        known = set(positions)
        memory.settled &= known
        memory.read = {place: found for place, found in memory.read.items() if place in known - memory.settled}


def _name(tenant: str, position: int) -> str:
    return f"{_FOLDER}/{tenant}/{position:0{_DIGITS}d}"
