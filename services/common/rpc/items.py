"""Items between the domain and the wire: the one place where their two shapes meet."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from imagerag.v1 import types_pb2

from services.common.domain import (
    Box,
    Caption,
    DuplicateKind,
    DuplicateOf,
    Item,
    ItemKind,
    Media,
    Position,
)
from services.common.errors import InvalidRequestError

_TO_KIND = {
    ItemKind.IMAGE: types_pb2.ITEM_KIND_IMAGE,
    ItemKind.TEXT: types_pb2.ITEM_KIND_TEXT,
    ItemKind.PAGE: types_pb2.ITEM_KIND_PAGE,
    ItemKind.MOMENT: types_pb2.ITEM_KIND_MOMENT,
}
_FROM_KIND = {number: kind for kind, number in _TO_KIND.items()}


def item_to_proto(item: Item) -> types_pb2.Item:
    """The wire form of `item`; the tenant and the perceptual hash stay behind."""
    return types_pb2.Item(
        id=item.id,
        kind=_TO_KIND[item.kind],
        key=item.key,
        title=item.title,
        text=item.text,
        ocr_text=item.ocr_text,
        tags=item.tags,
        source_uri=item.source_uri,
        document_id=item.document_id,
        position=None if item.position is None else position_to_proto(item.position),
        media=None if item.media is None else _media_to_proto(item.media),
        metadata_json=json.dumps(dict(item.metadata), ensure_ascii=False) if item.metadata else "",
        revision=item.revision,
        ingested_at_s=item.ingested_at.timestamp(),
        caption=None if item.caption is None else _caption_to_proto(item.caption),
        labels=item.labels,
        duplicate_of=None if item.duplicate_of is None else _duplicate_to_proto(item.duplicate_of),
        incomplete=item.incomplete,
    )


def item_from_proto(tenant: str, item: types_pb2.Item) -> Item:
    """The item that a message of `tenant` describes.

    Raises:
        InvalidRequestError: The metadata is no JSON object, the time is out of range, or the kind of duplicate
            is unknown.
    """
    return Item(
        id=item.id,
        tenant=tenant,
        kind=_FROM_KIND.get(item.kind, ItemKind.IMAGE if item.HasField("media") else ItemKind.TEXT),
        revision=item.revision,
        ingested_at=_time(item.ingested_at_s),
        key=item.key,
        title=item.title,
        text=item.text,
        ocr_text=item.ocr_text,
        tags=tuple(item.tags),
        source_uri=item.source_uri,
        document_id=item.document_id,
        position=position_from_proto(item.position) if item.HasField("position") else None,
        media=_media_from_proto(item.media) if item.HasField("media") else None,
        metadata=_metadata(item.metadata_json),
        caption=_caption_from_proto(item.caption) if item.HasField("caption") else None,
        labels=tuple(item.labels),
        duplicate_of=_duplicate_from_proto(item.duplicate_of) if item.HasField("duplicate_of") else None,
        incomplete=tuple(item.incomplete),
    )


def position_to_proto(position: Position) -> types_pb2.Position:
    """The wire form of `position`; coordinates of its box become 32-bit floats."""
    return types_pb2.Position(
        page=position.page,
        timestamp_s=position.timestamp_s,
        box=None if position.box is None else box_to_proto(position.box),
    )


def position_from_proto(position: types_pb2.Position) -> Position:
    """The position that a message describes."""
    return Position(
        page=position.page if position.HasField("page") else None,
        timestamp_s=position.timestamp_s if position.HasField("timestamp_s") else None,
        box=box_from_proto(position.box) if position.HasField("box") else None,
    )


def box_to_proto(box: Box) -> types_pb2.Box:
    """The wire form of `box`."""
    return types_pb2.Box(x0=box.x0, y0=box.y0, x1=box.x1, y1=box.y1)


def box_from_proto(box: types_pb2.Box) -> Box:
    """The region that a message describes."""
    return Box(box.x0, box.y0, box.x1, box.y1)


def _media_to_proto(media: Media) -> types_pb2.Media:
    return types_pb2.Media(sha256=media.sha256, mime=media.mime, width=media.width, height=media.height)


def _media_from_proto(media: types_pb2.Media) -> Media:
    return Media(sha256=media.sha256, mime=media.mime, width=media.width, height=media.height)


def _caption_to_proto(caption: Caption) -> types_pb2.Caption:
    return types_pb2.Caption(
        brief=caption.brief,
        detailed=caption.detailed,
        keywords=caption.keywords,
        text_content=caption.text_content,
        data_points=caption.data_points,
        model=caption.model,
    )


def _caption_from_proto(caption: types_pb2.Caption) -> Caption:
    return Caption(
        brief=caption.brief,
        detailed=caption.detailed,
        keywords=tuple(caption.keywords),
        text_content=caption.text_content,
        data_points=tuple(caption.data_points),
        model=caption.model,
    )


def _duplicate_to_proto(duplicate: DuplicateOf) -> types_pb2.DuplicateOf:
    return types_pb2.DuplicateOf(
        item_id=duplicate.item_id, kind=duplicate.kind.value, similarity=duplicate.similarity
    )


def _duplicate_from_proto(duplicate: types_pb2.DuplicateOf) -> DuplicateOf:
    try:
        kind = DuplicateKind(duplicate.kind)
    except ValueError:
        raise InvalidRequestError("The kind of a duplicate is exact or near.") from None
    return DuplicateOf(duplicate.item_id, kind, duplicate.similarity)


def _time(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise InvalidRequestError(
            "ingested_at_s must be seconds since the epoch, within the years 1 to 9999."
        ) from None


def _metadata(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        raise InvalidRequestError("metadata_json must be a JSON object.") from None
    if not isinstance(found, dict):
        raise InvalidRequestError("metadata_json must be a JSON object.")
    return found
