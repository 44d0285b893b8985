"""Snapshots over HTTP, as the stock client and curl use them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import httpx
import pytest
from qdrant_client import QdrantClient
from qdrant_client.http import models as m

from tests.fixtures.store import StoreProcess
from tests.fixtures.store_client import SIZE, client_of, create_collection, error_of, revision_point


def fill(client: QdrantClient, collection: str, identifiers: range, revision: int = 1) -> None:
    client.upsert(collection, [revision_point(i, revision, float(i + 1)) for i in identifiers], wait=True)


def download(store: StoreProcess, collection: str, name: str) -> bytes:
    response = httpx.get(f"{store.url}/collections/{collection}/snapshots/{name}")
    assert response.status_code == 200
    return response.content


def upload(
    store: StoreProcess, collection: str, content: bytes, of: str = "snapshots", **params: str
) -> httpx.Response:
    return httpx.post(
        f"{store.url}/collections/{collection}/{of}/upload",
        params=params,
        files={"snapshot": ("any name", content)},
        timeout=60,
    )


def snapshot_of(store: StoreProcess, client: QdrantClient, collection: str) -> bytes:
    made = client.create_snapshot(collection)
    assert made is not None
    return download(store, collection, made.name)


@pytest.fixture
def other(client: QdrantClient, collection_name: str) -> Iterator[str]:
    """A name for a second collection, which is gone after the test."""
    name = f"{collection_name}-other"
    yield name
    client.delete_collection(name)


def test_the_stock_client_makes_lists_and_deletes(
    store: StoreProcess, client: QdrantClient, collection: str
) -> None:
    fill(client, collection, range(50))
    made = client.create_snapshot(collection)
    assert made is not None
    content = download(store, collection, made.name)
    assert (len(content), hashlib.sha256(content).hexdigest()) == (made.size, made.checksum)
    second = client.create_snapshot(collection)
    assert client.list_snapshots(collection) == [made, second]
    assert client.delete_snapshot(collection, made.name)
    assert client.list_snapshots(collection) == [second]
    assert httpx.get(f"{store.url}/collections/{collection}/snapshots/{made.name}").status_code == 404


def test_it_brings_back_what_was_there_and_nothing_else(
    store: StoreProcess, client: QdrantClient, collection: str
) -> None:
    fill(client, collection, range(100))
    fill(client, collection, range(50), revision=2)
    client.delete(collection, [7], wait=True)
    client.create_payload_index(collection, "key", m.PayloadSchemaType.KEYWORD, wait=True)
    before, _ = client.scroll(collection, limit=200, with_vectors=True)
    content = snapshot_of(store, client, collection)
    fill(client, collection, range(200, 260))
    client.delete(collection, list(range(20)), wait=True)
    response = upload(
        store, collection, content, priority="snapshot", checksum=hashlib.sha256(content).hexdigest()
    )
    assert response.json()["result"] is True
    after, _ = client.scroll(collection, limit=200, with_vectors=True)
    assert after == before
    assert "key" in client.get_collection(collection).payload_schema
    fill(client, collection, range(300, 310))
    assert client.count(collection).count == len(before) + 10


def test_a_collection_that_is_not_there_is_made(
    store: StoreProcess, client: QdrantClient, collection: str, other: str
) -> None:
    fill(client, collection, range(30))
    content = snapshot_of(store, client, collection)
    assert upload(store, other, content).status_code == 200
    assert client.count(other).count == 30
    assert client.get_collection(other).config == client.get_collection(collection).config


def test_an_alias_leads_to_the_collection_that_is_replaced(
    store: StoreProcess, client: QdrantClient, collection: str
) -> None:
    alias = f"{collection}-alias"
    made = m.CreateAlias(collection_name=collection, alias_name=alias)
    client.update_collection_aliases([m.CreateAliasOperation(create_alias=made)])
    fill(client, collection, range(10))
    content = snapshot_of(store, client, alias)
    fill(client, collection, range(10, 20))
    assert upload(store, alias, content).status_code == 200
    assert client.count(collection).count == client.count(alias).count == 10


def test_the_one_shard_is_the_collection(store: StoreProcess, client: QdrantClient, collection: str) -> None:
    fill(client, collection, range(10))
    made = client.create_shard_snapshot(collection, 0)
    assert made is not None
    assert client.list_shard_snapshots(collection, 0) == client.list_snapshots(collection) == [made]
    content = download(store, collection, made.name)
    client.delete(collection, [1], wait=True)
    assert upload(store, collection, content, of="shards/0/snapshots", priority="snapshot").status_code == 200
    assert client.count(collection).count == 10
    refused = httpx.post(f"{store.url}/collections/{collection}/shards/1/snapshots")
    assert refused.status_code == 404
    shards = client.collection_cluster_info(collection)
    assert [shard.state for shard in shards.local_shards] == [m.ReplicaState.ACTIVE]


def test_writes_go_on_and_what_was_answered_before_is_in_it(
    store: StoreProcess, client: QdrantClient, collection: str, other: str
) -> None:
    ended = threading.Event()
    confirmed = [0]

    def write() -> None:
        with client_of(store.url) as own:
            while not ended.is_set():
                fill(own, collection, range(confirmed[0], confirmed[0] + 10))
                confirmed[0] += 10

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            before = confirmed[0]
            content = snapshot_of(store, client, collection)
            after = confirmed[0] + 10
            assert upload(store, other, content).status_code == 200
            found = {int(record.id) for record in client.scroll(other, limit=100_000)[0]}
            assert set(range(before)) <= found == set(range(len(found)))
            assert len(found) % 10 == 0
            assert len(found) <= after
    finally:
        ended.set()
        writer.join()
    assert confirmed[0] > 50


def test_it_survives_a_restart(tmp_path: Path) -> None:
    with StoreProcess(tmp_path / "data") as store:
        with client_of(store.url) as client:
            create_collection(client, "a")
            fill(client, "a", range(20))
            content = snapshot_of(store, client, "a")
            client.delete_collection("a")
            assert upload(store, "a", content).status_code == 200
            made = client.create_snapshot("a")
        store.kill()
        store.start()
        with client_of(store.url) as client:
            assert client.count("a").count == 20
            assert client.list_snapshots("a") == [made]
            folders = [path.name for path in (store.folder / "collections").glob("*/shard-*")]
            assert len(folders) == 1
            assert list((store.folder / "uploads").iterdir()) == []


def other_vectors(client: QdrantClient, name: str, metadata: dict[str, str] | None = None) -> None:
    dense = m.VectorParams(size=SIZE + (0 if metadata else 1), distance=m.Distance.COSINE)
    client.create_collection(
        name,
        vectors_config={"image": dense, "text": dense},
        sparse_vectors_config={"bm25": m.SparseVectorParams(modifier=m.Modifier.IDF)},
        metadata=metadata,
    )


def test_other_vectors_are_refused_and_the_collection_stays(
    store: StoreProcess, client: QdrantClient, collection: str, other: str
) -> None:
    content = snapshot_of(store, client, collection)
    other_vectors(client, other)
    response = upload(store, other, content)
    assert response.status_code == 400
    assert "not compatible" in error_of(response)
    assert client.collection_exists(other)


def test_vectors_of_another_model_are_refused(
    store: StoreProcess, client: QdrantClient, collection: str, other: str
) -> None:
    content = snapshot_of(store, client, collection)
    other_vectors(client, other, {"model": "another"})
    response = upload(store, other, content)
    assert response.status_code == 409
    assert "another model" in error_of(response)


def test_a_wrong_checksum_is_refused(store: StoreProcess, client: QdrantClient, collection: str) -> None:
    content = snapshot_of(store, client, collection)
    response = upload(store, collection, content, checksum="0" * 64)
    assert response.status_code == 400
    assert "checksum mismatch" in error_of(response)


@pytest.mark.parametrize("seed", range(6))
def test_damaged_snapshots_are_refused_and_the_collection_stays(
    store: StoreProcess, client: QdrantClient, collection: str, seed: int
) -> None:
    """Bytes change anywhere, the engine's files included: the store answers, and lives."""
    fill(client, collection, range(40))
    content = bytearray(snapshot_of(store, client, collection))
    random = Random(seed)
    start = random.randrange(len(content))
    content[start : start + 4096] = random.randbytes(min(4096, len(content) - start))
    response = upload(store, collection, bytes(content))
    assert response.status_code in (200, 400, 409), response.text
    if response.status_code != 200:
        assert client.count(collection).count == 40
    assert httpx.get(f"{store.url}/readyz").status_code == 200
    folder = [path for path in (store.folder / "collections").iterdir() if (path / "collection.json").exists()]
    assert all(len(list(path.glob("shard-*"))) == 1 for path in folder)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "application/json"}, b"{}"),
        ({"content-type": "multipart/form-data"}, b"x"),
        ({"content-type": "multipart/form-data; boundary=b"}, b"no boundary"),
        ({"content-type": "multipart/form-data; boundary=b"}, b"--b\r\n\r\nx\r\n--b--\r\n"),
        (
            {"content-type": "multipart/form-data; boundary=b"},
            b'--b\r\nContent-Disposition: form-data; name="snapshot"; filename="f"\r\n\r\ncut off',
        ),
        ({}, b""),
    ],
)
def test_what_is_no_form_is_refused(
    store: StoreProcess, collection: str, headers: dict[str, str], body: bytes
) -> None:
    url = f"{store.url}/collections/{collection}/snapshots/upload"
    response = httpx.post(url, headers=headers, content=body)
    assert response.status_code == 400
    assert list((store.folder / "uploads").iterdir()) == []


