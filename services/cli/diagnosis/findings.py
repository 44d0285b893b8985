"""What a look at the machine gives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: What was looked at.
        level: Whether it is as it must be.
        detail: What was found.
        fix: What to do; empty if there is nothing to do.
    """

    subject: str
    level: Level
    detail: str
    fix: str = ""
