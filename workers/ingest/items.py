"""From a manifest line to an item, and from what stands in the store to the line's outcome. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.common.domain import Item, ItemKind, Media
from services.common.index.ids import item_id
from services.common.index.index import Stored
from services.common.jobs.identity import key_of
from services.common.jobs.records import Job, LineOutcome, ManifestLine, Outcome


@dataclass(frozen=True)
class NumberedLine:
    """A line with its place in the manifest.

    Attributes:
        number: 0-based.
    """

    number: int
    line: ManifestLine


def build_item(job: Job, numbered: NumberedLine, media: Media | None, now: datetime) -> Item:
    """The item of a line.

    Args:
        job: Its revision and tenant become the item's.
        numbered: What was accepted.
        media: The picture, if the line has one.
        now: Aware time of ingest.
    """
    line = numbered.line
    key = key_of(line, media.sha256 if media else "")
    return Item(
        id=item_id(job.tenant, key),
        tenant=job.tenant,
        kind=_kind(line, media),
        revision=job.revision_of(numbered.number),
        ingested_at=now,
        key=key,
        title=line.title,
        text=line.text,
        tags=line.tags,
        source_uri=line.source_uri,
        document_id=line.document_id,
        position=line.position,
        media=media,
        metadata=line.metadata,
    )


def outcome_of(numbered: NumberedLine, item: Item, stored: Stored | None, job: Job) -> LineOutcome | None:
    """Compare an item with what stands under its id; None if an older write or nothing stands there."""
    if stored is None or stored.revision < job.revision_of(numbered.number):
        return None
    outcome = Outcome.SUPERSEDED
    if stored.job_id == job.id and not stored.deleted:
        outcome = Outcome.STORED if stored.line == numbered.number else Outcome.MERGED
    if outcome is not Outcome.STORED:
        return LineOutcome(numbered.number, outcome, numbered.line.name, item.id)
    return LineOutcome(
        numbered.number,
        outcome,
        numbered.line.name,
        item.id,
        incomplete=item.incomplete,
        sha256=item.media.sha256 if item.media and item.incomplete else "",
        duplicate_of=item.duplicate_of,
    )


def _kind(line: ManifestLine, media: Media | None) -> ItemKind:
    position = line.position
    if position and position.timestamp_s is not None:
        return ItemKind.MOMENT
    # The passages and pictures on a page have a place on it; the page itself has not.
    if position and position.page is not None and position.box is None:
        return ItemKind.PAGE
    return ItemKind.IMAGE if media else ItemKind.TEXT
