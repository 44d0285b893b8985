"""The use case: items with their vectors, out of the collection and into it. Knows neither gRPC nor HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.common.catalogue import (
    MAX_ENTRIES,
    CatalogueEntry,
    CataloguePage,
    Imported,
    SemanticVectors,
    VectorContract,
)
from services.common.domain import IndexedItem, Item
from services.common.errors import (
    FingerprintMismatchError,
    ImageragError,
    InvalidRequestError,
)
from services.common.index.catalogue import Collection
from services.common.index.checks import check_vectors
from services.common.index.contract import EmbeddingContract, SemanticContract
from services.common.index.ids import item_id
from services.common.index.index import Index
from services.common.index.standing import Stored
from services.common.revision import RevisionClock, revision_at
from services.retriever.resolution import Resolved, Resolver

_PAGE_BYTES = 16 * 1024 * 1024
"""A quarter of what one gRPC message may hold."""
_PLAIN_FIELDS_BYTES = 2000
_CLOCK_MARGIN = timedelta(minutes=5)
"""By which the clocks of two clusters may differ."""


class CatalogueService:
    """Reads and writes whole items of one tenant at a time.

    Args:
        index: Where the items are.
        resolver: Knows which collection and which encoder.
        clock: Gives revisions to items that come without.
    """

    def __init__(self, index: Index, resolver: Resolver, clock: RevisionClock) -> None:
        self._index, self._resolver, self._clock = index, resolver, clock

    async def page(self, tenant: str, cursor: str, limit: int, *, with_vectors: bool) -> CataloguePage:
        """A page of the items, in the order of their ids; fewer than the limit if they are large.

        Args:
            tenant: Whose items.
            cursor: `following` of the page before; empty: the first one.
            limit: At most `MAX_ENTRIES`; 0 means these.
            with_vectors: Read these, too.

        Raises:
            InvalidRequestError: The cursor or the limit is not usable.
        """
        if limit > MAX_ENTRIES:
            raise InvalidRequestError(f"limit is {limit}; it may be {MAX_ENTRIES} at most.")
        start = _checked_cursor(cursor)
        collection = (await self._resolver.current()).collection
        if collection is None:
            return CataloguePage(None, ())
        found = await self._index.page(collection, tenant, start, limit or MAX_ENTRIES, with_vectors=with_vectors)
        items = found.items[: _fitting(found.items)]
        return CataloguePage(
            contract=_vector_contract(collection.contract),
            entries=[CatalogueEntry(indexed) for indexed in items],
            following=found.items[len(items)].item.id if len(items) < len(found.items) else found.following,
            total=0 if start else await self._index.count(collection, tenant),
        )

    async def take(
        self, tenant: str, contract: VectorContract, entries: Sequence[CatalogueEntry]
    ) -> list[Imported]:
        """Store items with their vectors, unless something as new stands under their ids.

        Args:
            tenant: Whose items they become: their ids are made of it and their keys.
            contract: What made their vectors.
            entries: At most `MAX_ENTRIES`.

        Raises:
            FingerprintMismatchError: Collection or encoder are of another contract; nothing was stored.
            InvalidRequestError: Too many entries.
        """
        if len(entries) > MAX_ENTRIES:
            raise InvalidRequestError(f"{len(entries)} entries in one call; at most {MAX_ENTRIES}.")
        collection = await self._collection(_embedding_contract(contract))
        now = self._clock.next()
        taken = [_taken(tenant, entry, collection, now) for entry in entries]
        good = [found for found in taken if isinstance(found, IndexedItem)]
        # Tells our own write from one of the same revision that stood there before.
        before = await self._index.stored(collection, tenant, [indexed.item.id for indexed in good])
        after = await self._index.take_over(collection, tenant, good)
        return [_answer(found, before, after) for found in taken]

    async def _collection(self, contract: EmbeddingContract) -> Collection:
        resolved = await self._resolver.current()
        if resolved.collection is None or resolved.collection.contract != contract:
            resolved = await self._resolver.refresh()
        expected = resolved.collection.contract if resolved.collection else _served(resolved)
        if contract != expected:
            raise FingerprintMismatchError(
                f"These items were made by {_told(contract)}; here it is {_told(expected)}. Vectors of different "
                "models never mix: import them into a cluster of that model, or ingest the pictures anew."
            )
        return resolved.collection or await self._index.ensure(contract)


def _fitting(items: Sequence[IndexedItem]) -> int:
    """How many of the items one answer can carry; at least one."""
    room = _PAGE_BYTES
    for count, indexed in enumerate(items):
        room -= _size_bytes(indexed)
        if room < 0:
            return max(count, 1)
    return len(items)


def _size_bytes(indexed: IndexedItem) -> int:
    """About what an item takes on the wire."""
    item, vectors = indexed.item, indexed.vectors
    words = sum(len(text.encode()) for text in item.texts().values()) + len(json.dumps(dict(item.metadata)))
    dense = sum(each.nbytes for each in (vectors.image, vectors.text, vectors.semantic) if each is not None)
    sparse = 10 * len(vectors.bm25.indices) if vectors.bm25 else 0
    return words + dense + sparse + _PLAIN_FIELDS_BYTES


def _checked_cursor(cursor: str) -> str:
    try:
        return str(UUID(cursor)) if cursor else ""
    except ValueError:
        raise InvalidRequestError("There is no such cursor. Give `next` of the page before.") from None


def _taken(tenant: str, entry: CatalogueEntry, collection: Collection, now: int) -> IndexedItem | Imported:
    """The item as it is to be written, or why it cannot be."""
    item = entry.indexed.item
    name = item_id(tenant, item.key) if item.key else item.id
    try:
        indexed = replace(entry.indexed, item=_own(tenant, name, entry, now))
        check_vectors(collection.contract, [indexed])
    except ImageragError as error:
        return Imported(name, False, error)
    return indexed


def _own(tenant: str, name: str, entry: CatalogueEntry, now: int) -> Item:
    """The item under the importing tenant's id.

    Raises:
        InvalidRequestError: It has no key, or a revision of the future.
    """
    item = entry.indexed.item
    if not item.key:
        raise InvalidRequestError("It has no key, and its id is made of that.")
    if item.revision > revision_at(datetime.now(UTC) + _CLOCK_MARGIN):
        raise InvalidRequestError(
            f"Its revision {item.revision} lies in the future: later writes would be lost. Give 0."
        )
    duplicate = item.duplicate_of
    if duplicate is not None:
        if entry.duplicate_of_key:
            duplicate = replace(duplicate, item_id=item_id(tenant, entry.duplicate_of_key))
        elif name != item.id:  # an id of another tenant means nothing here
            duplicate = None
    return replace(item, id=name, revision=item.revision or now, duplicate_of=duplicate)


def _answer(found: IndexedItem | Imported, before: Mapping[str, Stored], after: Mapping[str, Stored]) -> Imported:
    if isinstance(found, Imported):
        return found
    name, revision = found.item.id, found.item.revision
    stands = after.get(name)
    was_there = name in before and before[name].revision >= revision
    applied = stands is not None and stands.revision == revision and not stands.deleted and not was_there
    return Imported(name, applied)


def _served(resolved: Resolved) -> EmbeddingContract:
    """The contract of the collection that would be made now."""
    described = resolved.encoder
    semantic = described.semantic
    return EmbeddingContract(
        described.fingerprint,
        described.dim,
        semantic=SemanticContract(semantic.fingerprint, semantic.dim) if semantic else None,
    )


def _told(contract: EmbeddingContract) -> str:
    return f"{contract.label!r} with words by {contract.bm25!r}"


def _vector_contract(contract: EmbeddingContract) -> VectorContract:
    semantic = contract.semantic
    return VectorContract(
        contract.joint,
        contract.dim,
        contract.bm25,
        SemanticVectors(semantic.fingerprint, semantic.dim) if semantic else None,
    )


def _embedding_contract(contract: VectorContract) -> EmbeddingContract:
    semantic = contract.semantic
    return EmbeddingContract(
        contract.joint,
        contract.dim,
        contract.bm25,
        SemanticContract(semantic.fingerprint, semantic.dim) if semantic else None,
    )
