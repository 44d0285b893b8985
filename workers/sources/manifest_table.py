"""The rows of a table, read in the sandbox."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, BinaryIO

from services.common.errors import ConflictError, ImageragError, InvalidRequestError
from workers.sandbox.parts import Part
from workers.sandbox.runner import open_parts
from workers.sources.in_order import in_order
from workers.sources.manifest_lines import LineMaker, read_entry
from workers.sources.source import Listed

OPENER = "workers.opening.table"
_LOOK_BYTES = 1 << 16
_AT_ONCE = 4
"""Parts that are worked on at a time: pictures inside a table wait for the disk twice each."""


@dataclass(frozen=True)
class _Cursor:
    """`LIKENESS:ROW`: the table as it was, and the last row that was told."""

    table: str
    row: int = 0

    def text(self, row: int) -> str:
        """For the ledger, behind a row."""
        return f"{self.table}:{row}"


def read_table(file: BinaryIO, name: str, maker: LineMaker, after: str) -> Iterator[Listed]:
    """The rows of a table.

    Args:
        file: CSV, TSV or Parquet, opened.
        name: Its file name.
        maker: Makes lines of the rows; its options name the columns.
        after: As in `Source.lines`.

    Raises:
        ConflictError: The table is not the one that the listing began with.
        InvalidRequestError: It is no table, or not further on, or no column is of use.
    """
    cursor, tools = _cursor(file, after), maker.tools
    arguments = {
        "name": name,
        "columns": dict(tools.options.columns),
        "after": cursor.row,
        "picture_bytes": tools.limits.max_bytes,
    }
    sandbox = replace(tools.sandbox, part_bytes=max(tools.sandbox.part_bytes, tools.limits.max_bytes))
    with closing(open_parts(OPENER, file, arguments, sandbox)) as parts:
        rows = _Rows(maker, next(parts).record["columns"], cursor)
        yield from rows.listed(parts)


@dataclass(frozen=True)
class _Rows:
    """Makes lines of rows; thread-safe.

    Attributes:
        maker: See `LineMaker`.
        columns: The column that fills a field.
        cursor: Of the table.
    """

    maker: LineMaker
    columns: Mapping[str, str]
    cursor: _Cursor

    def listed(self, parts: Iterable[Part]) -> Iterator[Listed]:
        """The rows of all parts, in order."""
        fetcher = self.maker.tools.fetcher
        if "url" in self.columns and fetcher is not None:
            single = (Part({"rows": [record]}, part.data) for part in parts for record in part.record["rows"])
            return chain.from_iterable(in_order(self._part, single, fetcher.policy.at_once))
        return chain.from_iterable(in_order(self._part, parts, _AT_ONCE))

    def _part(self, part: Part) -> list[Listed]:
        return [self._row(record, part.data) for record in part.record["rows"]]

    def _row(self, record: Mapping[str, Any], picture: bytes) -> Listed:
        number = int(record["row"])
        cursor, name, entry = self.cursor.text(number), f"row {number}", None
        try:
            if "wrong" in record:
                raise InvalidRequestError(str(record["wrong"]))
            entry = read_entry(json.dumps(record["fields"]), self.columns)
            return Listed(self.maker.line(entry, name, picture), cursor)
        except ImageragError as error:
            if error.retryable:
                raise
            joint = ", " if error.message.startswith("column ") else ": "
            error.message = f"Row {number}{joint}{error.message}"
            return Listed(self.maker.refused(name, entry), cursor, error)


def _cursor(file: BinaryIO, after: str) -> _Cursor:
    cursor = _Cursor(_likeness(file))
    if not after:
        return cursor
    table, row = after.split(":")
    if table != cursor.table:
        raise ConflictError("The table was replaced while it was read. Take it in by a new job.")
    return replace(cursor, row=int(row))


def _likeness(file: BinaryIO) -> str:
    """What tells a table from another: its size, beginning and end; a copy of it may have another time."""
    size = os.fstat(file.fileno()).st_size
    digest = hashlib.sha256(str(size).encode())
    for place in (0, max(0, size - _LOOK_BYTES)):
        file.seek(place)
        digest.update(file.read(_LOOK_BYTES))
    return digest.hexdigest()[:24]
