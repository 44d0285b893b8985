"""Items as payloads and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from qdrant_client import models

from services.common.domain import (
    Box,
    Caption,
    DuplicateKind,
    DuplicateOf,
    IndexedItem,
    Item,
    ItemKind,
    ItemVectors,
    LegName,
    Media,
    Position,
    SparseVector,
)
from services.common.index import schema
from services.common.index.tenancy import stamp
from services.common.media.hash_bands import bands

JOB_ID = "job_id"
LINE = "line"
INCOMPLETE = "incomplete"
PICTURE_BANDS = "picture_bands"
"""Keywords made of the picture's perceptual hash, to look up what looks like it."""


def to_point(indexed: IndexedItem) -> models.PointStruct:
    """The point of an item, stamped with its tenant."""
    item = indexed.item
    payload = {
        "kind": item.kind.value,
        "key": item.key,
        "title": item.title,
        "text": item.text,
        "ocr_text": item.ocr_text,
        "tags": list(item.tags),
        "source_uri": item.source_uri,
        "document_id": item.document_id,
        "position": asdict(item.position) if item.position else None,
        "media": asdict(item.media) if item.media else None,
        PICTURE_BANDS: bands(item.media.perceptual_hash) if item.media else [],
        "caption": _filled(asdict(item.caption)) if item.caption else None,
        "labels": list(item.labels),
        "duplicate_of": asdict(item.duplicate_of) if item.duplicate_of else None,
        INCOMPLETE: list(item.incomplete),
        schema.METADATA: dict(item.metadata),
        schema.REVISION: item.revision,
        "ingested_at": item.ingested_at.astimezone(UTC).isoformat(),
        JOB_ID: indexed.job_id,
        LINE: indexed.line,
    }
    return models.PointStruct(
        id=item.id, vector=_vectors(indexed.vectors), payload=stamp(item.tenant, _filled(payload))
    )


def tombstone(tenant: str, item_id: str, revision: int) -> models.PointStruct:
    """What stays of a deleted item: enough to refuse an older write, nothing to find it by."""
    payload = {
        schema.REVISION: revision,
        schema.DELETED: True,
        "ingested_at": datetime.now(UTC).isoformat(),
    }
    return models.PointStruct(id=item_id, vector={}, payload=stamp(tenant, payload))


def to_item(item_id: str, payload: Mapping[str, Any]) -> Item:
    """The item of a stored payload."""
    position, media = payload.get("position"), payload.get("media")
    caption, duplicate_of = payload.get("caption"), payload.get("duplicate_of")
    return Item(
        id=item_id,
        tenant=payload[schema.TENANT],
        kind=ItemKind(payload["kind"]),
        revision=int(payload[schema.REVISION]),
        ingested_at=datetime.fromisoformat(payload["ingested_at"]),
        key=payload.get("key", ""),
        title=payload.get("title", ""),
        text=payload.get("text", ""),
        ocr_text=payload.get("ocr_text", ""),
        tags=tuple(payload.get("tags", ())),
        source_uri=payload.get("source_uri", ""),
        document_id=payload.get("document_id", ""),
        position=to_position(position) if position else None,
        media=Media(**media) if media else None,
        metadata=payload.get(schema.METADATA, {}),
        caption=_caption(caption) if caption else None,
        labels=tuple(payload.get("labels", ())),
        duplicate_of=to_duplicate(duplicate_of) if duplicate_of else None,
        incomplete=tuple(payload.get(INCOMPLETE, ())),
    )


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, "", [], (), {})}


def _caption(stored: Mapping[str, Any]) -> Caption:
    listed = {name: tuple(stored.get(name, ())) for name in ("keywords", "data_points")}
    return Caption(**{**stored, **listed})


def to_duplicate(stored: Mapping[str, Any]) -> DuplicateOf:
    """The link of a stored payload to the item that was there first."""
    return DuplicateOf(stored["item_id"], DuplicateKind(stored["kind"]), stored["similarity"])


def to_position(stored: Mapping[str, Any]) -> Position:
    """The position of a stored payload."""
    box = stored.get("box")
    return Position(
        page=stored.get("page"), timestamp_s=stored.get("timestamp_s"), box=Box(**box) if box else None
    )


def _vectors(vectors: ItemVectors) -> dict[str, Any]:
    named: dict[str, Any] = {}
    if vectors.image is not None:
        named[LegName.IMAGE.value] = vectors.image.tolist()
    if vectors.text is not None:
        named[LegName.TEXT.value] = vectors.text.tolist()
    if vectors.semantic is not None:
        named[LegName.SEMANTIC.value] = vectors.semantic.tolist()
    if vectors.bm25 is not None:
        named[LegName.BM25.value] = to_sparse(vectors.bm25)
    return named


def to_sparse(vector: SparseVector) -> models.SparseVector:
    """A sparse vector as Qdrant's client sends it."""
    return models.SparseVector(indices=list(vector.indices), values=list(vector.values))
