"""What was uploaded for a job: pictures and words as they are, and every other file by what it holds."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import quote

import structlog
from pydantic import TypeAdapter, ValidationError

from services.common.errors import ImageragError, InternalError, InvalidRequestError
from services.common.jobs.records import ManifestLine
from services.common.media.kinds import kind_of
from services.common.uploads.records import NamedPicture, UploadedEntry
from services.common.uploads.store import UploadStore
from workers.sources.auto import name_inside
from workers.sources.contents import read_contents
from workers.sources.source import Listed, SourceTools

log = structlog.get_logger(__name__)
_NAMED_PICTURE = TypeAdapter(NamedPicture)


@dataclass(frozen=True)
class JobUploads:
    """The uploads of one job.

    Attributes:
        store: Keeps them.
        tenant: Whose job it is.
        job_id: Which one.
    """

    store: UploadStore
    tenant: str
    job_id: str

    def entries(self) -> Sequence[UploadedEntry]:
        """What the job is made of, in order."""
        return self.store.entries(self.tenant, self.job_id)

    @contextmanager
    def opened(self, sha256: str) -> Iterator[tuple[BinaryIO, Path]]:
        """A file with a descriptor, and the folder that it alone lies in.

        Raises:
            NotFoundError: It is not there.
        """
        with self.store.opened(self.tenant, sha256) as path, path.open("rb") as file:
            yield file, path.parent


@dataclass(frozen=True)
class _Cursor:
    """An entry of the set, and the place in its file; without one the entry is done."""

    entry: int
    inner: str | None = None

    def text(self) -> str:
        """For the ledger."""
        return json.dumps([self.entry, self.inner], separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> _Cursor:
        """Read what `text` wrote."""
        entry, inner = json.loads(text)
        return cls(entry, inner)


class UploadSource:
    """Everything of a job with uploaded files, in its order. A file that cannot be read does not keep others out.

    A table among the files describes pictures that came with it, by their names relative to its own: these are no
    lines beside the table's.

    Args:
        uploads: What was uploaded.
        tools: See `SourceTools`.
    """

    def __init__(self, uploads: JobUploads, tools: SourceTools) -> None:
        self._uploads, self._tools = uploads, tools

    def lines(self, after: str) -> Iterator[Listed]:
        """See `Source.lines`."""
        cursor = _Cursor.parse(after) if after else _Cursor(-1)
        for number, entry in enumerate(self._entries):
            if number > cursor.entry:
                yield from self._any(number, entry, "")
            elif number == cursor.entry and cursor.inner is not None:
                yield from self._any(number, entry, cursor.inner)

    def _any(self, number: int, entry: UploadedEntry, after: str) -> Iterator[Listed]:
        if entry.upload:
            yield from self._inside(number, entry, after)
        elif entry.line.key or entry.line.sha256 not in self._described:
            yield Listed(entry.line, _Cursor(number).text())

    def _inside(self, number: int, entry: UploadedEntry, after: str) -> Iterator[Listed]:
        """What an uploaded file holds from a place on; what is wrong with it is its last line."""
        name, found = entry.line.name, bool(after)
        try:
            for listed in self._read(entry, after):
                found = True
                yield replace(self._adopted(entry, listed), cursor=_Cursor(number, listed.cursor).text())
            if not found:
                raise InvalidRequestError("There is nothing to ingest in it.")
        except ImageragError as error:
            if error.retryable:
                raise
            yield Listed(ManifestLine(name), _Cursor(number).text(), error)
        except Exception:
            # Unforeseen in one file of many: the log has it, and the others go on.
            log.exception("file_failed", name=name)
            yield Listed(ManifestLine(name), _Cursor(number).text(), InternalError())

    def _read(self, entry: UploadedEntry, after: str) -> Iterator[Listed]:
        name, pictures = entry.line.name, self._pictures_of(entry)
        with self._uploads.opened(entry.upload) as (file, folder):
            # In that folder is nothing else: a relative path of a table leads to a name, and not to a file.
            tools = replace(self._tools, roots=(folder, *self._tools.roots))
            base = PurePosixPath(name).name
            for listed in read_contents(file, base, quote(name), folder, tools, after):
                yield _found(pictures, name, listed, folder)

    def _pictures_of(self, table: UploadedEntry) -> Mapping[str, str]:
        """Digest by name of the pictures that came with a table."""
        if not table.pictures:
            return self._pictures
        folder = posixpath.dirname(table.line.name)
        with self._uploads.opened(table.pictures) as (file, _):
            listed = {posixpath.join(folder, each.name): each.sha256 for each in read_pictures(file)}
        return {**listed, **self._pictures}

    def _adopted(self, entry: UploadedEntry, listed: Listed) -> Listed:
        """A line with what is said about everything in its file."""
        said, line = entry.line, listed.line
        tags = tuple(dict.fromkeys((*line.tags, *said.tags)))
        name = name_inside(said.name, line.name)
        return replace(
            listed, line=replace(line, name=name, tags=tags, metadata={**said.metadata, **line.metadata})
        )

    @cached_property
    def _entries(self) -> Sequence[UploadedEntry]:
        return self._uploads.entries()

    @cached_property
    def _pictures(self) -> Mapping[str, str]:
        """Digest by name, of the pictures that were put before."""
        return {entry.line.name: entry.line.sha256 for entry in self._entries if entry.line.sha256}

    @cached_property
    def _described(self) -> frozenset[str]:
        """Digests of the pictures that a table of the set describes."""
        if not self._pictures:
            return frozenset()
        tables = [each for each in self._entries if each.upload and kind_of(each.line.name, b"") == "manifest"]
        return frozenset(digest for table in tables for digest in self._digests_in(table))

    def _digests_in(self, table: UploadedEntry) -> Iterator[str]:
        try:
            for listed in self._read(table, ""):
                if listed.line.sha256:
                    yield listed.line.sha256
        except ImageragError as error:
            if error.retryable:
                raise  # what is wrong with the table is told when its turn comes


def read_pictures(file: BinaryIO) -> Iterator[NamedPicture]:
    """The lines of a list of pictures.

    Raises:
        InvalidRequestError: A line is not what it must be.
    """
    for number, line in enumerate(file, start=1):
        try:
            yield _NAMED_PICTURE.validate_json(line)
        except ValidationError:
            raise InvalidRequestError(
                f"The list of the table's pictures has no 'name' and 'sha256' in line {number}."
            ) from None


def _found(pictures: Mapping[str, str], table: str, listed: Listed, folder: Path) -> Listed:
    """A line whose picture, if it is one that a table names, is taken from what came with the table."""
    path, root = Path(listed.line.path), folder.resolve()
    if not listed.line.path or not path.is_relative_to(root):
        return listed
    named = _beside(table, path.relative_to(root).as_posix())
    if named not in pictures:
        missing = InvalidRequestError(f"The picture {named[:200]!r} was not sent together with the table.")
        return Listed(ManifestLine(listed.line.name), listed.cursor, missing)
    line = replace(listed.line, path="", sha256=pictures[named], source_uri=quote(named))
    return replace(listed, line=line)


def _beside(table: str, path: str) -> str:
    """The name of what a table names, as it was sent: relative to the table's own folder."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(table), path))
