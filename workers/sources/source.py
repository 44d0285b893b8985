"""What every source offers: its lines one after the other, from any place on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from services.common.errors import ImageragError
from services.common.jobs.records import ManifestLine


@dataclass(frozen=True)
class Listed:
    """One thing that a source holds.

    Attributes:
        line: What is to be ingested; of something that cannot be, its name alone.
        cursor: Where the source goes on behind it, in the source's own words.
        error: Why it cannot be ingested.
    """

    line: ManifestLine
    cursor: str
    error: ImageragError | None = None


class Source(Protocol):
    """Something with many lines. None of it is held in memory as a whole."""

    def lines(self, after: str) -> Iterator[Listed]:
        """What it holds, always in the same order.

        Args:
            after: The cursor of the last thing that is known already; empty: from the beginning.

        Raises:
            ImageragError: It cannot be read, or not any further. A retryable one: not now.
        """
