"""The pictures and texts of a ZIP or TAR on the server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from services.common.errors import ConflictError, ImageragError, InvalidRequestError, rebuild
from services.common.jobs.records import ManifestLine
from services.common.jobs.roots import open_allowed, source_path
from workers.sandbox.parts import Part
from workers.sandbox.runner import open_parts
from workers.sources.described import Described, checked
from workers.sources.in_order import in_order
from workers.sources.source import Listed, SourceTools

OPENER = "workers.opening.archive"
_AT_ONCE = 8
"""Pictures that are put into the media store at a time: each waits for the disk twice."""
_Line = tuple[ManifestLine, ImageragError | None]


@dataclass(frozen=True)
class _Cursor:
    """`SIZE-CHANGED:INDEX:LINES`: the archive as it was, the last member, and the lines that it has given.

    An index says nothing in another archive, so one that was replaced meanwhile is noticed.
    """

    archive: str
    index: int = 0
    lines: int = 0

    def __str__(self) -> str:
        return f"{self.archive}:{self.index}:{self.lines}"


class ArchiveSource:
    """An archive that lies on the server.

    Args:
        path: The archive, as a path or a `file://` URI.
        tools: What it may use.
    """

    def __init__(self, path: str, tools: SourceTools) -> None:
        self._path, self._tools = path, tools

    def lines(self, after: str) -> Iterator[Listed]:
        """See `Source.lines`; errors as in `read_archive`."""
        path = source_path(self._path)
        with open_allowed(path, self._tools.roots, self._tools.archives.max_bytes) as file:
            yield from read_archive(file, Path(path).absolute().as_uri(), self._tools, after)


def read_archive(file: BinaryIO, uri: str, tools: SourceTools, after: str = "") -> Iterator[Listed]:
    """Every member of an archive, wherever it came from, as an item or with the reason why it is none.

    Pictures are put into the media store before they are listed, several at once. Which texts belong to which is
    told in `workers.opening.archives.samples`; hidden files and what systems leave behind are left out.

    Args:
        file: With a file descriptor; the same archive has the same time of change.
        uri: Its address.
        tools: What may be used.
        after: As in `Source.lines`.

    Raises:
        ArchiveError: Nothing of the archive is taken in.
        ConflictError: The archive is not the one that the listing began with.
    """
    cursor, limits, members = _cursor(file, after), tools.archives, _Members(uri, tools)
    arguments = {"limits": asdict(limits), "start": cursor.index}
    sandbox = replace(tools.sandbox, silence_s=limits.scan_s, part_bytes=limits.max_member_bytes)
    with closing(open_parts(OPENER, file, arguments, sandbox)) as parts:
        for index, found in in_order(members.take, parts, _AT_ONCE):
            known = cursor.lines if index == cursor.index else 0
            for number, (line, error) in enumerate(found[known:], start=known + 1):
                yield Listed(line, str(replace(cursor, index=index, lines=number)), error)


@dataclass(frozen=True)
class _Members:
    """Makes lines of an archive's members; thread-safe.

    Attributes:
        uri: Of the archive.
        tools: Keep the pictures.
    """

    uri: str
    tools: SourceTools

    def take(self, part: Part) -> tuple[int, Sequence[_Line]]:
        """The lines that one part gives, its picture kept; and the part's index."""
        record = part.record
        wrong = [record["refused"]] if "refused" in record else record.get("troubles", ())
        found: list[_Line] = [(ManifestLine(str(each["name"])), _error(each)) for each in wrong]
        if "fields" in record:
            found = [*self._item(record, part.data, found), *found]
        return int(record["index"]), found

    def _item(self, record: Mapping[str, Any], data: bytes, troubles: Sequence[_Line]) -> Iterator[_Line]:
        name, described = str(record["name"]), Described()
        doubts = list(troubles)
        try:
            described = checked(record["fields"])
        except ImageragError as error:
            error.message = f"What is said about it is left out. {error.message}"
            doubts.append((ManifestLine(name), error))
            yield doubts[-1]
        if not record["is_text"]:
            yield self._picture(name, described, data)
        elif described.text or described.title:
            yield described.line(name, "", self._uri(name)), None
        elif not doubts:
            yield ManifestLine(name), InvalidRequestError("There is neither a text nor a title in it.")

    def _picture(self, name: str, described: Described, data: bytes) -> _Line:
        try:
            return described.line(name, self.tools.keep(data), self._uri(name)), None
        except ImageragError as error:
            if error.retryable:
                raise
            return ManifestLine(name), error

    def _uri(self, name: str) -> str:
        return f"{self.uri}#{quote(name)}"


def _cursor(file: BinaryIO, after: str) -> _Cursor:
    status = os.fstat(file.fileno())
    cursor = _Cursor(f"{status.st_size}-{status.st_mtime_ns}")
    if not after:
        return cursor
    archive, index, lines = after.split(":")
    if archive != cursor.archive:
        raise ConflictError("The archive was replaced while it was read. Take it in by a new job.")
    return replace(cursor, index=int(index), lines=int(lines))


def _error(reason: Mapping[str, Any]) -> ImageragError:
    return rebuild(str(reason["code"]), str(reason["message"]))
