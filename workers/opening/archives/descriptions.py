"""What the texts of an archive say about its pictures. Pure.

A description is a mapping from the fields of a manifest's line to their values, not yet checked.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from services.common.errors import InvalidRequestError

FIELDS = frozenset(
    {"key", "key_column", "title", "text", "tags", "metadata", "source_uri", "document_id", "position"}
)
_PATH_COLUMNS = ("path", "file_name")
_METADATA, _TEXT, _TAGS, _CAPTION = "metadata", "text", "tags", "caption"
MAX_LEVELS = 32
"""Of objects and lists in one another."""
Description = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        line: 1-based.
        name: Of the member that it describes.
        wrong: Why it says nothing.
    """

    line: int
    name: str = ""
    said: Description = field(default_factory=dict)
    wrong: str = ""


def describe(name: str, data: bytes) -> Description:
    """What one text says, by its suffix: JSON has fields, `.cls` a class, anything else is the text itself.

    Args:
        name: Of the member.
        data: Its bytes.

    Raises:
        InvalidRequestError: It is no UTF-8, or no JSON object.
    """
    text = _decode(data)
    match PurePosixPath(name).suffix.lower():
        case ".json":
            return from_object(_parse(text))
        case ".cls":
            word = text.strip()
            return {_METADATA: {"cls": int(word) if word.isdecimal() and len(word) < 16 else word}}
    return {_TEXT: text.strip()} if text.strip() else {}


def from_object(given: Mapping[str, Any]) -> Description:
    """The fields of a JSON object or a row; what is no field of a line is metadata, `caption` is its text."""
    known = {name: value for name, value in given.items() if name in FIELDS}
    more = {name: value for name, value in given.items() if name not in FIELDS}
    if _TEXT not in known and isinstance(more.get(_CAPTION), str):
        known[_TEXT] = more.pop(_CAPTION)
    if more:
        own = known.get(_METADATA, {})
        known[_METADATA] = {**more, **own} if isinstance(own, Mapping) else own
    return known


def joined(first: Description, second: Description) -> Description:
    """Both; where they contradict each other the second counts."""
    both = {**first, **second}
    ones, others = first.get(_METADATA), second.get(_METADATA)
    if isinstance(ones, Mapping) and isinstance(others, Mapping):
        both[_METADATA] = {**ones, **others}
    return both


def rows(name: str, data: bytes) -> Iterator[Row]:
    """The rows of a table of descriptions.

    Args:
        name: Of the table; the paths in it are relative to its folder.
        data: Its bytes, CSV with a head or JSONL.

    Raises:
        InvalidRequestError: It is no UTF-8.
    """
    folder = PurePosixPath(name).parent
    text = _decode(data)
    found = _csv_rows(text) if name.lower().endswith(".csv") else _json_rows(text)
    for number, row in found:
        yield Row(number, wrong=row) if isinstance(row, str) else _row(number, folder, row)


def _row(number: int, folder: PurePosixPath, cells: Mapping[str, Any]) -> Row:
    path = next((cells[column] for column in _PATH_COLUMNS if cells.get(column)), None)
    if not isinstance(path, str):
        return Row(number, wrong=f"It has no {' or '.join(_PATH_COLUMNS)}.")
    rest = {name: value for name, value in cells.items() if name not in _PATH_COLUMNS}
    return Row(number, (folder / path).as_posix(), from_object(rest))


def _json_rows(text: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    for number, line in enumerate(io.StringIO(text), start=1):
        if line.strip():
            try:
                yield number, _parse(line)
            except InvalidRequestError as error:
                yield number, error.message


def _csv_rows(text: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    table = csv.DictReader(io.StringIO(text, newline=""))
    try:
        for row in table:
            cells = {str(key): value for key, value in row.items() if key is not None and value}
            if cells.get(_TAGS):
                cells[_TAGS] = [tag.strip() for tag in cells[_TAGS].split(",") if tag.strip()]
            yield table.line_num, cells
    except csv.Error:
        yield table.line_num, "It is no CSV from here on."


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequestError("It is not encoded as UTF-8. Save it so.") from None


def _parse(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidRequestError("It is not a JSON object.")
    if not _is_plain(found, MAX_LEVELS):
        raise InvalidRequestError("It is nested too deeply, or a number in it is too large.")
    return found


def _is_plain(value: object, levels: int) -> bool:
    """Whether every store and every reader of JSON on the way takes it."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return levels > 0 and all(_is_plain(each, levels - 1) for each in inner)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return not isinstance(value, float) or math.isfinite(value)


def _refuse_constant(name: str) -> float:
    raise ValueError(name)
