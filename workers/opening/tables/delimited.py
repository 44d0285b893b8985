"""CSV and its relatives: encoding, delimiter and the types of columns are found out from the beginning."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

from services.common.errors import InvalidRequestError
from workers.opening.documents.encodings import SAMPLE_BYTES, detect
from workers.opening.tables.cells import typed_cell
from workers.opening.tables.columns import Columns

MAX_ROW_CHARS = 4 * 1024 * 1024
MAX_COLUMNS = 1000
_SAMPLE_ROWS = 1000
_DELIMITERS = (",", ";", "\t", "|")
_TAB_SUFFIXES = (".tsv", ".tab")
_LOOK_ROWS = 20


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        number: As a person counts: of a CSV as spreadsheets do, with the head as row 1; of Parquet from 1.
        cells: By column; empty ones may be absent.
        wrong: Why it cannot be used.
    """

    number: int
    cells: dict[str, Any]
    wrong: str = ""


class DelimitedTable:
    """A CSV table with a head.

    Args:
        file: Its bytes.
        name: Its file name; the suffix tells TSV.

    Raises:
        InvalidRequestError: It is no text, or has no head.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._encoding = detect(file.read(SAMPLE_BYTES))
        self._delimiter = "\t" if name.lower().endswith(_TAB_SUFFIXES) else self._likely_delimiter()
        with self._records() as records:
            self.columns: Sequence[str] = [column.strip() for column in next(records, [])]
            self._sample = _readable(islice(records, _SAMPLE_ROWS))
        if not any(self.columns):
            raise InvalidRequestError("The table is empty: its first row must name the columns.")
        if len(self.columns) > MAX_COLUMNS:
            raise InvalidRequestError(
                f"The table has {len(self.columns)} columns; at most {MAX_COLUMNS} are read."
            )

    def rows(self, columns: Columns, after: int) -> Iterator[Row]:
        """The rows behind the one with the number `after`.

        Raises:
            InvalidRequestError: It cannot be read any further.
        """
        typed = typed_columns(self.columns, self._sample) & columns.metadata.keys()
        with self._records() as records:
            for number, record in enumerate(records, start=1):
                if number > max(after, 1) and any(record):
                    yield self._row(number, record, typed)

    def _row(self, number: int, record: Sequence[str], typed: frozenset[str]) -> Row:
        if any(record[len(self.columns) :]):
            wrong = (
                f"It has {len(record)} cells, and the head has {len(self.columns)}. "
                "A cell that holds the delimiter belongs in quotation marks."
            )
            return Row(number, {}, wrong)
        cells: dict[str, Any] = dict(zip(self.columns, record, strict=False))
        return Row(
            number, {column: typed_cell(cell) if column in typed else cell for column, cell in cells.items()}
        )

    def _likely_delimiter(self) -> str:
        self._file.seek(0)
        sample = io.TextIOWrapper(
            io.BytesIO(self._file.read(SAMPLE_BYTES)), encoding=self._encoding, errors="ignore", newline=""
        )
        return likely_delimiter(list(sample))

    @contextmanager
    def _records(self) -> Iterator[Iterator[list[str]]]:
        self._file.seek(0)
        text = io.TextIOWrapper(self._file, encoding=self._encoding, errors="strict", newline="")
        try:
            yield _read_records(text, self._delimiter, self._encoding)
        finally:
            text.detach()  # the file is read again


def _readable(records: Iterable[list[str]]) -> list[list[str]]:
    """The records before the first that cannot be read; whoever reads them all is told of that one."""
    found: list[list[str]] = []
    with suppress(InvalidRequestError):
        for record in records:
            found.append(record)  # noqa: PERF402 - what came before an error counts
    return found


def likely_delimiter(lines: Sequence[str]) -> str:
    """The delimiter that cuts the first rows into the same number of cells, and into the most."""

    def fit(delimiter: str) -> tuple[int, int]:
        try:
            rows = [row for row in islice(csv.reader(iter(lines), delimiter=delimiter), _LOOK_ROWS) if row]
        except csv.Error:
            return (0, 0)
        if not rows or len(rows[0]) < 2:
            return (0, 0)
        return (sum(len(row) == len(rows[0]) for row in rows) * 100 // len(rows), len(rows[0]))

    return max(_DELIMITERS, key=fit)


def typed_columns(columns: Sequence[str], sample: Iterable[Sequence[str]]) -> frozenset[str]:
    """The columns whose cells are numbers throughout, or true and false throughout, as far as the sample goes."""
    kinds: dict[str, set[type]] = {column: set() for column in columns}
    for record in sample:
        for column, cell in zip(columns, record, strict=False):
            if cell != "":
                found = type(typed_cell(cell))
                kinds[column].add(int if found is float else found)
    return frozenset(column for column, found in kinds.items() if found in ({int}, {bool}))


def _read_records(text: io.TextIOWrapper, delimiter: str, encoding: str) -> Iterator[list[str]]:
    csv.field_size_limit(MAX_ROW_CHARS)
    reader = csv.reader(_lines(text), delimiter=delimiter)
    number = 0
    try:
        for record in reader:
            number += 1
            yield record
    except UnicodeDecodeError as error:
        raise InvalidRequestError(
            f"The table is not {encoding.upper()} all the way: it cannot be read on behind row {number}. "
            "Save it as UTF-8."
        ) from error
    except csv.Error as error:
        raise InvalidRequestError(
            f"The table cannot be read on behind row {number} ({error}). Is a quotation mark there not closed?"
        ) from error


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(MAX_ROW_CHARS + 1):
        if len(line) > MAX_ROW_CHARS:
            raise csv.Error(f"a line is longer than {MAX_ROW_CHARS:,} characters")
        yield line
