"""From a cluster to a file, page by page."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.cli.catalogue.columns import schema_of, to_batch
from services.cli.catalogue.header import Header
from services.cli.errors import CliError
from services.cli.rest.client import RestClient

_PAGE_ITEMS = 256
_PAGE_ITEMS_WITH_VECTORS = 100
_GROUP_ROWS = 2048
"""Rows of a row group: with vectors about 30 MB, which is what memory holds."""
Progressed = Callable[[int, int], None]
"""Takes the items that are written, and all there were when it began."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        header: Of the file.
        items: Rows in it.
        size_bytes: Of the file.
    """

    path: Path
    header: Header
    items: int
    size_bytes: int

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "file": str(self.path),
            "items": self.items,
            "size_bytes": self.size_bytes,
            "with_vectors": self.header.with_vectors,
            "contract": dict(self.header.contract),
            "exported_at": self.header.exported_at,
        }


def export(client: RestClient, path: Path, *, with_vectors: bool, progressed: Progressed) -> Exported:
    """Write all items of the key's tenant; on return the file is complete, before that it is not there.

    Args:
        client: With patience.
        path: Of the file; one that is there is replaced.
        with_vectors: Write these, too.
        progressed: Called after each page.

    Raises:
        CliError: There is nothing to export, or the cluster took another model in between.
    """
    pages = _pages(client, with_vectors)
    first = next(pages)
    if first["contract"] is None:
        raise CliError("There is nothing stored yet.", "Ingest something first.", code="nothing_stored")
    header = Header(first["contract"], with_vectors, datetime.now(UTC).isoformat(), client.url)
    written = 0
    with _writing(path, schema_of(header)) as writer:
        for page in _chained(first, pages):
            if page["contract"] != header.contract:
                raise CliError(
                    "The cluster changed to another model while its items were read.", "Export them again."
                )
            written += writer.write(page["items"])
            progressed(written, int(first["total"]))
    return Exported(path, header, written, path.stat().st_size)


def _pages(client: RestClient, with_vectors: bool) -> Iterator[Mapping[str, Any]]:
    cursor = ""
    limit = _PAGE_ITEMS_WITH_VECTORS if with_vectors else _PAGE_ITEMS
    while cursor is not None:
        page = client.catalogue_page(cursor, limit, with_vectors=with_vectors)
        yield page
        cursor = page["next"]


def _chained(first: Mapping[str, Any], rest: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    yield first
    yield from rest


class _Writer:
    """Collects rows and writes them a group at a time."""

    def __init__(self, file: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._file, self._schema = file, schema
        self._batches: list[pa.RecordBatch] = []

    def write(self, items: list[Mapping[str, Any]]) -> int:
        """Take rows; returns how many."""
        if items:
            self._batches.append(to_batch(items, self._schema))
        if sum(batch.num_rows for batch in self._batches) >= _GROUP_ROWS:
            self.flush()
        return len(items)

    def flush(self) -> None:
        """Write what was collected as one row group."""
        if self._batches:
            self._file.write_table(pa.Table.from_batches(self._batches, self._schema))
            self._batches = []


@contextmanager
def _writing(path: Path, schema: pa.Schema) -> Iterator[_Writer]:
    """A file that takes its name when it is complete and on the disk."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as file:
            with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as parquet:
                writer = _Writer(parquet, schema)
                yield writer
                writer.flush()
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror or error}.", "Check the path.") from None
    finally:
        temporary.unlink(missing_ok=True)
