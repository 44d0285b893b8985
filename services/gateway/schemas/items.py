"""Items in JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

import orjson
from pydantic import ConfigDict, Field, field_validator
from pydantic.config import JsonDict

from services.common.domain import Item, Media, Position
from services.common.jobs.records import ManifestLine
from services.gateway.schemas.base import RequestModel, ResponseModel
from services.gateway.schemas.signals import CaptionModel, DuplicateOfModel, caption_model, duplicate_model

METADATA_LIMIT_BYTES = 64 * 1024
Tag = Annotated[str, Field(min_length=1, max_length=200)]

_DRAFT_EXAMPLE: JsonDict = {
    "key": "sku-4711",
    "title": "Red dress",
    "text": "Cotton, knee-length, short sleeves.",
    "tags": ["dress", "summer"],
    "metadata": {"price": 299, "brand": "Example"},
}
_ITEM_EXAMPLE: JsonDict = {
    "id": "1f0d8f5e-8f0f-5a35-9a3e-0d7f3f0a6a11",
    "kind": "image",
    "key": "sku-4711",
    "title": "Red dress",
    "text": "Cotton, knee-length, short sleeves.",
    "ocr_text": "",
    "tags": ["dress", "summer"],
    "source_uri": "",
    "document_id": "",
    "position": None,
    "media": {"sha256": "9f86d081" * 8, "mime": "image/jpeg", "width": 1200, "height": 1600},
    "metadata": {"price": 299, "brand": "Example"},
    "caption": None,
    "labels": [],
    "duplicate_of": None,
    "incomplete": [],
    "revision": 7311111111111111,
    "ingested_at": "2026-01-31T12:00:00Z",
    "image_url": "/v1/items/1f0d8f5e-8f0f-5a35-9a3e-0d7f3f0a6a11/image",
}


class ItemDraft(RequestModel):
    """What a client says about an item."""

    model_config = ConfigDict(json_schema_extra={"examples": [_DRAFT_EXAMPLE]})

    key: str = Field(default="", max_length=512)
    """Your own id: the same key again replaces the item. Without one the id follows from the content."""
    title: str = Field(default="", max_length=1000)
    text: str = Field(default="", max_length=100_000)
    tags: list[Tag] = Field(default_factory=list, max_length=100)
    metadata: dict[str, Any] = Field(default_factory=dict)
    """Your own fields; they can be filtered by."""
    source_uri: str = Field(default="", max_length=2000)
    """Where the item came from. It is shown, never fetched. Without one a picture's file name stands there."""
    document_id: str = Field(default="", max_length=512)
    """Groups the items of one document."""

    @field_validator("metadata")
    @classmethod
    def _bounded(cls, metadata: dict[str, Any]) -> dict[str, Any]:
        if len(orjson.dumps(metadata)) > METADATA_LIMIT_BYTES:
            raise ValueError(f"metadata must be at most {METADATA_LIMIT_BYTES:,} bytes of JSON")
        return metadata

    def to_line(self, name: str, sha256: str = "") -> ManifestLine:
        """The manifest line that ingests this item.

        Args:
            name: What a person knows it by.
            sha256: The stored picture; empty for text alone.
        """
        return ManifestLine(
            name=name,
            key=self.key,
            sha256=sha256,
            title=self.title,
            text=self.text,
            tags=tuple(self.tags),
            metadata=self.metadata,
            # The name is no searchable text, so the picture stays judged by its pixels; people still recognise it.
            source_uri=self.source_uri or (quote(name) if sha256 else ""),
            document_id=self.document_id,
        )


class PositionModel(ResponseModel):
    """Where inside its document an item stands."""

    page: int | None
    timestamp_s: float | None
    box: tuple[float, float, float, float] | None
    """x0, y0, x1, y1, each 0 to 1, origin top left."""


class MediaModel(ResponseModel):
    """A stored picture."""

    sha256: str
    mime: str
    width: int
    height: int


class ItemModel(ResponseModel):
    """A stored item."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ITEM_EXAMPLE]})

    id: str
    kind: Literal["image", "text", "page", "moment"]
    key: str
    title: str
    text: str
    ocr_text: str
    tags: list[str]
    source_uri: str
    document_id: str
    position: PositionModel | None
    media: MediaModel | None
    metadata: dict[str, Any]
    caption: CaptionModel | None
    labels: list[str]
    """What a model names as seen in the picture; `tags` are yours."""
    duplicate_of: DuplicateOfModel | None
    """Set where the picture was there before and the job asked for links."""
    incomplete: list[str]
    """Enrichments that were asked for and failed: `ocr`, `captions`, `tags`."""
    revision: int
    ingested_at: datetime
    image_url: str | None


class AcceptedItem(ResponseModel):
    """What became of a posted item so far."""

    id: str
    job_id: str
    status: Literal["accepted", "stored", "superseded"]
    """`superseded`: a newer write or delete of the same item came first, and stands."""


def item_model(item: Item) -> ItemModel:
    """The JSON form of `item`."""
    media = item.media
    return ItemModel(
        id=item.id,
        kind=item.kind.value,
        key=item.key,
        title=item.title,
        text=item.text,
        ocr_text=item.ocr_text,
        tags=list(item.tags),
        source_uri=item.source_uri,
        document_id=item.document_id,
        position=None if item.position is None else position_model(item.position),
        media=None if media is None else _media_model(media),
        metadata=dict(item.metadata),
        caption=None if item.caption is None else caption_model(item.caption),
        labels=list(item.labels),
        duplicate_of=None if item.duplicate_of is None else duplicate_model(item.duplicate_of),
        incomplete=list(item.incomplete),
        revision=item.revision,
        ingested_at=item.ingested_at,
        image_url=None if media is None else f"/v1/items/{item.id}/image",
    )


def position_model(position: Position) -> PositionModel:
    """The JSON form of `position`."""
    box = position.box
    return PositionModel(
        page=position.page,
        timestamp_s=position.timestamp_s,
        box=None if box is None else (box.x0, box.y0, box.x1, box.y1),
    )


def _media_model(media: Media) -> MediaModel:
    return MediaModel(sha256=media.sha256, mime=media.mime, width=media.width, height=media.height)
