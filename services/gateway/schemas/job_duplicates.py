"""Items of a job whose picture was there before, in JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from services.common.domain import DuplicateKind
from services.common.jobs.records import DuplicateCounts, LineOutcome, Outcome
from services.gateway.schemas.base import ResponseModel

KindName = Literal["exact", "near"]


class DuplicateCountsModel(ResponseModel):
    """How many items have a picture that was there before; zero for a kind that the job keeps."""

    linked_exact: int
    """Stored with a link to the item that has the same bytes."""
    linked_near: int
    """Stored with a link to the item that looks the same."""
    skipped_exact: int
    """Left out: another item has the same bytes."""
    skipped_near: int
    """Left out: another item looks the same."""


class DuplicateModel(ResponseModel):
    """One item of a job whose picture was there before."""

    line: int
    name: str
    kind: KindName
    done: Literal["linked", "skipped"]
    id: str | None
    """The item itself; null: it was left out."""
    first_id: str
    """The item that was there before."""
    similarity: float
    """Cosine of the image vectors; 1 for the same bytes."""


class DuplicatesResponse(ResponseModel):
    """Duplicates by line."""

    duplicates: list[DuplicateModel]
    next: int | None
    """Give it as `after` for the rest; null: these were the last."""


def duplicate_counts_model(counts: DuplicateCounts) -> DuplicateCountsModel:
    """The JSON form of `counts`."""
    return DuplicateCountsModel(**asdict(counts))


def duplicates_response(found: list[LineOutcome], limit: int) -> DuplicatesResponse:
    """The JSON form of a page.

    Args:
        found: Lines with `duplicate_of`, one more than the page holds if there are more.
        limit: Of the page.
    """
    shown = [_duplicate_model(outcome) for outcome in found[:limit]]
    return DuplicatesResponse(
        duplicates=[model for model in shown if model],
        next=found[limit - 1].line if len(found) > limit else None,
    )


def _duplicate_model(outcome: LineOutcome) -> DuplicateModel | None:
    first = outcome.duplicate_of
    if first is None:
        return None
    is_linked = outcome.outcome is Outcome.STORED
    return DuplicateModel(
        line=outcome.line,
        name=outcome.name,
        kind="exact" if first.kind is DuplicateKind.EXACT else "near",
        done="linked" if is_linked else "skipped",
        id=outcome.item_id if is_linked else None,
        first_id=first.item_id,
        similarity=first.similarity,
    )