def test_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    limited = {"IMAGERAG_STORE_SNAPSHOT_LIMIT_BYTES": "100000"}
    with StoreProcess(tmp_path / "data", limited) as store:
        announced = upload(store, "a", b"x" * 300_000)
        assert announced.status_code == 413
        boundary = b'--b\r\nContent-Disposition: form-data; name="snapshot"; filename="f"\r\n\r\n'
        unannounced = httpx.post(
            f"{store.url}/collections/a/snapshots/upload",
            headers={"content-type": "multipart/form-data; boundary=b"},
            content=iter([boundary, *[b"x" * 10_000] * 40]),
        )
        assert unannounced.status_code == 413
        assert list((store.folder / "uploads").iterdir()) == []


def test_fetching_from_an_address_is_off(store: StoreProcess, collection: str) -> None:
    for location in ("http://169.254.169.254/x", "file:///etc/passwd"):
        url = f"{store.url}/collections/{collection}/snapshots/recover"
        response = httpx.put(url, json={"location": location})
        assert response.status_code == 403
        assert "upload" in error_of(response)


@pytest.mark.parametrize("name", ["..%2F..%2Fcollection.json", "%2Fetc%2Fpasswd", "no-such.snapshot"])
def test_names_lead_nowhere_else(store: StoreProcess, collection: str, name: str) -> None:
    for method in ("GET", "DELETE"):
        response = httpx.request(method, f"{store.url}/collections/{collection}/snapshots/{name}")
        assert response.status_code in (404, 405), (method, response.text)


def test_snapshots_need_the_key(tmp_path: Path) -> None:
    with StoreProcess(tmp_path / "data", {"IMAGERAG_STORE_API_KEY": "secret"}) as store:
        url = f"{store.url}/collections/a/snapshots"
        assert httpx.post(url).status_code == 401
        assert upload(store, "a", b"x").status_code == 401
        assert httpx.post(url, headers={"api-key": "secret"}).status_code == 404
