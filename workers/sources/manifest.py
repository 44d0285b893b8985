"""A manifest on the server: JSONL, CSV, TSV or Parquet, a line or row for each item."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from services.common.errors import ImageragError, InvalidRequestError, PayloadTooLargeError
from services.common.jobs.roots import allowed, open_allowed, source_path
from workers.opening.table import PARQUET_MARKS
from workers.sources.in_order import in_order
from workers.sources.manifest_lines import LineMaker, read_entry, renamed
from workers.sources.manifest_table import read_table
from workers.sources.source import Listed, SourceTools

MAX_MANIFEST_BYTES = 64 * 1024**3
MAX_LINE_BYTES = 4 * 1024 * 1024
_TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".tab"})


class ManifestSource:
    """The lines of a manifest.

    Fields: path (absolute, or relative to the manifest), url, sha256, name, key, key_column, title, text, tags,
    metadata, source_uri, document_id, position. Empty lines are skipped; a wrong one is named, the others stay.

    Args:
        path: The manifest, as a path or a `file://` URI.
        tools: See `SourceTools`; `options.columns` says which column or name fills which field.
    """

    def __init__(self, path: str, tools: SourceTools) -> None:
        self._path, self._tools = path, tools

    def lines(self, after: str) -> Iterator[Listed]:
        """See `Source.lines`; of JSONL, a cursor is `byte offset:line number` of what comes next."""
        manifest = allowed(source_path(self._path), self._tools.roots)
        with open_allowed(str(manifest), self._tools.roots, MAX_MANIFEST_BYTES) as file:
            yield from read_manifest(file, manifest.name, manifest.parent, self._tools, after)


def read_manifest(
    file: BinaryIO, name: str, folder: Path | None, tools: SourceTools, after: str = ""
) -> Iterator[Listed]:
    """The lines of a manifest, wherever it came from.

    Args:
        file: With a file descriptor: of the server, or a temporary one.
        name: Its file name; the suffix tells CSV from JSONL.
        folder: Where relative paths begin; None: it came without one.
        tools: See `SourceTools`.
        after: As in `Source.lines`.

    Raises:
        ImageragError: It cannot be read, or not any further.
    """
    maker = LineMaker(folder, tools)
    if is_table(name, file.read(len(PARQUET_MARKS[0]))):
        yield from read_table(file, name, maker, after)
    else:
        yield from _Jsonl(file, maker).lines(after)


def is_table(name: str, head: bytes) -> bool:
    """Whether a manifest is a table and not JSONL.

    Args:
        name: Its file name.
        head: Its first four bytes.
    """
    return head in PARQUET_MARKS or PurePosixPath(name).suffix.lower() in _TABLE_SUFFIXES


@dataclass(frozen=True)
class _RawLine:
    """A line as it stands there, its number from 1, and the cursor behind it."""

    raw: bytes
    number: int
    cursor: str


class _Jsonl:
    """JSONL: one object a line."""

    def __init__(self, file: BinaryIO, maker: LineMaker) -> None:
        self._file, self._maker = file, maker
        self._columns = maker.tools.options.columns

    def lines(self, after: str) -> Iterator[Listed]:
        fetcher = self._maker.tools.fetcher
        if fetcher is None:
            return map(self._listed, self._raw(after))
        # Some of the lines may name pictures of the web.
        return in_order(self._listed, self._raw(after), fetcher.policy.at_once)

    def _raw(self, after: str) -> Iterator[_RawLine]:
        offset, number = (int(part) for part in after.split(":")) if after else (0, 0)
        self._file.seek(offset)
        while raw := _read_line(self._file):
            number += 1
            if raw.strip():
                yield _RawLine(raw, number, f"{self._file.tell()}:{number}")

    def _listed(self, line: _RawLine) -> Listed:
        name, entry = f"line {line.number}", None
        try:
            if len(line.raw) > MAX_LINE_BYTES:
                raise PayloadTooLargeError(f"It is longer than {MAX_LINE_BYTES:,} bytes.")
            entry = read_entry(self._renamed(line.raw) if self._columns else line.raw)
            return Listed(self._maker.line(entry, name), line.cursor)
        except ImageragError as error:
            if error.retryable:
                raise
            error.message = f"Line {line.number}: {error.message}"
            return Listed(self._maker.refused(name, entry), line.cursor, error)

    def _renamed(self, raw: bytes) -> str:
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError):
            raise InvalidRequestError("It is not JSON.") from None
        if not isinstance(found, dict):
            raise InvalidRequestError("It is not a JSON object.")
        return json.dumps(renamed(found, self._columns))


def _read_line(file: BinaryIO) -> bytes:
    """The next line; of one that is too long, its beginning, and the rest is passed over."""
    line = file.readline(MAX_LINE_BYTES + 1)
    rest = line
    while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
        rest = file.readline(MAX_LINE_BYTES + 1)
    return line
