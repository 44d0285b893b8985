"""Failures of the web that may pass by themselves, and how long to wait before the next try. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_FIRST_PAUSE_S = 0.5
_GROWTH = 4.0


class PassingError(Exception):
    """A try that failed, and the next one need not. It never leaves this package.

    Attributes:
        message: For a person, in case there is no next try.
        after_s: When the host wants to be asked again.
    """

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.message, self.after_s = message, after_s


def pause_s(tries: int, after_s: float | None) -> float:
    """Seconds before the next try: 0.5, 2, 8, ..., and never less than the host asks for.

    Args:
        tries: Those that failed, at least one.
        after_s: What the host asks for.
    """
    return max(_FIRST_PAUSE_S * _GROWTH ** (tries - 1), after_s or 0.0)


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """The seconds of a Retry-After header, which holds seconds or a date (RFC 9110, section 10.2.3).

    Args:
        header: None if there is none.
        now: Aware.

    Returns:
        None if it says nothing that can be understood; never negative.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())
