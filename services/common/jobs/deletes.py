"""Deletes, written down before they are carried out: a store that is set back to a snapshot forgets them.

    deletes/<day>/<revision>.<tenant>.<item>          one delete
    deletes/<day>/packed.txt                          those of a day that is over, one such name a line

The day is that of the revision, in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from services.common.errors import NotFoundError
from services.common.objects import ObjectStore
from services.common.revision import moment_of, revision_at

FOLDER = "deletes"
_PACKED = "packed.txt"
_PACKED_AFTER = timedelta(days=2)
"""No machine's clock is so far behind that it still writes into that day."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_ENTRY = re.compile(r"(\d{16})\.([a-z0-9_-]+)\.([0-9a-f-]{36})")


@dataclass(frozen=True)
class Delete:
    """One delete.

    Attributes:
        revision: A write of the item that is older does not bring it back.
    """

    tenant: str
    item_id: str
    revision: int


class DeleteLog:
    """Keeps deletes. All calls block; thread-safe.

    Args:
        objects: Where the ledger is kept.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def note(self, delete: Delete) -> None:
        """Write a delete down; durable on return."""
        self._objects.put(_name(delete), b"")

    def take_back(self, delete: Delete) -> None:
        """Forget a delete that turned out to be none: there was nothing to delete."""
        self._objects.delete(_name(delete))

    def since(self, moment: datetime) -> Iterator[Delete]:
        """Deletes at or after a moment (aware), in order of time."""
        first = revision_at(moment)
        for day in self._days():
            if day >= _day(first):
                yield from (found for found in self._of(day) if found.revision >= first)

    def tidy(self, now: datetime, keep: timedelta) -> int:
        """Pack days that are over into one object each, and drop those that are older than `keep`.

        May be repeated and cut short anywhere. By one process at a time.

        Returns:
            Days that were dropped.
        """
        dropped = 0
        for day in self._days():
            age = now.astimezone(UTC).date() - date.fromisoformat(day)
            if age > keep:
                self._drop(day)
                dropped += 1
            elif age > _PACKED_AFTER:
                self._pack(day)
        return dropped

    def _days(self) -> list[str]:
        """What else lies there is not ours."""
        return [name for name in self._objects.list(FOLDER) if _DAY.fullmatch(name)]

    def _of(self, day: str) -> list[Delete]:
        names = set(self._objects.list(f"{FOLDER}/{day}"))
        if _PACKED in names:
            names.update(self._packed(day))
        found = (_ENTRY.fullmatch(name) for name in sorted(names))
        return [Delete(entry[2], entry[3], int(entry[1])) for entry in found if entry]

    def _packed(self, day: str) -> list[str]:
        try:
            return self._objects.get(f"{FOLDER}/{day}/{_PACKED}").decode().splitlines()
        except NotFoundError:
            return []

    def _pack(self, day: str) -> None:
        singles = [name for name in self._objects.list(f"{FOLDER}/{day}") if name != _PACKED]
        if not singles:
            return
        # All are in the one object before the first of them goes.
        names = sorted({*self._packed(day), *singles})
        self._objects.put(f"{FOLDER}/{day}/{_PACKED}", "\n".join(names).encode())
        for name in singles:
            self._objects.delete(f"{FOLDER}/{day}/{name}")

    def _drop(self, day: str) -> None:
        for name in self._objects.list(f"{FOLDER}/{day}"):
            self._objects.delete(f"{FOLDER}/{day}/{name}")


def _day(revision: int) -> str:
    return moment_of(revision).date().isoformat()


def _name(delete: Delete) -> str:
    return f"{FOLDER}/{_day(delete.revision)}/{delete.revision:016d}.{delete.tenant}.{delete.item_id}"
