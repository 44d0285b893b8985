"""What stands in the store under an id, as far as a writer must know it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stored:
    """What stands in the store under an id.

    Attributes:
        revision: Of the write that stands.
        deleted: It is a tombstone.
        job_id: The job that wrote it; empty for a tombstone.
        line: The manifest line that wrote it; -1 for a tombstone.
    """

    revision: int
    deleted: bool
    job_id: str = ""
    line: int = -1
