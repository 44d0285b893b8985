"""What an opened file holds, wherever it came from: read by what its first bytes and its name say it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from services.common.errors import ImageTooLargeError
from services.common.jobs.records import ManifestLine
from services.common.media.kinds import kind_of, reason_against
from services.common.media.signatures import HEAD_BYTES
from workers.sources.archive import read_archive
from workers.sources.document import read_document
from workers.sources.manifest import read_manifest
from workers.sources.source import Listed, SourceTools
from workers.sources.video import read_video


def read_contents(
    file: BinaryIO, name: str, uri: str, folder: Path | None, tools: SourceTools, after: str = ""
) -> Iterator[Listed]:
    """The lines of a file: a picture's one, or what a document, archive, table or video holds.

    Args:
        file: With a file descriptor; the same file has the same time of change each time.
        name: Its file name.
        uri: Its address.
        folder: Where a table's relative paths begin; None: it came without one.
        tools: See `SourceTools`.
        after: As in `Source.lines`.

    Raises:
        ImageragError: It cannot be read, or not any further.
    """
    head = file.read(HEAD_BYTES)
    file.seek(0)
    kind = kind_of(name, head)
    if reason := reason_against(kind, head):
        raise reason
    match kind:
        case "picture":
            if not after:
                yield _picture(file, name, uri, tools)
        case "archive":
            yield from read_archive(file, uri, tools, after)
        case "manifest":
            yield from read_manifest(file, name, folder, tools, after)
        case "video":
            yield from read_video(file, name, uri, tools, after)
        case _:
            yield from read_document(file, name, uri, tools, after)


def _picture(file: BinaryIO, name: str, uri: str, tools: SourceTools) -> Listed:
    limit_bytes = tools.limits.max_bytes
    data = file.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise ImageTooLargeError(f"It has more than {limit_bytes:,} bytes. Save it smaller.")
    return Listed(ManifestLine(name, sha256=tools.keep(data), source_uri=uri), "picture")
