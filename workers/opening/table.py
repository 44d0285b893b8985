"""Opens a table, CSV or Parquet: its rows as fields of items. Runs in the sandbox.

The first record is `{"kind": "table", "columns": {field: column}}`; each other one has `rows`, a list of
`{"row": number, "fields": {...}}` or `{"row": number, "wrong": text}`. The picture of a row, if one stands in its
cell, is the part's data; the part then has that row alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from services.common.errors import ImageragError, UnimplementedError
from workers.opening.tables.cells import CellError, fields_of, picture_of
from workers.opening.tables.columns import Columns, choose
from workers.opening.tables.delimited import DelimitedTable, Row
from workers.sandbox.parts import Part

PARQUET_MARKS = (b"PAR1", b"PARE")
MAX_ROW_BYTES = 4 * 1024 * 1024
_PART_ROWS = 256
_PART_BYTES = 4 * 1024 * 1024
Record = dict[str, Any]


def open_parts(file: BinaryIO, arguments: Mapping[str, Any]) -> Iterator[Part]:
    """See the module.

    Args:
        file: The table.
        arguments: `name` of the file, `columns` as asked for, `after`: the number of the last row that is known,
            `picture_bytes`: most bytes of a picture.

    Raises:
        InvalidRequestError: It is no table, or not further on, or no column is of use.
    """
    is_parquet = file.read(4) in PARQUET_MARKS
    file.seek(0)
    columns, rows = (_parquet if is_parquet else _delimited)(file, arguments)
    yield Part({"kind": "table", "columns": dict(columns.by_field)})
    yield from _parts(rows, columns, int(arguments["picture_bytes"]))


def _delimited(file: BinaryIO, arguments: Mapping[str, Any]) -> tuple[Columns, Iterator[Row]]:
    table = DelimitedTable(file, str(arguments["name"]))
    columns = choose(table.columns, arguments["columns"])
    return columns, table.rows(columns, int(arguments["after"]))


def _parquet(file: BinaryIO, arguments: Mapping[str, Any]) -> tuple[Columns, Iterator[Row]]:
    # Here, because a CSV needs no Arrow: it takes 0.3 s to load.
    try:
        from workers.opening.tables.parquet import ParquetTable
    except ImportError:
        raise UnimplementedError(
            "The workers cannot read Parquet: install imagerag[tables], or save it as CSV."
        ) from None

    table = ParquetTable(file)
    columns = choose(table.columns, arguments["columns"], table.pictures())
    return columns, table.rows(columns, int(arguments["after"]))


def _parts(rows: Iterator[Row], columns: Columns, picture_bytes: int) -> Iterator[Part]:
    records: list[Record] = []
    size = 0
    try:
        for row in rows:
            record, picture, record_bytes = _bounded(*_record(row, columns), picture_bytes)
            if records and (picture or len(records) == _PART_ROWS or size + record_bytes > _PART_BYTES):
                yield Part({"rows": records})
                records, size = [], 0
            if picture:
                yield Part({"rows": [record]}, picture)
            else:
                records.append(record)
                size += record_bytes
    except ImageragError:
        if records:  # what came before an error counts
            yield Part({"rows": records})
        raise
    if records:
        yield Part({"rows": records})


def _record(row: Row, columns: Columns) -> tuple[Record, bytes]:
    if row.wrong:
        return _wrong(row.number, row.wrong), b""
    try:
        fields = fields_of(row.cells, columns)
    except CellError as error:
        return _wrong(row.number, error.message), b""
    picture, path = picture_of(row.cells.get(columns.by_field.get("image", "")))
    if path:
        fields.setdefault("name" if picture else "path", path)
    return {"row": row.number, "fields": fields}, picture


def _bounded(record: Record, picture: bytes, picture_bytes: int) -> tuple[Record, bytes, int]:
    """The record and its picture, or what is wrong with their size; and the record's own size."""
    size = len(json.dumps(record, ensure_ascii=False))
    if len(picture) > picture_bytes:
        reason = f"Its picture has {len(picture):,} bytes; at most {picture_bytes:,} are taken."
        return _wrong(record["row"], reason), b"", 0
    if size > MAX_ROW_BYTES:
        return _wrong(record["row"], f"It is longer than {MAX_ROW_BYTES:,} characters."), b"", 0
    return record, picture, size


def _wrong(number: int, reason: str) -> Record:
    return {"row": number, "wrong": reason}
