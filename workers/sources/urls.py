"""URLs of the web: one, or a list of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from typing import BinaryIO

import structlog

from services.common.errors import ImageragError, InternalError, InvalidRequestError
from services.common.jobs.roots import open_allowed, source_path
from workers.sources.in_order import in_order
from workers.sources.source import Listed, SourceTools
from workers.sources.url_list import UrlCursor, UrlEntry, entries
from workers.sources.web_files import WebFiles

log = structlog.get_logger(__name__)
MAX_LIST_BYTES = 1024**3
_WEB = ("http://", "https://")


class UrlsSource:
    """What lies at URLs: pictures, and documents, videos and archives with all that is in them.

    Pictures are fetched into the media store before they are listed, several at once; anything else when its turn
    comes, to a temporary file. A URL that cannot be had is a failure of its own, and the others go on. What a file
    refers to is not followed.

    Args:
        path: A URL; or a text file on the server with a URL a line; or nothing: the list that came with the job.
        tools: What it may use.
    """

    def __init__(self, path: str, tools: SourceTools) -> None:
        self._path, self._tools = path, tools

    def lines(self, after: str) -> Iterator[Listed]:
        """See `Source.lines`; a cursor is a `UrlCursor`.

        Raises:
            UrlForbiddenError: Fetching is switched off.
        """
        web, cursor = WebFiles(self._tools), UrlCursor.parse(after)
        with self._list() as file:
            if cursor.inner is not None:
                opened = next(entries(file, cursor.at))
                yield from _inside(web, opened, cursor.inner)
                cursor = UrlCursor(opened.end)

            def look(entry: UrlEntry) -> tuple[UrlEntry, Listed | None]:
                return entry, _look(web, entry)

            for entry, listed in in_order(look, entries(file, cursor.at), self._tools.web().policy.at_once):
                if listed:
                    yield listed
                else:
                    yield from _inside(web, entry, "")

    def _list(self) -> AbstractContextManager[BinaryIO]:
        if not self._path:
            return BytesIO(self._tools.asked())
        if self._path.lower().startswith(_WEB):
            return BytesIO(self._path.encode("utf-8", "surrogateescape"))
        return open_allowed(source_path(self._path), self._tools.roots, MAX_LIST_BYTES)


def _look(web: WebFiles, entry: UrlEntry) -> Listed | None:
    """The line of a picture, or of a URL that cannot be had; None: it is to be opened."""
    try:
        line = web.look(entry.url)
    except ImageragError as error:
        if error.retryable:
            raise
        return entry.failed(error)
    except Exception:
        return _unforeseen(entry)
    return entry.listed(line) if line else None


def _inside(web: WebFiles, entry: UrlEntry, after: str) -> Iterator[Listed]:
    """What an opened file holds from a place on; what is wrong with it is its last line."""
    found = False
    try:
        for listed in web.read(entry.url, after):
            found = True
            yield entry.inside(listed)
        if not found and not after:
            raise InvalidRequestError("There is nothing to ingest in it.")
    except ImageragError as error:
        if error.retryable:
            raise
        yield entry.failed(error)
    except Exception:
        yield _unforeseen(entry)


def _unforeseen(entry: UrlEntry) -> Listed:
    """Of one URL of many: the log has it, and the others go on."""
    log.exception("url_failed", host=entry.name.partition("://")[2].partition("/")[0])
    return entry.failed(InternalError())
