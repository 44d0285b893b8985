"""Whole items with their vectors, as they move from one collection to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.common.domain import IndexedItem
from services.common.errors import ImageragError

MAX_ENTRIES = 256
"""Of one call."""


@dataclass(frozen=True)
class SemanticVectors:
    """What makes the vectors `semantic`."""

    fingerprint: str
    dim: int


@dataclass(frozen=True)
class VectorContract:
    """What the vectors of a collection were made by; vectors of another contract are not taken.

    Attributes:
        joint: Fingerprint of the encoder that makes `image` and `text`.
        dim: Length of both.
        bm25: Version of the tokenizer and weights.
        semantic: None: there are no such vectors.
    """

    joint: str
    dim: int
    bm25: str
    semantic: SemanticVectors | None = None


@dataclass(frozen=True)
class CatalogueEntry:
    """An item with everything that is stored of it.

    Attributes:
        indexed: All its vectors are None where none were asked for.
        duplicate_of_key: Key of the item that it duplicates; says it where ids are made anew.
    """

    indexed: IndexedItem
    duplicate_of_key: str = ""


@dataclass(frozen=True)
class CataloguePage:
    """Some items of a tenant.

    Attributes:
        contract: None before the first item was stored.
        following: Where the next page begins; empty: this was the last one.
        total: All items at this moment; of the first page alone.
    """

    contract: VectorContract | None
    entries: Sequence[CatalogueEntry]
    following: str = ""
    total: int = 0


@dataclass(frozen=True)
class Imported:
    """What became of an entry.

    Attributes:
        item_id: Under which it stands, or would.
        stored: False: something as new or newer stands there, or a delete.
        error: Why it cannot be stored.
    """

    item_id: str
    stored: bool
    error: ImageragError | None = None
