"""A video: one picture for each of its scenes, with its place in it. They share a document id."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, cast

import structlog

from services.common.domain import Position
from services.common.errors import ConflictError, ImageError, UnimplementedError
from services.common.jobs.records import ManifestLine
from services.common.jobs.roots import allowed, open_allowed, source_path
from workers.opening.recordings.clock import clock_time
from workers.sandbox.parts import Part
from workers.sandbox.runner import open_parts
from workers.sources.source import Listed, SourceTools

log = structlog.get_logger(__name__)
MAX_VIDEO_BYTES = 256 * 1024**3
OPENER = "workers.opening.video"


class VideoSource:
    """A video that lies on the server.

    Args:
        path: A path or a `file://` URI.
        tools: See `SourceTools`.
    """

    def __init__(self, path: str, tools: SourceTools) -> None:
        self._path, self._tools = path, tools

    def lines(self, after: str) -> Iterator[Listed]:
        """See `Source.lines`; a cursor is a `_Cursor`.

        Raises:
            ConflictError: The video is not the one that the listing began with.
        """
        path = allowed(source_path(self._path), self._tools.roots)
        with open_allowed(str(path), self._tools.roots, MAX_VIDEO_BYTES) as file:
            yield from read_video(file, Path(source_path(self._path)).name, path.as_uri(), self._tools, after)


@dataclass(frozen=True)
class _Cursor:
    """A place in a video.

    Attributes:
        stamp: Size and time of change of the file, so that another file under its name is noticed.
        document_id: Hex SHA-256 of its bytes, which take a while to read.
        state: Of the opener, to go on behind a scene; empty: from the beginning.
    """

    stamp: str
    document_id: str
    state: Mapping[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """For the ledger."""
        return json.dumps(asdict(self), separators=(",", ":"))


def read_video(file: BinaryIO, name: str, uri: str, tools: SourceTools, after: str = "") -> Iterator[Listed]:
    """The pictures of a video, wherever it came from.

    Args:
        file: With a file descriptor.
        name: Its file name.
        uri: Its address; empty if it has none.
        tools: See `SourceTools`.
        after: As in `Source.lines`.

    Raises:
        ImageragError: It cannot be read, or not any further.
        UnimplementedError: What decodes videos is not installed.
    """
    if not find_spec("av"):
        raise UnimplementedError("Videos are not read here: the package's extra 'video' is not installed.")
    cursor = _cursor(file, after)
    lines = _Lines(cursor.document_id, name, uri, tools)
    arguments = {"limits": asdict(tools.video), "state": dict(cursor.state) or None}
    with closing(open_parts(OPENER, file, arguments, tools.sandbox)) as parts:
        for part in parts:
            match part.record["kind"]:
                case "recording":
                    lines = lines.of(part.record)
                case "picture":
                    cursor = replace(cursor, state=part.record["state"])
                    yield lines.listed(part, cursor.text())
                case "summary":
                    log.info("video_read", name=name, document_id=cursor.document_id, **_counts(part.record))


@dataclass(frozen=True)
class _Lines:
    """Makes lines; the key of one is its place and not its content, so that reading anew writes the same items."""

    document_id: str
    name: str
    uri: str
    tools: SourceTools
    title: str = ""
    duration_s: float = 0.0

    def of(self, record: Mapping[str, Any]) -> _Lines:
        """With what the video says about itself."""
        title = str(record["title"]) or Path(self.name).stem
        return replace(self, title=title, duration_s=float(record["duration_s"]))

    def listed(self, part: Part, cursor: str) -> Listed:
        """The line of a picture, which is kept; or why it is not."""
        at_s = float(part.record["timestamp_s"])
        name = f"{self.name}#{clock_time(at_s)}"
        try:
            sha256 = self.tools.keep(part.data)
        except ImageError as error:
            return Listed(ManifestLine(name), cursor, error)
        line = ManifestLine(
            name,
            key=f"{self.document_id}#t={at_s:.6f}",
            sha256=sha256,
            title=self.title,
            metadata=self._metadata(part.record),
            # Players begin at the time that the fragment names (W3C Media Fragments).
            source_uri=f"{self.uri}#t={at_s:.3f}" if self.uri else "",
            document_id=self.document_id,
            position=Position(timestamp_s=at_s),
        )
        return Listed(line, cursor)

    def _metadata(self, record: Mapping[str, Any]) -> dict[str, float]:
        scene = {name: float(record[name]) for name in ("scene_begin_s", "scene_end_s")}
        return scene | ({"duration_s": self.duration_s} if self.duration_s else {})


def _cursor(file: BinaryIO, after: str) -> _Cursor:
    status = os.fstat(file.fileno())
    stamp = f"{status.st_size}-{status.st_mtime_ns}"
    if not after:
        return _Cursor(stamp, hashlib.file_digest(cast(BufferedReader, file), "sha256").hexdigest())
    cursor = _Cursor(**json.loads(after))
    if cursor.stamp != stamp:
        raise ConflictError("The video was replaced while it was read. Take it in by a new job.")
    return cursor


def _counts(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "kind"}
