"""The store is killed again and again while a client writes; what it confirmed must be there, and nothing else.

After Qdrant's own crasher: SIGKILL with p = 0.3 at short intervals during 5,000 upserts.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from random import Random

import pytest
from qdrant_client.http import models as m
from qdrant_client.http.exceptions import ApiException

from tests.fixtures.store import StoreProcess
from tests.fixtures.store_client import SIZE, client_of

POINTS, BATCH = 5000, 10
KILL_PROBABILITY, PERIOD_S = 0.3, 1.0
MIN_KILLS, MAX_KILLS = 8, 20
"""The upper bound keeps the test short where a restart takes long."""
PAUSE_S = 0.1
SEED = 20_240_501


def written(identifier: int, revision: int) -> m.PointStruct:
    """A point that can be told whole from half: each part follows from the id and the revision."""
    image = [float(identifier + 1), float(revision)] + [1.0] * (SIZE - 2)
    text = [float(revision), float(identifier + 1)] + [2.0] * (SIZE - 2)
    sparse = m.SparseVector(indices=[identifier % 97, 100 + revision], values=[1.0, float(identifier + 1)])
    return m.PointStruct(
        id=identifier,
        vector={"image": image, "text": text, "bm25": sparse},
        payload={"identifier": identifier, "revision": revision},
    )


def create_collection(store: StoreProcess) -> None:
    """Dot product leaves vectors as they are; the index begins at 1 kB."""
    dense = m.VectorParams(size=SIZE, distance=m.Distance.DOT)
    with client_of(store.url) as client:
        client.create_collection(
            "crashed",
            vectors_config={"image": dense, "text": dense},
            sparse_vectors_config={"bm25": m.SparseVectorParams(modifier=m.Modifier.IDF)},
            optimizers_config=m.OptimizersConfigDiff(indexing_threshold=1),
        )


class Killer:
    """Kills and restarts the store on a thread of its own."""

    def __init__(self, store: StoreProcess) -> None:
        self._store, self._random = store, Random(SEED)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.kills, self.restart_seconds = 0, 0.0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while self.kills < MAX_KILLS and not self._ended.wait(PERIOD_S):
            if self._random.random() < KILL_PROBABILITY:
                self._store.kill()
                started = time.perf_counter()
                self._store.start()
                self.restart_seconds = max(self.restart_seconds, time.perf_counter() - started)
                self.kills += 1


class Writer:
    """Writes batches until each is confirmed."""

    def __init__(self, store: StoreProcess) -> None:
        self._store = store
        self.confirmed: dict[int, int] = {}
        self.retries = 0

    def write(self, identifiers: range, revision: int) -> None:
        points = [written(identifier, revision) for identifier in identifiers]
        while True:
            try:
                with client_of(self._store.url) as client:
                    result = client.upsert("crashed", points, wait=True)
                assert result.status == m.UpdateStatus.COMPLETED
                self.confirmed |= dict.fromkeys(identifiers, revision)
                return
            except ApiException:  # refused, reset or cut off: unknown, so once more
                self.retries += 1
                time.sleep(0.2)


def all_points(store: StoreProcess) -> tuple[dict[int, m.Record], int]:
    records: dict[int, m.Record] = {}
    seen, offset = 0, None
    with client_of(store.url) as client:
        while True:
            page, offset = client.scroll("crashed", limit=500, offset=offset, with_vectors=True)
            records |= {int(record.id): record for record in page}
            seen += len(page)
            if offset is None:
                assert seen == len(records), "scroll gives a point twice"
                return records, client.count("crashed", exact=True).count


def assert_whole(record: m.Record, revision: int) -> None:
    expected = written(int(record.id), revision)
    assert record.payload == expected.payload
    assert isinstance(record.vector, dict)
    assert isinstance(expected.vector, dict)
    assert record.vector["image"] == expected.vector["image"]
    assert record.vector["text"] == expected.vector["text"]
    found, sparse = record.vector["bm25"], expected.vector["bm25"]
    assert isinstance(found, m.SparseVector)
    assert isinstance(sparse, m.SparseVector)
    assert dict(zip(found.indices, found.values, strict=True)) == dict(
        zip(sparse.indices, sparse.values, strict=True)
    )


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("index_after_points", ["0", "600"], ids=["plain", "with index builds"])
def test_what_was_confirmed_survives_sigkill(tmp_path: Path, index_after_points: str) -> None:
    settings = {"IMAGERAG_STORE_FLUSH_INTERVAL_S": "0.5", "IMAGERAG_STORE_INDEX_AFTER_POINTS": index_after_points}
    started = time.perf_counter()
    with StoreProcess(tmp_path / "data", settings) as store:
        create_collection(store)
        killer, writer = Killer(store), Writer(store)
        killer.start()
        try:
            for first in range(0, POINTS, BATCH):
                # Every fourth batch writes an older one again: replacing must survive as well.
                writer.write(range(first, first + BATCH), revision=1)
                if first % (4 * BATCH) == 0 and first:
                    writer.write(range(first // 2, first // 2 + BATCH), revision=2)
                time.sleep(PAUSE_S)
            while killer.kills < MIN_KILLS:
                writer.write(range(BATCH), revision=1)
        finally:
            killer.stop()
        store.restart()
        records, count = all_points(store)
        builds = store.log().count('"outcome": "built"')
    print(
        f"\n{writer.retries} retries, {killer.kills} kills, {builds} index builds, "
        f"slowest restart {killer.restart_seconds:.1f} s, {len(writer.confirmed)} confirmed, "
        f"{len(records)} scrolled, {count} counted, {time.perf_counter() - started:.0f} s"
    )
    assert killer.kills >= MIN_KILLS
    assert records.keys() == writer.confirmed.keys() == set(range(POINTS))
    assert count == len(records)
    for identifier, record in records.items():
        assert_whole(record, writer.confirmed[identifier])
