"""What lies at a URL: a picture, or a file with something in it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from io import BufferedReader
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from services.common.errors import UnsupportedMediaTypeError, UrlError
from services.common.jobs.records import ManifestLine
from services.common.media.images import read_header
from services.common.media.kinds import Kind, is_text, kind_of, reason_against
from services.common.media.signatures import likely_kind
from workers.fetching.fetcher import Fetched
from workers.fetching.web_url import parse_url
from workers.sources.archive import read_archive
from workers.sources.document import read_document
from workers.sources.source import Listed, SourceTools
from workers.sources.url_list import shown
from workers.sources.video import read_video

_WEB_PAGES = frozenset({"text/html", "application/xhtml+xml"})
Read = Callable[[BinaryIO, str, str, SourceTools, str], Iterator[Listed]]
"""Opens a file: itself, its name, its address, what may be used, and from where on."""


def _archive(file: BinaryIO, _name: str, uri: str, tools: SourceTools, after: str) -> Iterator[Listed]:
    return read_archive(file, uri, tools, after)


_READERS: Mapping[Kind, Read] = {
    "archive": _archive,
    "document": read_document,
    "text": read_document,
    "video": read_video,
}


class WebFiles:
    """Looks at what lies at URLs, and opens it. Blocks; `look` is thread-safe.

    Args:
        tools: See `SourceTools`.

    Raises:
        UrlForbiddenError: Fetching is switched off.
    """

    def __init__(self, tools: SourceTools) -> None:
        self._tools, self._fetcher, self._pictures = tools, tools.web(), tools.pictures_of_the_web()

    def look(self, url: str) -> ManifestLine | None:
        """See what it is.

        Returns:
            The line of a picture, which is kept; None if it is a file whose lines `read` tells.

        Raises:
            ImageragError: It cannot be had, or is nothing that can be read.
        """
        found = self._pictures.look(url)
        if found.sha256:
            return ManifestLine(shown(url), sha256=found.sha256, source_uri=str(parse_url(url)))
        self._kind(_name(url, found.fetched), found.fetched)
        return None

    def read(self, url: str, after: str) -> Iterator[Listed]:
        """What a file holds, fetched for as long as that takes.

        Args:
            url: Of something that `look` does not tell the line of.
            after: As in `Source.lines`, of the source for its kind.

        Raises:
            ImageragError: It cannot be had, or read, or not any further.
        """
        with TemporaryFile() as file:
            fetched = self._fetcher.fetch(url, file, lambda _head: self._fetcher.policy.limit_bytes)
            name = _name(url, fetched)
            reader = _READERS[self._kind(name, fetched)]
            _stamp(file)
            file.seek(0)
            address = str(parse_url(url))
            for listed in reader(file, name, address, self._tools, after):
                yield replace(listed, line=replace(listed.line, name=_name_inside(url, name, listed.line.name)))

    def _kind(self, name: str, fetched: Fetched) -> Kind:
        """By what it is read.

        Raises:
            ImageragError: It is not read at all.
        """
        head = fetched.head
        kind = kind_of(name, head)
        if is_text(head) and (likely_kind(head) == "a web page" or fetched.content_type in _WEB_PAGES):
            raise UrlError("There is a web page. Give the URL of the picture or of the file itself.")
        if kind == "picture":
            read_header(head, self._tools.limits)  # it is called one, and this says what it is instead
        if kind == "manifest":
            raise UnsupportedMediaTypeError(
                "There is a table. Download it, and take it in by a job of the type 'manifest'."
            )
        if reason := reason_against(kind, head):
            raise reason
        return kind


def _name(url: str, fetched: Fetched) -> str:
    """A file name: of the URL, or of where it redirects to if that one alone says what it is."""
    asked, found = parse_url(url).file_name, fetched.url.file_name
    return (asked if "." in asked or not found else found) or fetched.url.host


def _name_inside(url: str, file_name: str, name: str) -> str:
    """What a line of an opened file is called, which begins with the file's name as a rule."""
    return f"{shown(url)}{name.removeprefix(file_name)}" if name.startswith(file_name) else f"{shown(url)}: {name}"


def _stamp(file: BinaryIO) -> None:
    """Give the file a time of change that its content alone decides: fetched again, it is known to be the same."""
    file.seek(0)
    digest = hashlib.file_digest(cast(BufferedReader, file), "sha256").hexdigest()
    stamp_ns = int(digest[:15], 16)
    os.utime(file.fileno(), ns=(stamp_ns, stamp_ns))
