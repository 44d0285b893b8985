"""The use case: search, read, delete, count. Knows neither gRPC nor HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from services.common.domain import Item, JsonObject, LegName
from services.common.errors import (
    FingerprintMismatchError,
    InternalError,
    InvalidRequestError,
    NotFoundError,
)
from services.common.index.catalogue import Collection
from services.common.index.filters import parse_filter
from services.common.index.index import Index, Leg
from services.common.revision import RevisionClock
from services.common.search import Facet, Hit, SearchQuery, SearchResult
from services.common.standing import MAX_INSPECTED_IDS, Standing
from services.retriever.explanation import explain, lifted
from services.retriever.fusion import DEFAULT_K, Fused, RankedLeg, reciprocal_rank_fusion
from services.retriever.metrics import count_search
from services.retriever.planning import NO_FLOOR, PlannedLeg, plan
from services.retriever.query_vectors import QueryVectors
from services.retriever.resolution import Resolved, Resolver, semantic_floor

MAX_BATCH_SEARCHES = 32
MAX_FACET_VALUES = 1000


class Timings:
    """Milliseconds by stage of one search."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self.ms: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block as `name`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.ms[name] = self.ms.get(name, 0.0) + (time.perf_counter() - started) * 1000

    def total(self) -> Mapping[str, float]:
        """All stages and the total so far."""
        return {**self.ms, "total": (time.perf_counter() - self._started) * 1000}


