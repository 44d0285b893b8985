"""A search through the gateway, beside the bare query that the store answers for it."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import numpy as np
from qdrant_client import QdrantClient, models

from benchmarks.measuring import ROUNDS, Ratio, interleave
from benchmarks.site import Advance, Site
from benchmarks.words import phrase
from services.common.clients.encoder import Lane, TextRole
from services.common.domain import DEFAULT_TENANT, IndexedItem, Item, ItemKind, ItemVectors, LegName, Vector
from services.common.errors import ImageragError
from services.common.index.bm25 import encode_document, encode_query
from services.common.index.contract import DEFAULT_ALIAS, EmbeddingContract
from services.common.index.ids import item_id
from services.common.index.index import Index
from services.common.index.payload import to_sparse
from services.common.index.tenancy import scoped
from services.common.revision import RevisionClock
from services.encoder.backends.backend import unit

ITEMS = 10_000
QUERIES = 60
"""Of each round; all of them different."""
CANDIDATES = 100
"""Of each leg: the retriever's own default."""
WAYS = 3
_BATCH = 200
_CLUSTERS = 200
_SPREAD = 0.6
"""Length of the noise around a cluster's centre, which has length 1: uniform noise has no neighbours to find."""
_COLD, _WARM, _BARE = "gateway, embedding cold", "gateway, embedding warm", "bare query"


async def run(site: Site, advance: Advance) -> list[Ratio]:
    """Measure, one search at a time."""
    await _fill(site)
    store = QdrantClient(url=site.store_url, check_compatibility=False, trust_env=False, timeout=60)
    try:
        series = await interleave(_ways(site, store), advance=advance)
    finally:
        store.close()
    settings = (
        f"{ITEMS:,} items, {CANDIDATES} candidates a leg, three legs, no result cache, p50 of {QUERIES} different "
        "queries a round. The bare query is `query_batch_points` with the same vectors and filters."
    )
    return [
        _ratio("search, embedding known / bare query", series[_WARM], series[_BARE], settings),
        _ratio("search, embedding new / bare query", series[_COLD], series[_BARE], settings),
    ]


def _ratio(name: str, ours: tuple[float, ...], yardstick: tuple[float, ...], settings: str) -> Ratio:
    meaning = f"REST, fusion, payloads and reasons on top of the store's work. {settings}"
    return Ratio(name, meaning, "ms (p50)", "lower", ours, yardstick)


def _ways(site: Site, store: QdrantClient) -> dict[str, Callable[[int], Awaitable[float]]]:
    async def cold(number: int) -> float:
        texts = _texts(number, first=0)
        return await asyncio.to_thread(p50_ms, [searching(site, text) for text in texts])

    async def warm(number: int) -> float:
        texts = _texts(number, first=ROUNDS * QUERIES)
        await asyncio.to_thread(p50_ms, [searching(site, text) for text in texts])
        return await asyncio.to_thread(p50_ms, [searching(site, text) for text in texts])

    async def bare(number: int) -> float:
        texts = _texts(number, first=ROUNDS * QUERIES)
        vectors = await _vectors(site, texts)
        queries = [_query(store, text, vector) for text, vector in zip(texts, vectors, strict=True)]
        return await asyncio.to_thread(p50_ms, queries)

    return {_COLD: cold, _WARM: warm, _BARE: bare}


def _texts(round_number: int, *, first: int) -> list[str]:
    start = first + round_number * QUERIES
    return [phrase(number) for number in range(start, start + QUERIES)]


def p50_ms(calls: list[Callable[[], object]]) -> float:
    """Median time of these calls, one after the other."""
    took_ms = []
    for call in calls:
        started = time.perf_counter()
        call()
        took_ms.append((time.perf_counter() - started) * 1000)
    return statistics.median(took_ms)


def searching(site: Site, text: str) -> Callable[[], object]:
    """A search through the gateway, ready to be made."""

    def call() -> object:
        return site.gateway.search({"text": text, "limit": 10, "include_irrelevant": True})

    return call


def _query(store: QdrantClient, text: str, vector: Vector) -> Callable[[], object]:
    """The requests that the retriever makes of this text, ready to be sent."""
    within = scoped(DEFAULT_TENANT)
    words = encode_query(text)
    if words is None:
        raise ValueError("a query without words")
    legs: dict[LegName, list[float] | models.SparseVector] = {
        LegName.IMAGE: vector.tolist(),
        LegName.TEXT: vector.tolist(),
        LegName.BM25: to_sparse(words),
    }
    statistics_of = models.SearchParams(idf=models.IdfCorpusParams(corpus=within))
    requests = [
        models.QueryRequest(
            query=query,
            using=leg.value,
            filter=within,
            limit=CANDIDATES,
            with_payload=False,
            params=statistics_of if leg is LegName.BM25 else None,
        )
        for leg, query in legs.items()
    ]

    def call() -> object:
        return store.query_batch_points(DEFAULT_ALIAS, requests=requests)

    return call


async def _vectors(site: Site, texts: list[str]) -> list[Vector]:
    parts = await site.encoder.encode_texts(
        texts, role=TextRole.QUERY, lane=Lane.INTERACTIVE, expected_fingerprint=site.described.fingerprint
    )
    return [part for part in parts if not isinstance(part, ImageragError)]


async def _fill(site: Site) -> None:
    """Put items into the collection that the gateway searches: clustered vectors and titles."""
    contract = EmbeddingContract(site.described.fingerprint, site.described.dim)
    random, clock = np.random.default_rng(7), RevisionClock()
    centres = unit(random.standard_normal((_CLUSTERS, contract.dim), dtype=np.float32))
    async with Index(site.store_url, timeout_s=60) as index:
        collection = await index.ensure(contract)
        for start in range(0, ITEMS, _BATCH):
            around = centres[random.integers(0, _CLUSTERS, size=(2, _BATCH))]
            noise = unit(random.standard_normal(around.shape, dtype=np.float32))
            images, texts = unit(around + _SPREAD * noise)
            revision = clock.next()
            items = [_item(start + offset, revision, images[offset], texts[offset]) for offset in range(_BATCH)]
            await index.upsert(collection, DEFAULT_TENANT, items)


def _item(number: int, revision: int, image: Vector, text: Vector) -> IndexedItem:
    title, key = phrase(number), f"benchmark-{number}"
    item = Item(
        id=item_id(DEFAULT_TENANT, key),
        tenant=DEFAULT_TENANT,
        kind=ItemKind.IMAGE,
        revision=revision,
        ingested_at=datetime.now(UTC),
        key=key,
        title=title,
        metadata={"number": number},
    )
    return IndexedItem(item, ItemVectors(image, text, encode_document(title)), job_id="benchmark", line=number)
