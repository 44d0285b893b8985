"""Tables of this machine that are sent whole: the pictures they name by their place go with them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

from services.cli.errors import CliError
from services.cli.ingestion.entries import Entry
from services.common.media.kinds import PICTURE_SUFFIXES

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".parquet"})
_READ_ROWS = 1024
_CELL_LIMIT_CHARS = 1 << 20


def table_entries(table: Path) -> list[Entry]:
    """A table, and behind it the pictures below its own folder that it names.

    Which column names them is for the workers to find out; here every cell counts that reads like the name of a
    picture and leads to a file.

    Raises:
        CliError: It cannot be read here.
    """
    found: dict[str, None] = {}
    for cell in _cells(table):
        name = cell.strip()
        if name not in found and _is_picture(name, table.parent):
            found[name] = None
    pictures = [Entry(PurePosixPath(name).as_posix(), table.parent / name) for name in found]
    return [Entry(table.name, table, role="file"), *pictures]


def _is_picture(name: str, folder: Path) -> bool:
    path = PurePosixPath(name)
    if path.suffix.lower() not in PICTURE_SUFFIXES or path.is_absolute() or ".." in path.parts:
        return False
    try:
        return (folder / path).is_file()
    except (OSError, ValueError):
        return False  # too long, or with a zero byte


def _cells(table: Path) -> Iterator[str]:
    if table.suffix.lower() == ".parquet":
        return _parquet_cells(table)
    return _text_cells(table)


def _text_cells(table: Path) -> Iterator[str]:
    """Every cell of a CSV; in another encoding than UTF-8 the names of its files may not be found."""
    with table.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        sample = file.read(64 * 1024)
        file.seek(0)
        csv.field_size_limit(_CELL_LIMIT_CHARS)
        try:
            for row in csv.reader(file, delimiter=_delimiter(table, sample)):
                yield from row
        except csv.Error:
            return  # the workers say what is wrong with it


def _delimiter(table: Path, sample: str) -> str:
    if table.suffix.lower() in {".tsv", ".tab"}:
        return "\t"
    first = sample.split("\n", 1)[0]
    return max(",;\t|", key=first.count)


def _parquet_cells(table: Path) -> Iterator[str]:
    if not find_spec("pyarrow"):
        raise CliError(
            f"Reading {table.name} needs the package pyarrow.",
            "Install it (`pip install pyarrow`), or give a path of the server with --server-side.",
        )
    parquet = import_module("pyarrow.parquet")
    try:
        with parquet.ParquetFile(table) as file:
            columns = _columns_of_words(file.schema_arrow)
            for batch in file.iter_batches(_READ_ROWS, columns=columns) if columns else ():
                yield from _words_in(batch.to_pydict())
    except (OSError, ValueError):
        return  # the workers say what is wrong with it


def _columns_of_words(schema: Iterable[Any]) -> list[str]:
    return [field.name for field in schema if str(field.type) in {"string", "large_string", "string_view"}]


def _words_in(columns: Mapping[str, Iterable[Any]]) -> Iterator[str]:
    for values in columns.values():
        yield from (value for value in values if isinstance(value, str))