class SearchService:
    """Searches the items of one tenant at a time.

    Args:
        index: Where the items are.
        resolver: Knows which collection and which encoder.
        vectors: Encodes what is asked.
        clock: Gives deletes their revision.
        candidates: How many each leg returns.
    """

    def __init__(
        self, index: Index, resolver: Resolver, vectors: QueryVectors, clock: RevisionClock, *, candidates: int
    ) -> None:
        self._index, self._resolver, self._vectors = index, resolver, vectors
        self._clock, self._candidates = clock, candidates

    async def search(self, query: SearchQuery, expected_fingerprint: str = "") -> SearchResult:
        """Encode, ask every leg in one round trip, fuse, fetch what is shown, explain.

        Args:
            query: What is looked for.
            expected_fingerprint: The contract the caller works under; empty: whichever is in use.

        Raises:
            InvalidRequestError: The query, the filter or the picture is not usable.
            FingerprintMismatchError: The encoder does not serve the stored vectors' contract.
            UnavailableError: Store or encoder does not answer.
        """
        plan(query, {}, NO_FLOOR)
        parse_filter(query.filter)
        try:
            result = await self._search(query, await self._resolver.current(), expected_fingerprint)
        except FingerprintMismatchError:
            result = await self._search(query, await self._resolver.refresh(), expected_fingerprint)
        count_search(result)
        return result

    async def batch(self, queries: Sequence[SearchQuery], expected_fingerprint: str = "") -> list[SearchResult]:
        """Independent searches, at once.

        Raises:
            InvalidRequestError: More than 32, or one of them is not usable.
        """
        if len(queries) > MAX_BATCH_SEARCHES:
            raise InvalidRequestError(f"{len(queries)} searches in one call; at most {MAX_BATCH_SEARCHES}.")
        return list(await asyncio.gather(*(self.search(query, expected_fingerprint) for query in queries)))

    async def item(self, tenant: str, item_id: str) -> Item:
        """The item of this id.

        Raises:
            NotFoundError: The tenant has none.
        """
        collection = (await self._resolver.current()).collection
        found = await self._index.items(collection, tenant, [item_id]) if collection else {}
        if item_id not in found:
            raise NotFoundError(f"There is no item {item_id[:80]!r}.")
        return found[item_id]

    async def delete(self, tenant: str, item_id: str, revision: int = 0) -> tuple[bool, int]:
        """Delete an item for good: writes accepted earlier do not bring it back.

        Args:
            tenant: Whose item.
            item_id: Which one.
            revision: Of the delete; 0 takes the next one.

        Returns:
            Whether there was something to delete, and the delete's revision.
        """
        revision = revision or self._clock.next()
        collection = (await self._resolver.current()).collection
        if collection is None:
            return False, revision
        return await self._index.delete(collection, tenant, item_id, revision), revision

    async def inspect(self, tenant: str, ids: Sequence[str]) -> dict[str, Standing]:
        """What stands under ids, deleted items too; ids without anything are absent.

        Raises:
            InvalidRequestError: More than 256.
        """
        if len(ids) > MAX_INSPECTED_IDS:
            raise InvalidRequestError(f"{len(ids)} ids in one call; at most {MAX_INSPECTED_IDS}.")
        collection = (await self._resolver.current()).collection
        return await self._index.inspect(collection, tenant, ids) if collection else {}

    async def facet(self, tenant: str, field: str, condition: JsonObject, limit: int) -> list[Facet]:
        """The most frequent values of a field.

        Raises:
            InvalidRequestError: The field, the filter or the limit is not usable.
        """
        if not 1 <= limit <= MAX_FACET_VALUES:
            raise InvalidRequestError(f"limit is {limit}; it must be from 1 to {MAX_FACET_VALUES}.")
        collection = (await self._resolver.current()).collection
        if collection is None:
            return []
        values = await self._index.facet(collection, tenant, field, condition, limit)
        return [Facet(value.value, value.count) for value in values]

    async def _search(self, query: SearchQuery, resolved: Resolved, expected_fingerprint: str) -> SearchResult:
        timings = Timings()
        collection = resolved.collection
        if collection is None:
            return SearchResult((), True, "", "", timings.total())
        if expected_fingerprint not in ("", collection.contract.joint):
            raise FingerprintMismatchError.between(expected_fingerprint, collection.contract.joint)
        planned = plan(query, resolved.encoder.noise_floors, semantic_floor(resolved))
        with timings.stage("encode"):
            legs = await self._legs(query, planned, collection)
        with timings.stage("query"):
            answers = await self._index.ask(collection, query.tenant, list(legs.values()), query.filter)
        asked = dict(zip(legs, answers, strict=True))
        ranked = [
            RankedLeg(leg.weight, leg.floor, [(c.id, c.score) for c in asked.get(leg, ())]) for leg in planned
        ]
        fused = reciprocal_rank_fusion(ranked, _k(query))
        with timings.stage("retrieve"):
            hits = await self._hits(query, collection, planned, fused)
        return SearchResult(
            hits=hits,
            nothing_relevant=not any(hit.relevant for hit in hits),
            fingerprint=collection.contract.joint,
            collection=collection.name,
            timings_ms=timings.total(),
        )

    async def _legs(
        self, query: SearchQuery, planned: Sequence[PlannedLeg], collection: Collection
    ) -> dict[PlannedLeg, Leg]:
        asked = await self._vectors.of(query, planned, collection.contract)
        # A query of punctuation alone has no words: its bm25 leg is not asked.
        return {
            leg: Leg(leg.name, vector, self._candidates)
            for leg in planned
            if (vector := asked.of(leg)) is not None
        }

    async def _hits(
        self, query: SearchQuery, collection: Collection, planned: Sequence[PlannedLeg], fused: Sequence[Fused]
    ) -> tuple[Hit, ...]:
        shown = _candidates(query, planned, fused)
        items = await self._index.items(collection, query.tenant, [candidate.id for candidate in shown])
        explained = [
            explain(candidate, items[candidate.id], planned, query.text)
            for candidate in shown
            if candidate.id in items  # deleted since the legs were asked
        ]
        ordered = lifted(explained, planned, _k(query))
        kept = [hit for hit in ordered if hit.relevant or query.include_irrelevant][: query.limit]
        if not all(hit.item.tenant == query.tenant for hit in kept):
            raise InternalError
        return tuple(replace(hit, rank=rank) for rank, hit in enumerate(kept, start=1))


def _k(query: SearchQuery) -> float:
    return DEFAULT_K if query.rrf_k is None else query.rrf_k


def _candidates(query: SearchQuery, planned: Sequence[PlannedLeg], fused: Sequence[Fused]) -> Sequence[Fused]:
    """Those whose payload is looked at: relevance by words needs it, so some more than are shown may fall out; and
    who holds the query as it is rises."""
    depth = query.limit if query.include_irrelevant else 2 * query.limit
    words = [number for number, leg in enumerate(planned) if leg.name is LegName.BM25]
    rising = [
        candidate
        for candidate in fused[depth:]
        if any((part := candidate.parts[number]) is not None and part.rank <= query.limit for number in words)
    ]
    return [*fused[:depth], *rising]
