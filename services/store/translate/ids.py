"""Point ids: unsigned 64-bit integers and UUIDs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import UUID

from services.common.errors import InvalidRequestError

PointId = int | str
"""As the engine and the wire have it: an integer, or a UUID in lower case with hyphens."""

EngineId = int | str | UUID
"""What the engine's signatures name."""

_UUID = re.compile(
    r"(?:urn:uuid:)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|[0-9a-f]{32}"
    r"|\{[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}",
    re.IGNORECASE,
)


def point_id(value: int | str | UUID) -> PointId:
    """Check an id and bring it into its one form.

    Raises:
        InvalidRequestError: Neither an unsigned 64-bit integer nor a UUID.
    """
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64:
        return value
    if isinstance(value, str) and _UUID.fullmatch(value):
        return str(UUID(value))
    raise InvalidRequestError(
        f"value {value} is not a valid point ID, valid values are either an unsigned integer or a UUID"
    )


def point_ids(values: Iterable[int | str | UUID]) -> list[EngineId]:
    """`point_id` of each."""
    return [point_id(value) for value in values]
