"""Records of a ledger as JSON and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from pydantic import TypeAdapter

from services.common.errors import InvalidRequestError
from services.common.jobs.records import Extent, Job, JobProgress, LineOutcome, ListedPart, ManifestLine

T = TypeVar("T")
JOB = TypeAdapter(Job)
PROGRESS = TypeAdapter(JobProgress)
LINE = TypeAdapter(ManifestLine)
EXTENT = TypeAdapter(Extent)
LISTED_PART = TypeAdapter(ListedPart)
OUTCOME = TypeAdapter(LineOutcome)


def encode_lines(adapter: TypeAdapter[T], records: Iterable[T]) -> bytes:
    """One JSON object a line, fields at their default left out.

    Raises:
        InvalidRequestError: A record holds what JSON cannot: half of a surrogate pair, or nesting without end.
    """
    try:
        return b"".join(adapter.dump_json(record, exclude_defaults=True) + b"\n" for record in records)
    except ValueError:
        raise InvalidRequestError(
            "An item holds text that is not valid Unicode, or metadata nested too deep."
        ) from None


def decode_lines(adapter: TypeAdapter[T], data: bytes) -> Sequence[T]:
    """The records of `encode_lines`."""
    return [adapter.validate_json(line) for line in data.splitlines()]
