"""A list of URLs, one a line, and places in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import BinaryIO

from services.common.errors import ImageragError
from services.common.jobs.records import ManifestLine
from workers.fetching.web_url import MAX_URL_CHARS, is_web_url, parse_url
from workers.sources.source import Listed

_MAX_LINE_BYTES = 4 * (MAX_URL_CHARS + 1)
_SHOWN_CHARS = 512
_REMARK = "#"
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class UrlCursor:
    """How far a list was read.

    Attributes:
        at: Byte of the list where the next URL is looked for.
        inner: Where what that URL leads to is read on; None: from its beginning.
    """

    at: int = 0
    inner: str | None = None

    def text(self) -> str:
        """For the ledger."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> UrlCursor:
        """Read what `text` wrote; empty: the beginning of the list."""
        return cls(**json.loads(text)) if text else cls()


@dataclass(frozen=True)
class UrlEntry:
    """A URL of a list.

    Attributes:
        url: As it is written; bytes that are not UTF-8 are halves of surrogate pairs.
        begin: Byte of the list where its line begins.
        end: Byte behind the line.
    """

    url: str
    begin: int
    end: int

    @property
    def name(self) -> str:
        """What a person knows it by."""
        return shown(self.url)

    def failed(self, error: ImageragError) -> Listed:
        """Why there is no more of this URL; it can be tried again as a picture's, unless it is no URL at all."""
        url = str(parse_url(self.url)) if is_web_url(self.url) else ""
        return self.listed(ManifestLine(self.name, url=url, source_uri=url), error)

    def listed(self, line: ManifestLine, error: ImageragError | None = None) -> Listed:
        """A line behind which nothing more comes of this URL."""
        return Listed(line, UrlCursor(self.end).text(), error)

    def inside(self, listed: Listed) -> Listed:
        """A line of what was opened: behind it, there may be more."""
        return replace(listed, cursor=UrlCursor(self.begin, listed.cursor).text())


def entries(file: BinaryIO, at: int) -> Iterator[UrlEntry]:
    """The URLs of a list; empty lines and those that begin with `#` are left out.

    Args:
        file: The list.
        at: Byte to begin at.
    """
    file.seek(at)
    begin = at
    while raw := _line(file):
        end = file.tell()
        url = raw.decode("utf-8", "surrogateescape").removeprefix(_BYTE_ORDER_MARK).strip()
        if url and not url.startswith(_REMARK):
            yield UrlEntry(url, begin, end)
        begin = end


def _line(file: BinaryIO) -> bytes:
    """The next line; of one that is too long for a URL, its beginning, and the rest is passed over."""
    line = file.readline(_MAX_LINE_BYTES)
    rest = line
    while len(rest) == _MAX_LINE_BYTES and not rest.endswith(b"\n"):
        rest = file.readline(_MAX_LINE_BYTES)
    return line


def shown(url: str) -> str:
    """A URL as text that can be written down, not too long."""
    return url.encode("utf-8", "backslashreplace").decode()[:_SHOWN_CHARS]
