"""What a web server's answer means for a fetch. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.common.errors import UrlError
from workers.fetching.passing import PassingError, retry_after_s

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GOOD = frozenset({200, 203})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_MOST_DIGITS = 18
_MEANINGS = {
    401: "it wants a password",
    402: "it wants to be paid",
    403: "it does not show this to us",
    404: "there is nothing at this address",
    410: "it was there and is gone",
    451: "it may not show this for legal reasons",
}


@dataclass(frozen=True)
class Answer:
    """The beginning of an answer.

    Attributes:
        status: HTTP's.
        headers: Names and values as they came.
    """

    status: int
    headers: Sequence[tuple[bytes, bytes]] = ()

    @property
    def redirect(self) -> str | None:
        """Where it sends us; None if it does not.

        Raises:
            UrlError: It does, and does not say where.
        """
        if self.status not in _REDIRECTS:
            return None
        location = self.header(b"location")
        if location is None:
            raise UrlError(f"The server answers {self.status} and does not say where it lies now.")
        return location

    @property
    def announced_bytes(self) -> int | None:
        """The length that it announces; None if it does not."""
        text = self.header(b"content-length")
        return int(text[:_MOST_DIGITS]) if text is not None and text.isascii() and text.isdigit() else None

    @property
    def content_type(self) -> str:
        """What the server takes it for, in lower case; empty if it does not say."""
        return (self.header(b"content-type") or "").partition(";")[0].strip().lower()

    def header(self, name: bytes) -> str | None:
        """The first header of a name, which is in lower case."""
        found = next((value for key, value in self.headers if key.lower() == name), None)
        return None if found is None else _text(found)

    def check(self, now: datetime) -> None:
        """Let pass an answer that brings what was asked for.

        Args:
            now: Aware.

        Raises:
            PassingError: Not now.
            UrlError: Not at all.
        """
        if self.status in _PASSING:
            wait_s = retry_after_s(self.header(b"retry-after"), now)
            raise PassingError(f"The server answers {self.status}, not now.", wait_s)
        if self.status not in _GOOD:
            meaning = _MEANINGS.get(self.status)
            raise UrlError(f"The server answers {self.status}{f': {meaning}' if meaning else ''}.")
        if (self.header(b"content-encoding") or "identity").strip().lower() not in {"", "identity"}:
            raise UrlError("The server sends it compressed, although it was asked not to.")


def _text(value: bytes) -> str:
    """Browsers read UTF-8 where the standard has Latin-1, and servers write it."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
