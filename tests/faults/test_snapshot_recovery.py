"""Q4: a snapshot taken under writes, everything lost, restored: what was confirmed before is there, unchanged."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from qdrant_client import QdrantClient
from qdrant_client.http import models as m

from services.common.domain import IndexedItem, Item, ItemKind, ItemVectors, Vector
from services.common.index import bm25
from services.common.index.contract import EmbeddingContract
from services.common.index.ids import item_id
from services.common.index.index import Index
from services.common.jobs.deletes import Delete, DeleteLog
from services.common.jobs.messages import batches
from services.common.jobs.records import Job, JobSource, ManifestLine
from services.common.jobs.reopening import reopen
from services.common.objects import open_objects
from services.common.revision import RevisionClock
from tests.fixtures.brokers import ValkeyProcess, free_port
from tests.fixtures.containers import qdrant_server, skip_without_docker
from tests.fixtures.odd_pictures import encode, noise
from tests.fixtures.snapshots import SnapshotCommand
from tests.fixtures.store import StoreProcess
from tests.fixtures.store_client import client_of, create_collection, revision_point
from tests.fixtures.workers import (
    StoredItems,
    Surroundings,
    WorkerProcess,
    colours_in_background,
    wait_for,
    wait_until_closed,
)
from workers.reconcile.deleting import delete_again

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]
DIM, BATCH = 32, 20
CONTRACT = EmbeddingContract(joint="tiny@1", dim=DIM)
TENANT = "shop"
BEFORE, QUERIES = 3000, 50
"""Items stored before the snapshot begins; further ones come while it is made."""


def indexed(number: int, revision: int) -> IndexedItem:
    """An item whose every part follows from its number and revision."""
    generator = np.random.default_rng([number, revision])
    image, text = (_unit(generator.normal(size=DIM)) for _ in range(2))
    words = f"number {number} revision {revision}"
    item = Item(
        id=item_id(TENANT, str(number)),
        tenant=TENANT,
        kind=ItemKind.IMAGE,
        revision=revision,
        ingested_at=datetime(2026, 1, 1, tzinfo=UTC),
        key=str(number),
        text=words,
    )
    return IndexedItem(item, ItemVectors(image, text, bm25.encode_document(words)), "job", number)


def _unit(vector: npt.NDArray[np.float64]) -> Vector:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@dataclass
class Writer:
    """Writes new items, and every third batch new revisions of old ones, until it is told to stop.

    Attributes:
        confirmed: Number to the newest revision that was confirmed.
        slowest_s: The longest that one write took.
    """

    url: str
    alias: str
    confirmed: dict[int, int] = field(default_factory=dict)
    slowest_s: float = 0.0
    _ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        asyncio.run(self._write())

    def stop(self) -> None:
        self._ended.set()

    async def _write(self) -> None:
        random, next_number, revision = Random(7), 0, 1
        async with Index(self.url, alias=self.alias) as index:
            collection = await index.ensure(CONTRACT)
            while not self._ended.is_set():
                revision += 1
                if next_number and revision % 3 == 0:
                    numbers = random.sample(range(next_number), BATCH)
                else:
                    numbers = list(range(next_number, next_number + BATCH))
                    next_number += BATCH
                started = time.perf_counter()
                await index.upsert(collection, TENANT, [indexed(number, revision) for number in numbers])
                self.slowest_s = max(self.slowest_s, time.perf_counter() - started)
                self.confirmed |= dict.fromkeys(numbers, revision)


@pytest.fixture(params=["embedded", "server"])
def qdrants(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Two servers with nothing in common: what is lost, and what it is restored to."""
    with ExitStack() as stack:
        if request.param == "embedded":
            stores = [stack.enter_context(StoreProcess(tmp_path / name / "data")) for name in ("first", "second")]
            yield stores[0].url, stores[1].url
            return
        skip_without_docker()
        yield stack.enter_context(qdrant_server()), stack.enter_context(qdrant_server())


def all_points(client: QdrantClient, collection: str) -> dict[str, m.Record]:
    found: dict[str, m.Record] = {}
    offset = None
    while True:
        page, offset = client.scroll(collection, limit=1000, offset=offset, with_vectors=True)
        found |= {str(record.id): record for record in page}
        if offset is None:
            return found


def nearest(client: QdrantClient, collection: str, query: Vector, within: list[str]) -> list[tuple[str, float]]:
    answer = client.query_points(
        collection,
        query=query.tolist(),
        using="image",
        query_filter=m.Filter(must=[m.HasIdCondition(has_id=list(within))]),
        search_params=m.SearchParams(exact=True),
        limit=10,
    )
    return [(str(point.id), round(point.score, 4)) for point in answer.points]


