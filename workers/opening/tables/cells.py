"""From the cells of a row to the values of fields. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

from services.common.errors import InvalidRequestError
from workers.opening.tables.columns import METADATA, PLACE_FIELDS, TEXT_FIELDS, Columns

MAX_LEVELS = 32
"""Of lists and objects in one another."""
_TAG_MARKS = ("|", ";", "；", "、", "，", ",")
_LARGEST = 2**63


class CellError(InvalidRequestError):
    """A cell cannot be used.

    Attributes:
        column: Its column.
    """

    def __init__(self, column: str, message: str) -> None:
        super().__init__(f"column {column[:80]!r}: {message}")
        self.column = column


def fields_of(cells: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """The fields that a row fills, as JSON; the cells of pictures are left to the caller.

    Args:
        cells: By column; None and "" are empty.
        columns: What fills what.

    Raises:
        CellError: A cell does not fit its field.
    """
    fields: dict[str, Any] = {}
    for place, column in columns.by_field.items():
        value = cells.get(column)
        if place == "image" or is_empty(value):
            continue
        try:
            fields[place] = _field(place, value)
        except ValueError as error:
            raise CellError(column, str(error)) from None
    position = {name: fields.pop(name) for name in ("page", "timestamp_s") if name in fields}
    if position:
        fields["position"] = {**position, **fields.get("position", {})}
    metadata = _metadata(cells, columns) | fields.get(METADATA, {})
    return {**fields, METADATA: metadata} if metadata else fields


def is_empty(value: object) -> bool:
    """Whether a cell holds nothing; a float that is no number is what tools write where nothing is."""
    return value is None or value == "" or (isinstance(value, Real) and math.isnan(value))


def picture_of(cell: Any) -> tuple[bytes, str]:
    """The bytes of a cell that holds a picture, and the path that stands beside or instead of them."""
    if isinstance(cell, dict):
        return cell.get("bytes") or b"", str(cell.get("path") or "")
    return (cell, "") if isinstance(cell, bytes) else (b"", cell if isinstance(cell, str) else "")


def _metadata(cells: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column, name in columns.metadata.items():
        value = cells.get(column)
        if is_empty(value) or isinstance(value, bytes):
            continue
        try:
            found[name] = to_json(value)
        except ValueError as error:
            raise CellError(column, str(error)) from None
    return found


def _field(place: str, value: Any) -> Any:
    if place in TEXT_FIELDS:
        return _text(value)
    if place == "tags":
        return _tags(value)
    if place in (METADATA, "position"):
        return _object(value)
    assert place in PLACE_FIELDS
    return _number(value, whole=place == "page")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | bytes | list | dict):
        raise ValueError(f"A text is needed here, and this is {_kind(value)}.")
    return str(to_json(value))


def _kind(value: bool | bytes | list[Any] | dict[str, Any]) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, bytes):
        return "bytes"
    return "a list" if isinstance(value, list) else "an object"


def _tags(value: Any) -> list[str]:
    """A list, a JSON list, or words between the first of the usual marks that stands there."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _parsed(value)
    if isinstance(value, str):
        mark = next((mark for mark in _TAG_MARKS if mark in value), ",")
        value = value.split(mark)
    if not isinstance(value, list):
        raise ValueError("Tags are a list, or words with commas between them.")
    tags = [_text(tag).strip() for tag in value if not is_empty(tag)]
    return [tag for tag in tags if tag]


def _object(value: Any) -> dict[str, Any]:
    found = _parsed(value) if isinstance(value, str) else value
    if not isinstance(found, dict):
        raise ValueError("A JSON object is needed here.")
    return {name: to_json(each) for name, each in found.items() if each is not None}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("This is no JSON.") from None


def _number(value: Any, *, whole: bool) -> int | float:
    found = typed_cell(value) if isinstance(value, str) else to_json(value)
    if isinstance(found, bool) or not isinstance(found, int | float) or (whole and found != int(found)):
        raise ValueError(f"A {'whole ' if whole else ''}number is needed here, and this is {str(value)[:40]!r}.")
    return int(found) if whole else float(found)


_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?")
_BOOLEANS = {"true": True, "false": False, "TRUE": True, "FALSE": False, "True": True, "False": False}


def typed_cell(text: str) -> str | int | float | bool:
    """What the text of a cell stands for.

    Numbers only as they are written canonically and with at most 15 digits: "007", "1e5" and long numbers of
    articles are texts.
    """
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _NUMBER.fullmatch(text) and text != "-0":
        return float(text) if "." in text else int(text)
    return text


def to_json(value: Any, levels: int = MAX_LEVELS) -> Any:
    """A value of a table as JSON: times in ISO 8601, decimals as numbers, what is no number or bytes as null.

    Raises:
        ValueError: It is nested too deeply.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Integral):
        whole = int(value)
        return whole if -_LARGEST <= whole < _LARGEST else str(whole)
    if isinstance(value, Decimal | Real):
        return _plain_number(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, list | tuple | dict):
        return _nested(value, levels)
    return None if isinstance(value, bytes) else str(value)


def _plain_number(value: Decimal | Real) -> int | float | None:
    if isinstance(value, Decimal) and not value.is_finite():
        return None
    number = float(value)
    if not math.isfinite(number):
        return None
    whole = isinstance(value, Decimal) and value == value.to_integral_value()
    return int(number) if whole and abs(number) < _LARGEST else number


def _nested(value: list[Any] | tuple[Any, ...] | dict[Any, Any], levels: int) -> Any:
    if levels == 0:
        raise ValueError(f"It is nested more than {MAX_LEVELS} levels deep.")
    if isinstance(value, dict):
        return {str(name): to_json(each, levels - 1) for name, each in value.items()}
    return [to_json(each, levels - 1) for each in value]
