"""Whatever a path leads to: a folder of mixed files, or a single file, each read by the source for its kind."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import structlog

from services.common.errors import (
    ImageragError,
    InternalError,
    InvalidRequestError,
    NotFoundError,
)
from services.common.jobs.records import ManifestLine
from services.common.jobs.roots import allowed, open_allowed, source_path
from services.common.media.kinds import kind_of, reason_against, reason_against_inside
from services.common.media.signatures import HEAD_BYTES
from workers.sources.entries import is_file
from workers.sources.folder import RENAME, files_below, plain_name
from workers.sources.source import Listed, Source, SourceTools

log = structlog.get_logger(__name__)
OpenPath = Callable[[str, SourceTools], Source]
"""The source of a path or URL; nothing is opened yet."""
_WEB = ("http://", "https://")


@dataclass(frozen=True)
class _Cursor:
    """A file of the folder, and the place in it; without one the file is done."""

    name: str
    inner: str | None = None

    def text(self) -> str:
        """For the ledger."""
        return json.dumps([self.name, self.inner], separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> _Cursor:
        """Read what `text` wrote."""
        name, inner = json.loads(text)
        return cls(name, inner)


class AutoSource:
    """Reads a path by what it is.

    Of a folder every file is told: pictures are lines of their own; documents, archives and videos are opened,
    each a document of its own; and of what is left, the reason why it is not taken in. A file that cannot be read
    does not keep the others out. Hidden files and folders are left out.

    Args:
        path: A path or URL.
        tools: See `SourceTools`.
        sources: What opens a path, by type of source.
    """

    def __init__(self, path: str, tools: SourceTools, sources: Mapping[str, OpenPath]) -> None:
        self._path, self._tools, self._sources = path, tools, sources

    def lines(self, after: str) -> Iterator[Listed]:
        """See `Source.lines`; a cursor of a single file is that of its source."""
        if "://" in self._path and not self._path.startswith("file://"):
            opened = self._open("urls" if self._path.lower().startswith(_WEB) else "prefix", self._path)
            return opened.lines(after)
        path = allowed(source_path(self._path), self._tools.roots)
        if path.is_dir():
            return self._folder(path, after)
        if not path.is_file():
            raise NotFoundError(f"There is no {self._path!r} on the server.")
        return self._file(path, after)

    def _open(self, kind: str, path: str) -> Source:
        if kind not in self._sources:
            raise InvalidRequestError(f"A job with a source of the type {kind!r} has nothing to read.")
        return self._sources[kind](path, self._tools)

    def _head(self, file: Path) -> bytes:
        """The first bytes of a file.

        Raises:
            ImageragError: It is gone, elsewhere, or may not be read.
        """
        with open_allowed(str(file), self._tools.roots, sys.maxsize) as opened:
            return opened.read(HEAD_BYTES)

    def _file(self, path: Path, after: str) -> Iterator[Listed]:
        head = self._head(path)
        kind = kind_of(path.name, head)
        if kind == "picture":
            if not after:
                yield _picture(path, path.name, _Cursor(path.name).text())
            return
        if reason := reason_against(kind, head):
            raise reason
        yield from self._open("document" if kind == "text" else kind, str(path)).lines(after)

    def _folder(self, folder: Path, after: str) -> Iterator[Listed]:
        parts: tuple[str, ...] = ()
        if after:
            cursor = _Cursor.parse(after)
            parts = PurePosixPath(cursor.name).parts
            if cursor.inner is not None:
                yield from self._inside(folder / cursor.name, cursor)
        for file in files_below(folder, parts):
            yield from self._any(folder, file)

    def _any(self, folder: Path, file: Path) -> Iterator[Listed]:
        """Every line of one file of a folder."""
        name = file.relative_to(folder).as_posix()
        cursor = _Cursor(plain_name(name))
        try:
            name.encode()
            if not is_file(file, self._tools.roots):
                return  # gone since
            head = self._head(file)
        except UnicodeEncodeError:
            yield Listed(ManifestLine(cursor.name), cursor.text(), InvalidRequestError(RENAME))
            return
        except ImageragError as error:
            yield Listed(ManifestLine(name), cursor.text(), error)
            return
        kind = kind_of(file.name, head)
        if kind == "picture":
            yield _picture(file, name, cursor.text())
        elif reason := reason_against_inside(kind, head):
            yield Listed(ManifestLine(name), cursor.text(), reason)
        else:
            yield from self._inside(file, replace(cursor, inner=""))

    def _inside(self, file: Path, cursor: _Cursor) -> Iterator[Listed]:
        """What an opened file holds from a place on; what is wrong with it is its last line."""
        found = False
        try:
            source = self._open(kind_of(file.name, self._head(file)), str(file))
            for listed in source.lines(cursor.inner or ""):
                found = True
                line = replace(listed.line, name=name_inside(cursor.name, listed.line.name))
                yield Listed(line, replace(cursor, inner=listed.cursor).text(), listed.error)
            if not found and not cursor.inner:
                raise InvalidRequestError("There is nothing to ingest in it.")
        except ImageragError as error:
            if error.retryable:
                raise
            yield Listed(ManifestLine(cursor.name), _Cursor(cursor.name).text(), error)
        except Exception:
            # Unforeseen in one file, of perhaps millions: the log has it, and the others go on.
            log.exception("file_failed", name=cursor.name)
            yield Listed(ManifestLine(cursor.name), _Cursor(cursor.name).text(), InternalError())


def _picture(file: Path, name: str, cursor: str) -> Listed:
    return Listed(ManifestLine(name, path=str(file), source_uri=file.as_uri()), cursor)


def name_inside(container: str, name: str) -> str:
    """What a line of an opened file is called, seen from the folder."""
    path = PurePosixPath(container)
    return f"{container[: -len(path.name)]}{name}" if name.startswith(path.name) else f"{container}: {name}"
