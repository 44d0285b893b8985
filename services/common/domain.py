"""What the system speaks about, in plain frozen types. Protobuf and JSON stop at the edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.common.file_names import says_nothing

Vector = NDArray[np.float32]
"""One dense vector, shape (dim,), or a batch of them, shape (n, dim); float32."""
JsonObject = Mapping[str, Any]

DEFAULT_TENANT = "default"


class ItemKind(StrEnum):
    """What sort of thing an item is."""

    IMAGE = "image"
    TEXT = "text"
    PAGE = "page"
    MOMENT = "moment"


class LegName(StrEnum):
    """The named vector that a leg of a query searches."""

    IMAGE = "image"
    TEXT = "text"
    BM25 = "bm25"
    SEMANTIC = "semantic"


class TextField(StrEnum):
    """One of an item's texts. What it says was written by different people or models, so they stay apart."""

    TITLE = "title"
    TEXT = "text"
    TAGS = "tags"
    OCR = "ocr"
    """Read inside the picture."""
    CAPTION = "caption"
    """Written by a vision model."""
    LABELS = "labels"
    """Named by a model as seen."""


class Direction(StrEnum):
    """From what is asked to what is stored; noise floors are measured for each."""

    TEXT_TO_IMAGE = "text_to_image"
    IMAGE_TO_IMAGE = "image_to_image"
    TEXT_TO_TEXT = "text_to_text"
    IMAGE_TO_TEXT = "image_to_text"
    TEXT_TO_WORDS = "text_to_words"


@dataclass(frozen=True)
class Box:
    """A region, normalised to [0, 1], origin top left, x0 <= x1, y0 <= y1."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class Position:
    """Where inside its document an item stands.

    Attributes:
        page: 1-based page.
        timestamp_s: Seconds from the start of a recording.
        box: Region on the page or frame.
    """

    page: int | None = None
    timestamp_s: float | None = None
    box: Box | None = None


@dataclass(frozen=True)
class Media:
    """A stored picture.

    Attributes:
        sha256: Hex digest of the bytes as they were received.
        mime: Media type by content, not by file name.
        width: Pixels, after EXIF orientation.
        height: Pixels, after EXIF orientation.
        perceptual_hash: 64-bit pHash as 16 hex digits; empty if not computed.
    """

    sha256: str
    mime: str
    width: int
    height: int
    perceptual_hash: str = ""


@dataclass(frozen=True)
class Caption:
    """What a vision model wrote about a picture. It is a model's word and no one's else: never mixed with `text`.

    Attributes:
        brief: One sentence.
        detailed: A few sentences.
        keywords: What is seen, in single words.
        text_content: What the model read in the picture.
        data_points: Figures of a chart or table, each as one line.
        model: Its id.
    """

    brief: str = ""
    detailed: str = ""
    keywords: tuple[str, ...] = ()
    text_content: str = ""
    data_points: tuple[str, ...] = ()
    model: str = ""

    def words(self) -> str:
        """All of it in one string."""
        parts = (self.brief, self.detailed, " ".join(self.keywords), self.text_content, *self.data_points)
        return "\n".join(part for part in parts if part.strip())


class DuplicateKind(StrEnum):
    """In which way an item's picture is another item's."""

    EXACT = "exact"
    """The same bytes."""
    NEAR = "near"
    """It looks the same: the perceptual hashes are close, and so are the image vectors."""


@dataclass(frozen=True)
class DuplicateOf:
    """The item that was there first.

    Attributes:
        item_id: Of the same tenant.
        similarity: Cosine of the image vectors, 1 for the same bytes.
    """

    item_id: str
    kind: DuplicateKind
    similarity: float = 1.0


@dataclass(frozen=True)
class Item:
    """A thing one can find: a picture, a passage, or both.

    Attributes:
        id: uuid5 of tenant and key, see `services.common.index.ids`.
        revision: Monotonic integer below 2^53, see `services.common.revision`.
        ingested_at: Aware UTC time.
        ocr_text: What was read inside the picture.
        caption: What a vision model wrote about the picture.
        labels: What a model names as seen in the picture; `tags` are the user's.
        duplicate_of: Set where the picture was there before and the job asked for links.
        incomplete: Enrichments that were asked for and failed: `ocr`, `captions`, `tags`.
        metadata: The user's own fields.
    """

    id: str
    tenant: str
    kind: ItemKind
    revision: int
    ingested_at: datetime
    key: str = ""
    title: str = ""
    text: str = ""
    ocr_text: str = ""
    tags: tuple[str, ...] = ()
    source_uri: str = ""
    document_id: str = ""
    position: Position | None = None
    media: Media | None = None
    metadata: JsonObject = field(default_factory=dict)
    caption: Caption | None = None
    labels: tuple[str, ...] = ()
    duplicate_of: DuplicateOf | None = None
    incomplete: tuple[str, ...] = ()

    def texts(self) -> dict[TextField, str]:
        """The item's texts, without those that are blank."""
        found = {
            TextField.TITLE: self.title,
            TextField.TEXT: self.text,
            TextField.TAGS: " ".join(self.tags),
            TextField.OCR: self.ocr_text,
            TextField.CAPTION: self.caption.words() if self.caption else "",
            TextField.LABELS: " ".join(self.labels),
        }
        return {field: text for field, text in found.items() if text.strip()}

    def embedded_text(self) -> str:
        """What the item means, in one string: of this its vectors of meaning are made.

        What was read in the picture is a part of it only where the item says nothing else: it is a page (whose
        title is its document's), or it has no words but the name that a camera gave it. One vector cannot say two
        things: with 20 words of prose read in pictures that have a description, descriptions are found half as
        often through the mean of both vectors, and a seventh as often through the vector of both texts (recall@10
        .71, .38 and .10).
        """
        brief = self.caption.brief if self.caption else ""
        parts = [self.title, self.text, " ".join(self.tags), brief]
        if not self.text.strip() and (
            self.kind is ItemKind.PAGE or (says_nothing(self.title) and not any(parts[2:]))
        ):
            parts.append(self.ocr_text)
        return "\n".join(part for part in parts if part.strip())

    def searchable_text(self) -> str:
        """Everything a word query is matched against, in one string."""
        return "\n".join(self.texts().values())


@dataclass(frozen=True)
class SparseVector:
    """Unique indices with their weights, of equal length.

    Attributes:
        indices: Unsigned 32-bit integers.
        values: One weight an index.
    """

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class ItemVectors:
    """The named vectors of one item; None where the item has nothing to make it from.

    Attributes:
        image: Unit vector of the pixels, shape (dim,).
        text: Unit vector of the texts through the joint space's text tower, shape (dim,).
        bm25: Term weights of the texts.
        semantic: Unit vector of the texts by the second text encoder, shape (its own dim,).
    """

    image: Vector | None = None
    text: Vector | None = None
    bm25: SparseVector | None = None
    semantic: Vector | None = None


@dataclass(frozen=True)
class IndexedItem:
    """An item with its vectors and the manifest line it came from.

    Attributes:
        job_id: The job that wrote it.
        line: 0-based line of the job's manifest.
    """

    item: Item
    vectors: ItemVectors
    job_id: str
    line: int