def test_what_was_confirmed_before_the_snapshot_is_restored(
    qdrants: tuple[str, str], tmp_path: Path, collection_name: str
) -> None:
    lost_url, new_url = qdrants
    writer = Writer(lost_url, collection_name)
    thread = threading.Thread(target=writer.run)
    thread.start()
    try:
        wait_for(lambda: len(writer.confirmed) >= BEFORE, limit_s=120)
        writer.slowest_s, before, started = 0.0, dict(writer.confirmed), time.perf_counter()
        manifest = SnapshotCommand(str(tmp_path / "vault"), lost_url, collection_name).create()
        made_s, slowest_s, after = time.perf_counter() - started, writer.slowest_s, dict(writer.confirmed)
    finally:
        writer.stop()
        thread.join()
    assert len(after) > len(before), "the test means writes that go on"
    started = time.perf_counter()
    restored = SnapshotCommand(str(tmp_path / "vault"), new_url, collection_name).restore()
    restored_s = time.perf_counter() - started

    collection = manifest["collection"]
    with client_of(lost_url) as lost, client_of(new_url) as new:
        points = all_points(new, collection)
        assert new.count(collection, exact=True).count == len(points) == restored["points"]
        assert_whole(points, before)
        assert_same_answers(lost, new, collection, points)
    asyncio.run(assert_usable(new_url, collection_name, len(points)))
    print(
        f"\nsnapshot of {len(points)} points ({len(before)} confirmed before) in {made_s:.1f} s with the command, "
        f"slowest write meanwhile {slowest_s * 1000:.0f} ms, restored in {restored_s:.1f} s, "
        f"{manifest['shards'][0]['size_bytes'] / 2**20:.1f} MiB"
    )


def assert_whole(points: dict[str, m.Record], before: dict[int, int]) -> None:
    """Each confirmed item at its confirmed revision or a newer one, with the vectors and payload of that one."""
    for number, revision in before.items():
        record = points[item_id(TENANT, str(number))]
        assert record.payload is not None
        assert record.payload["revision"] >= revision
        expected = indexed(number, record.payload["revision"])
        assert record.payload["text"] == expected.item.text
        assert isinstance(record.vector, dict)
        assert expected.vectors.image is not None
        assert expected.vectors.text is not None
        np.testing.assert_allclose(np.array(record.vector["image"]), expected.vectors.image, atol=1e-5)
        np.testing.assert_allclose(np.array(record.vector["text"]), expected.vectors.text, atol=1e-5)
        sparse = record.vector["bm25"]
        assert isinstance(sparse, m.SparseVector)
        assert expected.vectors.bm25 is not None
        assert sorted(sparse.indices) == sorted(expected.vectors.bm25.indices)


def assert_same_answers(
    lost: QdrantClient, new: QdrantClient, collection: str, points: dict[str, m.Record]
) -> None:
    """Top 10 of 50 queries, over the points that are alike in both: what was lost went on being written."""
    there = all_points(lost, collection)
    alike = [point for point, record in points.items() if there[point].payload == record.payload]
    assert len(alike) > BEFORE / 2
    generator = np.random.default_rng(11)
    for _ in range(QUERIES):
        query = _unit(generator.normal(size=DIM))
        assert nearest(new, collection, query, alike) == nearest(lost, collection, query, alike)


async def assert_usable(url: str, alias: str, points: int) -> None:
    """The alias leads there, and writing goes on."""
    async with Index(url, alias=alias) as index:
        collection = await index.ensure(CONTRACT)
        assert await index.count(collection, TENANT) == points
        await index.upsert(collection, TENANT, [indexed(10**6, 1)])
        assert await index.count(collection, TENANT) == points + 1


def test_a_store_killed_while_it_restores_has_the_old_state_or_the_new_one(tmp_path: Path) -> None:
    """Old and new differ in every point, so that a mixture would show."""
    store, random, outcomes = StoreProcess(tmp_path / "store" / "data"), Random(3), {"old": 0, "new": 0}
    numbers = range(1500)
    with store:
        with client_of(store.url) as client:
            create_collection(client, "a")
            client.upsert("a", [revision_point(number, 1) for number in numbers], wait=True)
            made = client.create_snapshot("a")
            assert made is not None
            content = httpx.get(f"{store.url}/collections/a/snapshots/{made.name}").content
        took_s = upload(store, content)
        for _ in range(14):
            with client_of(store.url) as client:
                client.upsert("a", [revision_point(number, 2) for number in numbers], wait=True)
            thread = threading.Thread(target=upload, args=(store, content))
            thread.start()
            time.sleep(random.random() * took_s * 1.3)
            store.kill()
            thread.join()
            store.start()
            outcomes[state_of(store)] += 1
            folders = list((store.folder / "collections").iterdir())
            assert len(folders) == 1
            assert len(list(folders[0].glob("shard-*"))) == 1
        assert upload(store, content) > 0
        assert state_of(store) == "new"
    print(f"\nkilled 14 times during a restore of {took_s:.2f} s: {outcomes}")
    assert min(outcomes.values()) > 0, f"the kills must strike on both sides of the switch: {outcomes}"


def upload(store: StoreProcess, content: bytes) -> float:
    """Restore; the seconds it took, or 0 if the store did not answer."""
    started = time.perf_counter()
    try:
        url = f"{store.url}/collections/a/snapshots/upload"
        httpx.post(url, files={"snapshot": content}, timeout=60).raise_for_status()
    except httpx.TransportError:
        return 0.0
    return time.perf_counter() - started


