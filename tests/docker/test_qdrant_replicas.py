"""Three Qdrant nodes with two copies of each shard: any one may be lost, and comes back whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import httpx
import numpy as np
import pytest

from services.common.domain import IndexedItem, Item, ItemKind, ItemVectors, Vector
from services.common.errors import DeadlineError, UnavailableError
from services.common.index import bm25
from services.common.index.catalogue import Collection
from services.common.index.contract import EmbeddingContract
from services.common.index.ids import item_id
from services.common.index.index import Index
from services.common.index.layout import Layout
from tests.fixtures.containers import QdrantNode, qdrant_nodes, skip_without_docker

T = TypeVar("T")
pytestmark = pytest.mark.timeout(900)
CONTRACT = EmbeddingContract(joint="tiny@1", dim=4)
LAYOUT = Layout(shards=6, replicas=2)
TENANT, BATCH = "a", 50
SETTLE_LIMIT_S = 120.0


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[QdrantNode]]:
    skip_without_docker()
    with qdrant_nodes(3) as running:
        yield running


def unit(seed: int) -> Vector:
    vector = np.random.default_rng(seed).normal(size=4).astype(np.float32)
    return vector / np.linalg.norm(vector)


def item(number: int, revision: int) -> IndexedItem:
    made = Item(
        id=item_id(TENANT, str(number)),
        tenant=TENANT,
        kind=ItemKind.IMAGE,
        revision=revision,
        ingested_at=datetime(2026, 1, 1, tzinfo=UTC),
        key=str(number),
        text=f"item {number}",
    )
    vectors = ItemVectors(unit(number), unit(number + 1), bm25.encode_document(made.text))
    return IndexedItem(made, vectors, "job", number)


async def write(url: str, numbers: range, revision: int) -> None:
    """Write as a worker does; what a node that just died refuses is written again."""
    async with Index(url, alias="replicas", layout=LAYOUT, timeout_s=30) as index:
        collection = await index.ensure(CONTRACT)
        for start in range(numbers.start, numbers.stop, BATCH):
            batch = [item(number, revision) for number in range(start, min(start + BATCH, numbers.stop))]
            stored = await again(partial(index.upsert, collection, TENANT, batch))
            assert all(found.revision == revision for found in stored.values())


async def revisions(url: str, numbers: range) -> dict[str, int]:
    """Id to revision, as one node sees it."""
    async with Index(url, alias="replicas", timeout_s=30) as index:
        collection = await index.resolve()
        assert collection is not None
        ids = [item_id(TENANT, str(number)) for number in numbers]
        found = await again(partial(index.stored, collection, TENANT, ids))
        return {id_: stored.revision for id_, stored in found.items()}


async def again(call: Callable[[], Awaitable[T]]) -> T:
    """Call until it is answered: a cluster that has just lost a node may need a moment."""
    deadline = time.monotonic() + SETTLE_LIMIT_S
    while True:
        try:
            return await call()
        except (UnavailableError, DeadlineError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(1)


def wait_until_whole(nodes: list[QdrantNode], collection: Collection) -> None:
    """Wait until every node sees every copy of every shard active."""
    deadline = time.monotonic() + SETTLE_LIMIT_S
    while not all(_is_whole(node.url, collection.name) for node in nodes):
        assert time.monotonic() < deadline, "the copies did not catch up"
        time.sleep(1)


def _is_whole(url: str, name: str) -> bool:
    spread = httpx.get(f"{url}/collections/{name}/cluster", timeout=10).raise_for_status().json()["result"]
    shards = spread["local_shards"] + spread["remote_shards"]
    return len(shards) == 6 * 2 and all(shard["state"] == "Active" for shard in shards)


async def test_a_node_is_lost_and_comes_back(nodes: list[QdrantNode]) -> None:
    first, second, third = nodes
    await write(first.url, range(300), revision=1)
    async with Index(first.url, alias="replicas") as index:
        collection = await index.resolve()
    assert collection is not None
    wait_until_whole(nodes, collection)

    second.kill()
    assert set((await revisions(third.url, range(300))).values()) == {1}
    assert len(await revisions(third.url, range(300))) == 300
    await write(first.url, range(200, 400), revision=2)

    second.start_again()
    wait_until_whole(nodes, collection)
    third.kill()
    expected = {item_id(TENANT, str(number)): 1 if number < 200 else 2 for number in range(400)}
    # The one that was away when the second half was written answers with all of it.
    assert await revisions(second.url, range(400)) == expected
    third.start_again()
    wait_until_whole(nodes, collection)
    async with Index(second.url, alias="replicas") as index:
        assert await index.count(collection, TENANT) == 400
