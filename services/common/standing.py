"""What stands in the store under an id, looked at from outside: without the item, with what is there of it."""

from __future__ import annotations

from dataclasses import dataclass

MAX_INSPECTED_IDS = 256
"""Of one call."""


@dataclass(frozen=True)
class Standing:
    """What stands under an id.

    Attributes:
        revision: Of the write that stands.
        deleted: It is the mark that a delete left.
        job_id: The job that wrote it; empty for a deleted item.
        line: The manifest line that wrote it; 0 for a deleted item.
        vectors: Names of the vectors that are there.
        sha256: Hex digest of the picture; empty if it has none.
    """

    revision: int
    deleted: bool
    job_id: str = ""
    line: int = 0
    vectors: frozenset[str] = frozenset()
    sha256: str = ""