def state_of(store: StoreProcess) -> str:
    with client_of(store.url) as client:
        revisions = {(record.payload or {})["revision"] for record in client.scroll("a", limit=10_000)[0]}
        assert client.count("a", exact=True).count == 1500
    assert len(revisions) == 1, "half restored"
    return {1: "new", 2: "old"}[revisions.pop()]


def test_a_store_killed_while_it_makes_a_snapshot_keeps_no_half(tmp_path: Path) -> None:
    store, random = StoreProcess(tmp_path / "store" / "data"), Random(5)
    with store:
        with client_of(store.url) as client:
            create_collection(client, "a")
            client.upsert("a", [revision_point(number, 1) for number in range(3000)], wait=True)
            started = time.perf_counter()
            assert client.create_snapshot("a") is not None
            took_s = time.perf_counter() - started
        for _ in range(8):
            thread = threading.Thread(target=snapshot_quietly, args=(store.url,))
            thread.start()
            time.sleep(random.random() * took_s)
            store.kill()
            thread.join()
            store.start()
            with client_of(store.url) as client:
                assert client.count("a", exact=True).count == 3000
                for found in client.list_snapshots("a"):
                    content = httpx.get(f"{store.url}/collections/a/snapshots/{found.name}").content
                    assert len(content) == found.size
            folder = next((store.folder / "collections").iterdir())
            assert len(list(folder.glob("shard-*"))) == 1
            assert not list((folder / "snapshots").glob("*.part"))


def snapshot_quietly(url: str) -> None:
    try:
        httpx.post(f"{url}/collections/a/snapshots", timeout=60)
    except httpx.TransportError:
        return


@dataclass
class Plant:
    """Workers, and a store that keeps its address when its folder is lost."""

    surroundings: Surroundings
    store: StoreProcess

    def submit(self, seeds: range) -> Job:
        media = self.surroundings.media()
        lines = [
            ManifestLine(f"{seed}.jpg", sha256=media.put(TENANT, encode(noise(32, 32, seed), "JPEG")))
            for seed in seeds
        ]
        job = self.surroundings.ledger().accept(TENANT, lines, JobSource("upload"))
        self.surroundings.publish(list(batches(job)))
        return job

    def lose_everything(self) -> None:
        self.store.kill()
        shutil.rmtree(self.store.folder)
        self.store.start()


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    """One worker and one beat."""
    port = {"IMAGERAG_STORE_PORT": str(free_port())}
    with (
        ValkeyProcess(tmp_path / "broker") as broker,
        StoreProcess(tmp_path / "store" / "data", port) as store,
        colours_in_background() as encoder,
    ):
        surroundings = Surroundings(tmp_path / "data", broker.url, store.url, encoder)
        with WorkerProcess(surroundings, "beat", ["beat"]), WorkerProcess(surroundings, "worker"):
            yield Plant(surroundings, store)


def test_the_reconciler_brings_what_came_after_the_snapshot(plant: Plant, tmp_path: Path) -> None:
    """And what was deleted after it stays deleted, also what had come after it: 1 of the old and 1 of the new."""
    ledger, stored = plant.surroundings.ledger(), StoredItems(plant.store.url)
    command = SnapshotCommand(str(tmp_path / "vault"), plant.store.url)
    first = plant.submit(range(200))
    wait_until_closed(ledger, TENANT, first.id, 120)
    manifest = command.create()
    second = plant.submit(range(200, 400))
    wait_until_closed(ledger, TENANT, second.id, 120)
    objects, clock = open_objects(str(plant.surroundings.folder)), RevisionClock()
    deleted = [ledger.outcomes(job)[7].item_id for job in (first, second)]
    for each in deleted:
        DeleteLog(objects).note(Delete(TENANT, each, clock.next()))
        assert stored.delete(TENANT, each)

    started = time.perf_counter()
    plant.lose_everything()
    assert command.restore()["points"] == 200
    restored_s = time.perf_counter() - started
    assert stored.count(TENANT) == 200, "the deleted one is back with the others"
    begun = datetime.fromisoformat(manifest["created_at"])
    assert asyncio.run(repeat_deletes(plant, DeleteLog(objects), begun)) == 2
    assert reopen(objects, begun) == [second.id]
    ledger = plant.surroundings.ledger()
    progress = wait_until_closed(ledger, TENANT, second.id, 120)
    print(f"\n200 items back by the snapshot after {restored_s:.1f} s, ", end="")
    print(f"200 more by the reconciler after {time.perf_counter() - started:.1f} s")
    assert (progress.stored, progress.failed) == (200, 0)
    assert stored.count(TENANT) == 398
    assert all(found.deleted for found in stored.of(TENANT, deleted).values())


async def repeat_deletes(plant: Plant, log: DeleteLog, since: datetime) -> int:
    async with Index(plant.store.url) as index:
        return await delete_again(index, log, since)
