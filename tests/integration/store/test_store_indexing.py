"""An index is built while the collection is written to, and the build may be cut off at any time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_client.http import models as m

from tests.fixtures.store import StoreProcess
from tests.fixtures.store_client import client_of, random_vector

WIDTH, POINTS = 32, 3000
State = dict[int, tuple[int, list[float]]]
"""Id to revision and vector."""


@pytest.fixture
def store_that_indexes(tmp_path: Path) -> Iterator[StoreProcess]:
    settings = {
        "IMAGERAG_STORE_INDEX_AFTER_POINTS": str(POINTS),
        "IMAGERAG_STORE_FLUSH_INTERVAL_S": "0.2",
    }
    with StoreProcess(tmp_path / "data", settings) as process:
        yield process


def create_collection(client: QdrantClient) -> None:
    client.create_collection(
        "indexed",
        vectors_config={"image": m.VectorParams(size=WIDTH, distance=m.Distance.DOT)},
        # Kilobytes of vectors: small, so that few points are worth an index.
        optimizers_config=m.OptimizersConfigDiff(indexing_threshold=1),
        hnsw_config=m.HnswConfigDiff(full_scan_threshold=1),
    )
    client.create_payload_index("indexed", "revision", m.PayloadSchemaType.INTEGER)


def write_some(client: QdrantClient, state: State, random: Random) -> None:
    """One of every kind of write, on the store and on its model in memory."""
    first = random.randrange(POINTS)
    identifiers = list(range(first, first + 20))
    match random.randrange(4):
        case 0:
            upsert(client, state, identifiers, revision=random.randrange(1, 100), random=random)
        case 1:
            client.delete("indexed", [*identifiers[:5]])
            for identifier in identifiers[:5]:
                state.pop(identifier, None)
        case 2:
            there = [identifier for identifier in identifiers if identifier in state]
            client.set_payload("indexed", {"revision": 1}, points=[*there])
            state |= {identifier: (1, state[identifier][1]) for identifier in there}
        case _:
            upsert(client, state, [POINTS + number for number in identifiers], revision=7, random=random)


def upsert(client: QdrantClient, state: State, identifiers: Sequence[int], revision: int, random: Random) -> None:
    vectors = {identifier: random_vector(random, WIDTH) for identifier in identifiers}
    client.upsert(
        "indexed",
        [
            m.PointStruct(id=identifier, vector={"image": vector}, payload={"revision": revision})
            for identifier, vector in vectors.items()
        ],
        update_filter=m.Filter(must=[m.FieldCondition(key="revision", range=m.Range(lt=revision))]),
    )
    for identifier, vector in vectors.items():
        if identifier not in state or state[identifier][0] < revision:
            state[identifier] = (revision, vector)


def assert_equal(client: QdrantClient, state: State) -> None:
    records, _ = client.scroll("indexed", limit=POINTS * 3, with_vectors=True)
    assert {record.id for record in records} == state.keys()
    for record in records:
        revision, vector = state[int(record.id)]
        assert record.payload == {"revision": revision}
        assert isinstance(record.vector, dict)
        assert record.vector["image"] == pytest.approx(vector, rel=1e-6)
    assert client.count("indexed").count == len(state)


def fill(client: QdrantClient, state: State, random: Random) -> None:
    for first in range(0, POINTS, 500):
        upsert(client, state, range(first, first + 500), revision=1, random=random)


def wait_for(happened: Callable[[], bool], limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def shards(store: StoreProcess) -> list[Path]:
    return list((store.folder / "collections").glob("*/shard-*"))


def test_writes_during_a_build_are_all_there_after_it(store_that_indexes: StoreProcess) -> None:
    store, random, state = store_that_indexes, Random(1), State()
    with client_of(store.url) as client:
        create_collection(client)
        fill(client, state, random)
        assert client.get_collection("indexed").indexed_vectors_count == 0
        written = 0
        while not client.get_collection("indexed").indexed_vectors_count:
            write_some(client, state, random)
            written += 1
        for _ in range(50):
            write_some(client, state, random)
        assert written > 3
        assert_equal(client, state)
        wait_for(lambda: len(shards(store)) == 1)
        query = random_vector(random, WIDTH)
        best = sorted(state, key=lambda identifier: -float(np.dot(query, state[identifier][1])))[:10]
        hits = client.query_points(
            "indexed", query=query, using="image", limit=10, search_params=m.SearchParams(hnsw_ef=400)
        ).points
        assert len({hit.id for hit in hits} & set(best)) >= 8
    store.kill()
    store.start()
    with client_of(store.url) as client:
        assert client.get_collection("indexed").indexed_vectors_count
        assert_equal(client, state)


@pytest.mark.parametrize("delay_s", [0.0, 0.5])
def test_a_kill_during_a_build_loses_nothing(store_that_indexes: StoreProcess, delay_s: float) -> None:
    store, random, state = store_that_indexes, Random(2), State()
    with client_of(store.url) as client:
        create_collection(client)
        fill(client, state, random)
        wait_for(lambda: len(shards(store)) == 2)
        deadline = time.monotonic() + delay_s
        while time.monotonic() < deadline:
            write_some(client, state, random)
    store.kill()
    store.start()
    with client_of(store.url) as client:
        assert_equal(client, state)
        fill(client, state, random)
        wait_for(lambda: bool(client.get_collection("indexed").indexed_vectors_count))
        assert_equal(client, state)
    wait_for(lambda: len(shards(store)) == 1)


def test_a_build_that_writes_overtake_is_given_up(tmp_path: Path) -> None:
    settings = {
        "IMAGERAG_STORE_INDEX_AFTER_POINTS": str(POINTS),
        "IMAGERAG_STORE_FLUSH_INTERVAL_S": "0.2",
        "IMAGERAG_STORE_INDEX_BACKLOG_POINTS": "10",
        "IMAGERAG_STORE_INDEX_PAUSE_S": "0",
    }
    random, state = Random(5), State()
    with StoreProcess(tmp_path / "data", settings) as store, client_of(store.url) as client:
        create_collection(client)
        fill(client, state, random)
        while "overtaken" not in store.log():
            write_some(client, state, random)
        assert_equal(client, state)
        # Left alone, the next build comes to its end.
        wait_for(lambda: bool(client.get_collection("indexed").indexed_vectors_count))
        assert_equal(client, state)


def test_a_collection_deleted_during_a_build_is_gone(store_that_indexes: StoreProcess) -> None:
    store, random, state = store_that_indexes, Random(3), State()
    with client_of(store.url) as client:
        create_collection(client)
        fill(client, state, random)
        wait_for(lambda: len(shards(store)) == 2)
        client.delete_collection("indexed")
        wait_for(lambda: "child_failed" in store.log() or "overtaken" in store.log())
        assert shards(store) == []
        create_collection(client)
        assert client.count("indexed").count == 0
    assert store.stop() == 0


def test_stopping_during_a_build_ends_the_child(store_that_indexes: StoreProcess) -> None:
    store, random, state = store_that_indexes, Random(4), State()
    with client_of(store.url) as client:
        create_collection(client)
        fill(client, state, random)
        wait_for(lambda: bool(_children(store.pid)))
        children = _children(store.pid)
    assert store.stop() == 0
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert len(shards(store)) == 1


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
