"""From a file to a cluster, some rows at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.cli.catalogue.columns import from_batch
from services.cli.catalogue.header import Header
from services.cli.errors import CliError
from services.cli.rest.client import RestClient

_CALL_ITEMS = 100
_CALL_BYTES = 8 * 1024 * 1024
"""Of JSON; the gateway takes four times as much."""
Progressed = Callable[[int, int], None]
"""Takes the rows that are done, and all of them."""
Item = dict[str, Any]


@dataclass(frozen=True)
class NotImported:
    """A row that the cluster did not take."""

    row: int
    key: str
    code: str
    message: str


@dataclass
class ImportReport:
    """What became of the rows.

    Attributes:
        rows: Done.
        stored: Written.
        kept: Something as new or newer stood there, or a delete.
        failed: Not taken.
        missing_pictures: Digests of pictures that items name and the cluster does not keep.
    """

    rows: int = 0
    stored: int = 0
    kept: int = 0
    failed: list[NotImported] = field(default_factory=list)
    missing_pictures: set[str] = field(default_factory=set)

    def add(self, first_row: int, count: int, answer: Mapping[str, Any]) -> None:
        """Take in the gateway's answer to one call."""
        self.rows += count
        self.stored += int(answer["stored"])
        self.kept += int(answer["kept"])
        self.failed += [
            NotImported(first_row + int(each["index"]), each["key"], each["code"], each["message"])
            for each in answer["failed"]
        ]
        self.missing_pictures.update(answer["missing_pictures"])

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "rows": self.rows,
            "stored": self.stored,
            "kept": self.kept,
            "failed": len(self.failed),
            "failures": [vars(each) for each in self.failed],
            "missing_pictures": len(self.missing_pictures),
        }


def import_file(client: RestClient, path: Path, *, from_row: int, progressed: Progressed) -> ImportReport:
    """Send all rows of an exported file, from one on.

    Args:
        client: With patience.
        path: The file.
        from_row: Counted from 1; the rows before it were sent by a run that was cut short.
        progressed: Called after each call.

    Raises:
        CliError: The file is none of ours, holds no vectors, or is of another model; or the cluster does not
            answer, and then it says with which row to go on.
    """
    report = ImportReport()
    with _opened(path) as file:
        header = _header(file)
        keys = _keys_of_originals(file)
        first = from_row
        for items in _calls(_items(file, from_row, keys)):
            report.add(first, len(items), _send(client, header, items, first))
            first += len(items)
            progressed(first - 1, file.metadata.num_rows)
    return report


def _header(file: pq.ParquetFile) -> Header:
    header = Header.from_metadata(file.schema_arrow.metadata)
    if not header.with_vectors:
        raise CliError(
            "The file holds no vectors.", "Export it with --with-vectors to import it.", code="no_vectors"
        )
    return header


def _send(client: RestClient, header: Header, items: Sequence[Item], first: int) -> Mapping[str, Any]:
    try:
        return client.import_items(header.contract, items)
    except CliError as error:
        if first > 1 or error.code != "fingerprint_mismatch":
            error.fix = f"{error.fix} Then go on with --from-row {first}.".strip()
        raise


def _calls(items: Iterator[Item]) -> Iterator[list[Item]]:
    """Rows in lists that one call carries."""
    waiting: list[Item] = []
    size = 0
    for item in items:
        item_bytes = len(json.dumps(item))
        if waiting and (len(waiting) == _CALL_ITEMS or size + item_bytes > _CALL_BYTES):
            yield waiting
            waiting, size = [], 0
        waiting.append(item)
        size += item_bytes
    if waiting:
        yield waiting


def _items(file: pq.ParquetFile, from_row: int, keys: Mapping[str, str]) -> Iterator[Item]:
    row = 0
    for group in range(file.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        if row + count >= from_row:
            for item in _of_group(file, group):
                row += 1
                if row >= from_row:
                    yield _with_original(item, keys)
        else:
            row += count


def _of_group(file: pq.ParquetFile, group: int) -> Iterator[Item]:
    for batch in file.iter_batches(_CALL_ITEMS, row_groups=[group]):
        yield from from_batch(batch)


def _with_original(item: Item, keys: Mapping[str, str]) -> Item:
    """An item with the key of the one that it duplicates: under another tenant ids are others, keys are not."""
    key = keys.get(item["duplicate_of"]["id"]) if "duplicate_of" in item else None
    return {**item, "duplicate_of_key": key} if key else item


def _keys_of_originals(file: pq.ParquetFile) -> dict[str, str]:
    """The keys of the items that others duplicate, by id; the others are not held."""
    names = set(file.schema_arrow.names)
    if not {"id", "key", "duplicate_of"} <= names:
        return {}
    wanted: set[str] = set()
    for batch in file.iter_batches(columns=["duplicate_of"]):
        wanted.update(each for each in batch.column(0).to_pylist() if each)
    if not wanted:
        return {}
    return {
        row["id"]: row["key"]
        for batch in file.iter_batches(columns=["id", "key"])
        for row in batch.to_pylist()
        if row["id"] in wanted
    }


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except FileNotFoundError:
        raise CliError(f"There is no file {path}.", "Check the path.", code="not_found") from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise CliError(f"{path} cannot be read: {reason}.", "Export it anew.", code="damaged_file") from None
