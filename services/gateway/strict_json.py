"""JSON from strangers: no NaN, no deep nesting, one object."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from services.common.errors import InvalidRequestError

MAX_DEPTH = 24
"""Levels of nesting; a filter or metadata that needs more is a mistake or an attack."""


def read_json(body: bytes | str) -> Any:
    """Parse one JSON value.

    Args:
        body: UTF-8.

    Raises:
        InvalidRequestError: Not JSON, not UTF-8, a NaN or Infinity, or nested deeper than `MAX_DEPTH`.
    """
    try:
        # orjson knows neither NaN nor Infinity, and stops at 1,024 levels instead of overflowing the stack.
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(
            f"The body is not valid JSON at line {error.lineno}, column {error.colno}."
        ) from None
    if _deeper_than(value, MAX_DEPTH):
        raise InvalidRequestError(f"The JSON is nested deeper than {MAX_DEPTH} levels.")
    return value


def read_object(body: bytes | str) -> dict[str, Any]:
    """Parse one JSON object; errors as in `read_json`."""
    value = read_json(body)
    if not isinstance(value, dict):
        raise InvalidRequestError('The body must be a JSON object: {"...": ...}.')
    return value


def count_parts(value: Any, enough: int) -> int:
    """Members and list entries at all depths; counting stops soon after `enough`."""
    found, waiting = 0, [value]
    while waiting and found <= enough:
        container = waiting.pop()
        found += len(container)
        if found <= enough:
            waiting.extend(child for child in _values(container) if isinstance(child, dict | list))
    return found


def _deeper_than(value: Any, levels: int) -> bool:
    """Walk level by level: the walk itself needs no stack, and a long list of numbers costs one pass."""
    layer = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        layer = [child for parent in layer for child in _values(parent) if isinstance(child, dict | list)]
        if not layer:
            return False
    return True


def _values(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container
