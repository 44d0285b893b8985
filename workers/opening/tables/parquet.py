"""Parquet, one row group and a few rows of it at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from services.common.errors import InvalidRequestError
from workers.opening.tables.columns import Columns
from workers.opening.tables.delimited import MAX_COLUMNS, Row

_BATCH_ROWS = 64
_BATCH_PICTURES = 8
"""Rows of a batch where cells hold whole pictures."""
_BUFFER_BYTES = 1 << 20
_MAX_FOOTER_STRING_BYTES = 64 * 1024 * 1024
_MAX_FOOTER_PARTS = 1_000_000


class ParquetTable:
    """A Parquet file.

    Args:
        file: Its bytes.

    Raises:
        InvalidRequestError: It is damaged, or of a kind that cannot be read.
    """

    def __init__(self, file: BinaryIO) -> None:
        with _explained(0):
            self._file = pq.ParquetFile(
                file,
                pre_buffer=False,
                buffer_size=_BUFFER_BYTES,
                thrift_string_size_limit=_MAX_FOOTER_STRING_BYTES,
                thrift_container_size_limit=_MAX_FOOTER_PARTS,
                page_checksum_verification=True,
            )
            self._schema = self._file.schema_arrow
        self.columns: Sequence[str] = self._schema.names
        if len(self.columns) > MAX_COLUMNS:
            raise InvalidRequestError(
                f"The table has {len(self.columns)} columns; at most {MAX_COLUMNS} are read."
            )

    def pictures(self) -> frozenset[str]:
        """The columns that hold pictures: bytes, or the pairs of bytes and path of Hugging Face's datasets."""
        return frozenset(field.name for field in self._schema if _is_bytes(field.type) or _holds_bytes(field.type))

    def rows(self, columns: Columns, after: int) -> Iterator[Row]:
        """The rows behind the one with the number `after`, counted from 1; groups of rows before it are not read.

        Raises:
            InvalidRequestError: It cannot be read any further.
        """
        wanted = sorted({*columns.by_field.values(), *self._readable(columns)})
        size = _BATCH_PICTURES if "image" in columns.by_field else _BATCH_ROWS
        first = 1
        for group in range(self._file.num_row_groups):
            with _explained(first):
                count = self._file.metadata.row_group(group).num_rows
            if first + count > after + 1:
                for row in self._group(group, wanted, size, first):
                    if row.number > after:
                        yield row
            first += count

    def _readable(self, columns: Columns) -> Iterator[str]:
        """Columns for the metadata; bytes say nothing to a person."""
        pictures = self.pictures()
        return (column for column in columns.metadata if column not in pictures)

    def _group(self, group: int, wanted: Sequence[str], size: int, first: int) -> Iterator[Row]:
        number = first
        with _explained(first):
            batches = self._file.iter_batches(size, row_groups=[group], columns=wanted, use_threads=False)
        while True:
            with _explained(number):
                batch = next(batches, None)
                if batch is None:
                    return
                rows = pa.Table.from_batches([_plain(batch)]).to_pylist()
            for cells in rows:
                yield Row(number, cells)
                number += 1


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """With types that Python has values for."""
    columns = [_plain_column(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _plain_column(column: pa.Array) -> pa.Array:
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if pa.types.is_timestamp(column.type):
        # Nanoseconds are beyond Python's own times, and zones may have names that nobody here knows.
        return column.cast(pa.timestamp("us", "UTC" if column.type.tz else None), safe=False)
    if pa.types.is_duration(column.type):
        return column.cast(pa.duration("us"), safe=False)
    if pa.types.is_time64(column.type):
        return column.cast(pa.time64("us"), safe=False)
    return column


def _is_bytes(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _holds_bytes(kind: pa.DataType) -> bool:
    if not pa.types.is_struct(kind):
        return False
    place = kind.get_field_index("bytes")
    return place >= 0 and _is_bytes(kind.field(place).type)


@contextmanager
def _explained(row: int) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        where = f"The Parquet file cannot be read near row {row:,}" if row else "This cannot be read as Parquet"
        reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise InvalidRequestError(f"{where}: {reason}. Write it anew.") from error
