"""The filter language: plain JSON in, a Qdrant filter out.

`{"category": "dress", "price": {"lte": 300}, "tags": {"any": ["red", "blue"]}, "not": {"sold": true}}`

A field is one of ours (`kind`, `tags`, `document_id`, ...) or the user's own, written bare or as `metadata.x`. A
value means equality. An object holds operators, all of which must hold: `any`, `none`, `gt`, `gte`, `lt`, `lte`,
`exists`. The words `and`, `or` (lists of filters) and `not` (a filter) combine.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from qdrant_client import models

from services.common.errors import InvalidFilterError
from services.common.index.schema import DELETED, METADATA, PAYLOAD_INDEXES, REVISION, TENANT

MAX_TERMS = 256
MAX_DEPTH = 8
MAX_CHOICES = 1000
_OWN_FIELDS = frozenset(PAYLOAD_INDEXES) - {TENANT, DELETED} | {
    "title", "media.sha256", "position.page", "duplicate_of.item_id", "duplicate_of.kind",
}  # fmt: skip
_PLAIN_PART = re.compile(r"[A-Za-z0-9_-]+")
_BOUNDS = ("gt", "gte", "lt", "lte")


def parse_filter(condition: Mapping[str, Any] | None) -> models.Filter | None:
    """Translate a filter; an empty one is None.

    Raises:
        InvalidFilterError: An unknown operator, a wrong type, or a filter that is too large or too deep.
    """
    if not condition:
        return None
    return _Parser().filter(condition, depth=0)


def field_path(name: str) -> str:
    """The payload path of a field as a filter or facet names it.

    Raises:
        InvalidFilterError: Not a field one may ask for.
    """
    if name in _OWN_FIELDS:
        return name
    path = name.removeprefix(f"{METADATA}.")
    if not path or path in {TENANT, DELETED, REVISION} or len(path) > 200 or any(c in path for c in '[]"\0'):
        raise InvalidFilterError(f"{name[:80]!r} is not a field one can filter by.")
    parts = path.split(".")
    if not all(parts):
        raise InvalidFilterError(
            f"{name[:80]!r} is not a field one can filter by: a part between its dots is empty."
        )
    return ".".join((METADATA, *map(_quoted, parts)))


def _quoted(part: str) -> str:
    """Qdrant reads letters, digits, `_` and `-`; anything else of a name stands in quotes."""
    return part if _PLAIN_PART.fullmatch(part) else f'"{part}"'


class _Parser:
    def __init__(self) -> None:
        self._terms = 0

    def filter(self, condition: object, depth: int) -> models.Filter:
        if not isinstance(condition, Mapping):
            raise InvalidFilterError('A filter is a JSON object such as {"price": {"lte": 300}}.')
        if depth > MAX_DEPTH:
            raise InvalidFilterError(f"The filter is nested more than {MAX_DEPTH} levels deep.")
        must: list[models.Condition] = []
        for name, value in condition.items():
            must.append(self._part(str(name), value, depth))
        return models.Filter(must=must or None)

    def _part(self, name: str, value: object, depth: int) -> models.Condition:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise InvalidFilterError(f"The filter has more than {MAX_TERMS} terms.")
        match name:
            case "and":
                return models.Filter(must=self._list(name, value, depth))
            case "or":
                return models.Filter(should=self._list(name, value, depth))
            case "not":
                return models.Filter(must_not=[self.filter(value, depth + 1)])
        key = field_path(name)
        if isinstance(value, Mapping):
            return _operators(key, name, value)
        return _equal(key, name, value)

    def _list(self, name: str, value: object, depth: int) -> list[models.Condition]:
        if not isinstance(value, list) or not value:
            raise InvalidFilterError(f'"{name}" takes a list of filters with at least one in it.')
        return [self.filter(part, depth + 1) for part in value]


def _operators(key: str, name: str, operators: Mapping[str, object]) -> models.Condition:
    if not operators:
        raise InvalidFilterError(f'"{name}" has no operator: write {{"{name}": {{"lte": 300}}}} or a plain value.')
    must: list[models.Condition] = []
    bounds = {name_: value for name_, value in operators.items() if name_ in _BOUNDS}
    if bounds:
        must.append(_range(key, name, bounds))
    for operator, value in operators.items():
        if operator in _BOUNDS:
            continue
        build = _OPERATORS.get(operator)
        if build is None:
            known = ", ".join((*_OPERATORS, *_BOUNDS))
            raise InvalidFilterError(f'"{name}": unknown operator "{operator}". Known are {known}.')
        must.append(build(key, name, value))
    return models.Filter(must=must)


def _equal(key: str, name: str, value: object) -> models.Condition:
    if isinstance(value, bool | str):
        return models.FieldCondition(key=key, match=models.MatchValue(value=value))
    if isinstance(value, int | float):
        # A match compares 300 with 300 only; a range finds 300.0 as well.
        number = _number(name, value)
        return models.FieldCondition(key=key, range=models.Range(gte=number, lte=number))
    raise InvalidFilterError(
        f'"{name}" is compared with a {type(value).__name__}: use text, a number or true/false.'
    )


def _any(key: str, name: str, value: object) -> models.Condition:
    choices = _choices(name, "any", value)
    if all(isinstance(choice, str) for choice in choices):
        return models.FieldCondition(key=key, match=models.MatchAny(any=choices))
    return models.Filter(should=[_equal(key, name, choice) for choice in choices])


def _none(key: str, name: str, value: object) -> models.Condition:
    return models.Filter(must_not=[_equal(key, name, choice) for choice in _choices(name, "none", value)])


def _exists(key: str, name: str, value: object) -> models.Condition:
    if not isinstance(value, bool):
        raise InvalidFilterError(f'"{name}": "exists" takes true or false.')
    empty = models.IsEmptyCondition(is_empty=models.PayloadField(key=key))
    return models.Filter(must_not=[empty]) if value else models.Filter(must=[empty])


_OPERATORS: dict[str, Callable[[str, str, object], models.Condition]] = {
    "any": _any,
    "none": _none,
    "exists": _exists,
}


def _choices(name: str, operator: str, value: object) -> list[Any]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_CHOICES:
        raise InvalidFilterError(f'"{name}": "{operator}" takes a list of 1 to {MAX_CHOICES} values.')
    return value


def _range(key: str, name: str, bounds: Mapping[str, object]) -> models.FieldCondition:
    if all(isinstance(value, str) for value in bounds.values()):
        dates = {bound: _date(name, str(value)) for bound, value in bounds.items()}
        return models.FieldCondition(key=key, range=models.DatetimeRange(**dates))
    numbers = {bound: _number(name, value) for bound, value in bounds.items()}
    return models.FieldCondition(key=key, range=models.Range(**numbers))


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidFilterError(f'"{name}": bounds are numbers, or dates such as "2026-01-31"; not mixed.')
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidFilterError(f'"{name}": the number is not finite.')
    return number


def _date(name: str, value: str) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise InvalidFilterError(f'"{name}": {value[:40]!r} is not an ISO 8601 date.') from None
