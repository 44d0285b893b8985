"""A snapshot of three real nodes with two copies of each shard, restored into two others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pytest
from qdrant_client.http import models as m

from services.common.domain import IndexedItem, Item, ItemKind, ItemVectors
from services.common.index import bm25
from services.common.index.contract import EmbeddingContract
from services.common.index.ids import item_id
from services.common.index.index import Index
from services.common.index.layout import Layout
from tests.fixtures.containers import QdrantNode, qdrant_nodes, skip_without_docker
from tests.fixtures.snapshots import SnapshotCommand
from tests.fixtures.store_client import client_of

pytestmark = pytest.mark.timeout(900)
CONTRACT = EmbeddingContract(joint="tiny@1", dim=4)
LAYOUT = Layout(shards=6, replicas=2)
ITEMS, BATCH = 600, 50
SETTLE_LIMIT_S = 180.0


def item(number: int) -> IndexedItem:
    vector = np.random.default_rng(number).normal(size=4).astype(np.float32)
    vector /= np.linalg.norm(vector)
    text, key = f"item {number}", str(number)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    made = Item(item_id("a", key), "a", ItemKind.IMAGE, 1, moment, key=key, text=text)
    return IndexedItem(made, ItemVectors(vector, vector, bm25.encode_document(text)), "job", number)


async def fill(url: str) -> str:
    async with Index(url, layout=LAYOUT, timeout_s=30) as index:
        collection = await index.ensure(CONTRACT)
        for start in range(0, ITEMS, BATCH):
            await index.upsert(collection, "a", [item(number) for number in range(start, start + BATCH)])
        return collection.name


def points(url: str, collection: str) -> dict[str, m.Record]:
    with client_of(url) as client:
        return {
            str(record.id): record for record in client.scroll(collection, limit=2 * ITEMS, with_vectors=True)[0]
        }


def wait_until_whole(nodes: Sequence[QdrantNode], collection: str) -> None:
    """Wait until every node sees every copy of every shard active."""
    deadline = time.monotonic() + SETTLE_LIMIT_S
    while not all(is_whole(node.url, collection) for node in nodes):
        assert time.monotonic() < deadline, "the copies did not catch up with the restored ones"
        time.sleep(1)


def is_whole(url: str, collection: str) -> bool:
    spread = httpx.get(f"{url}/collections/{collection}/cluster", timeout=10).raise_for_status().json()["result"]
    shards = spread["local_shards"] + spread["remote_shards"]
    return len(shards) == 6 * 2 and all(shard["state"] == "Active" for shard in shards)


def test_three_nodes_come_back_as_two(tmp_path: Path) -> None:
    skip_without_docker()
    with qdrant_nodes(3) as lost, qdrant_nodes(2) as new:
        collection = asyncio.run(fill(lost[0].url))
        wait_until_whole(lost, collection)
        lost[1].kill()  # the others have a copy of each of its shards
        options = [option for node in (lost[0], lost[2]) for option in ("--node", node.url)]
        manifest = SnapshotCommand(str(tmp_path / "vault"), lost[0].url).create(*options)
        assert [shard["shard"] for shard in manifest["shards"]] == list(range(6))
        command = SnapshotCommand(str(tmp_path / "vault"), new[0].url)
        restored = command.restore(*[option for node in new for option in ("--node", node.url)])
        assert restored["points"] == ITEMS
        wait_until_whole(new, collection)
        before = points(lost[0].url, collection)
        assert len(before) == ITEMS
        for node in new:
            assert points(node.url, collection) == before
            with client_of(node.url) as client:
                assert client.get_collection("imagerag").payload_schema.keys() >= {"tenant", "revision"}


def test_fetching_a_snapshot_from_an_address_is_off() -> None:
    skip_without_docker()
    with qdrant_nodes(1) as nodes:
        asyncio.run(fill(nodes[0].url))
        location = {"location": "http://127.0.0.1:6333/collections/a/snapshots/b"}
        response = httpx.put(f"{nodes[0].url}/collections/imagerag/snapshots/recover", json=location, timeout=30)
        assert response.status_code == 403, response.text
