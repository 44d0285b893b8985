"""Bounds that keep a request from doing harm: depth, size, ranges of numbers."""

from __future__ import annotations

from services.common.errors import InvalidRequestError

PAYLOAD_DEPTH = 64
"""Levels of a payload. The engine's log takes 127 and more, and then cannot be read again: the shard is lost."""
FILTER_DEPTH = 16
"""Levels of nested filters; the engine's log breaks at 40 in the same way."""
PREFETCH_DEPTH = 8
"""Levels of nested prefetches."""
MAX_COUNT = 2**32 - 1
"""Upper bound of limits, offsets and the like."""


class OutOfRangeError(InvalidRequestError):
    """A number outside what the field allows; Qdrant answers 422 to these."""


def check_range(value: int, name: str, minimum: int = 0) -> int:
    """Return `value` if it lies in `minimum`..2^32-1.

    Raises:
        OutOfRangeError: It does not.
    """
    if value < minimum:
        raise OutOfRangeError(
            f"Validation error in JSON body: [{name}: value {value} invalid, must be {minimum} or larger]"
        )
    if value > MAX_COUNT:
        raise OutOfRangeError(
            f"Validation error in JSON body: [{name}: value {value} invalid, must be at most {MAX_COUNT}]"
        )
    return value


def check_payload(payload: object) -> None:
    """Refuse a payload nested deeper than `PAYLOAD_DEPTH`.

    Raises:
        InvalidRequestError: It is too deep.
    """
    level: list[object] = [payload]
    for _ in range(PAYLOAD_DEPTH):
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise InvalidRequestError(f"The payload is nested deeper than {PAYLOAD_DEPTH} levels")


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return [child for child in value.values() if isinstance(child, dict | list)]
    if isinstance(value, list):
        return [child for child in value if isinstance(child, dict | list)]
    return []
