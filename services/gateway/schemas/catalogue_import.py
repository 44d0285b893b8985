"""Whole items with vectors that were made elsewhere, in JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, field_validator

from services.common.catalogue import MAX_ENTRIES, CatalogueEntry
from services.common.domain import (
    Box,
    Caption,
    DuplicateKind,
    DuplicateOf,
    IndexedItem,
    Item,
    ItemKind,
    Media,
    Position,
)
from services.gateway.schemas.base import RequestModel, ResponseModel
from services.gateway.schemas.items import METADATA_LIMIT_BYTES, Tag
from services.gateway.schemas.vectors import ContractModel, VectorsModel

_Short = Annotated[str, Field(max_length=1000)]
_Long = Annotated[str, Field(max_length=1_000_000)]
_SHA256 = "^[0-9a-f]{64}$"
_REVISIONS = 2**53


class PositionRequest(RequestModel):
    """Where inside its document an item stands."""

    page: int | None = Field(default=None, ge=1, lt=2**31)
    timestamp_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    box: Annotated[list[float], Field(min_length=4, max_length=4)] | None = None


class MediaRequest(RequestModel):
    """A picture that is in the media store, or will be."""

    sha256: str = Field(pattern=_SHA256)
    mime: str = Field(max_length=100)
    width: int = Field(ge=0, lt=2**31)
    height: int = Field(ge=0, lt=2**31)


class CaptionRequest(RequestModel):
    """What a vision model wrote."""

    brief: _Long = ""
    detailed: _Long = ""
    keywords: list[_Short] = Field(default_factory=list, max_length=1000)
    text_content: _Long = ""
    data_points: list[_Short] = Field(default_factory=list, max_length=1000)
    model: _Short = ""


class DuplicateRequest(RequestModel):
    """The item whose picture was there first."""

    id: str = Field(max_length=64)
    kind: Literal["exact", "near"]
    similarity: float = Field(default=1.0, ge=-1.001, le=1.001)


class CatalogueItemRequest(RequestModel):
    """An item to import, as `GET /v1/catalogue` gives it; its id is made anew of the tenant and the key."""

    id: str = Field(default="", max_length=64)
    """The id that it had."""
    key: str = Field(min_length=1, max_length=2000)
    kind: Literal["image", "text", "page", "moment"]
    title: _Long = ""
    text: _Long = ""
    ocr_text: _Long = ""
    tags: list[Tag] = Field(default_factory=list, max_length=1000)
    labels: list[Tag] = Field(default_factory=list, max_length=1000)
    source_uri: str = Field(default="", max_length=10_000)
    document_id: str = Field(default="", max_length=2000)
    position: PositionRequest | None = None
    media: MediaRequest | None = None
    perceptual_hash: str = Field(default="", pattern="^([0-9a-f]{16})?$")
    metadata: dict[str, Any] = Field(default_factory=dict)
    caption: CaptionRequest | None = None
    duplicate_of: DuplicateRequest | None = None
    duplicate_of_key: str = Field(default="", max_length=2000)
    """Key of the item that it duplicates."""
    incomplete: list[_Short] = Field(default_factory=list, max_length=10)
    revision: int = Field(default=0, ge=0, lt=_REVISIONS)
    """0: this is a new write."""
    ingested_at: Annotated[datetime, Field(strict=False)] | None = None
    job_id: str = Field(default="", max_length=200)
    line: int = Field(default=0, ge=0, lt=2**31)
    vectors: VectorsModel
    image_url: str | None = None
    """Left out of account."""

    @field_validator("metadata")
    @classmethod
    def _bounded(cls, metadata: dict[str, Any]) -> dict[str, Any]:
        if len(orjson.dumps(metadata)) > METADATA_LIMIT_BYTES:
            raise ValueError(f"metadata must be at most {METADATA_LIMIT_BYTES:,} bytes of JSON")
        return metadata

    def entry(self, tenant: str) -> CatalogueEntry:
        """The domain's form.

        Raises:
            InvalidVectorError: A vector is malformed.
        """
        moment = self.ingested_at or datetime.now(UTC)
        item = Item(
            id=self.id,
            tenant=tenant,
            kind=ItemKind(self.kind),
            revision=self.revision,
            ingested_at=moment if moment.tzinfo else moment.replace(tzinfo=UTC),
            key=self.key,
            title=self.title,
            text=self.text,
            ocr_text=self.ocr_text,
            tags=tuple(self.tags),
            labels=tuple(self.labels),
            source_uri=self.source_uri,
            document_id=self.document_id,
            position=_position(self.position),
            media=_media(self.media, self.perceptual_hash),
            metadata=self.metadata,
            caption=_caption(self.caption),
            duplicate_of=_duplicate(self.duplicate_of),
            incomplete=tuple(self.incomplete),
        )
        indexed = IndexedItem(item, self.vectors.vectors(), self.job_id, self.line)
        return CatalogueEntry(indexed, self.duplicate_of_key)


class ImportRequest(RequestModel):
    """Items with vectors of one contract."""

    contract: ContractModel
    items: list[CatalogueItemRequest] = Field(min_length=1, max_length=MAX_ENTRIES, fail_fast=True)


class ImportFailure(ResponseModel):
    """An item that cannot be stored."""

    index: int
    """Its place in the request, from 0."""
    key: str
    code: str
    message: str


class ImportResponse(ResponseModel):
    """What became of the items; `stored`, `kept` and the failures add up."""

    stored: int
    kept: int
    """Something as new or newer stands there, or a delete: it stays."""
    failed: list[ImportFailure]
    missing_pictures: list[str]
    """Digests of pictures that the items name and that are not kept here."""


def _position(given: PositionRequest | None) -> Position | None:
    if given is None:
        return None
    return Position(given.page, given.timestamp_s, Box(*given.box) if given.box else None)


def _media(given: MediaRequest | None, perceptual_hash: str) -> Media | None:
    return Media(given.sha256, given.mime, given.width, given.height, perceptual_hash) if given else None


def _caption(given: CaptionRequest | None) -> Caption | None:
    if given is None:
        return None
    return Caption(
        brief=given.brief,
        detailed=given.detailed,
        keywords=tuple(given.keywords),
        text_content=given.text_content,
        data_points=tuple(given.data_points),
        model=given.model,
    )


def _duplicate(given: DuplicateRequest | None) -> DuplicateOf | None:
    return DuplicateOf(given.id, DuplicateKind(given.kind), given.similarity) if given else None
