"""`imagerag snapshots` as a process: folder and bucket, keys and TLS, what is kept and what is refused."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import s3fs
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from services.common.domain import IndexedItem, Item, ItemKind, ItemVectors
from services.common.errors import UnavailableError
from services.common.index import bm25
from services.common.index.contract import EmbeddingContract
from services.common.index.ids import item_id
from services.common.index.index import Index
from services.common.media.store import MediaStore
from services.common.objects import LocalObjects
from services.common.rpc.tls import TlsFiles
from tests.fixtures.bucket import BucketServer
from tests.fixtures.certificates import Authority
from tests.fixtures.colour_encoder import picture
from tests.fixtures.snapshots import CommandFailedError, SnapshotCommand
from tests.fixtures.store import StoreProcess
from tests.fixtures.store_client import client_of

CONTRACT = EmbeddingContract(joint="tiny@1", dim=4)
ITEMS = 40


async def fill(index: Index) -> str:
    collection = await index.ensure(CONTRACT)
    generator = np.random.default_rng(0)
    items = []
    for number in range(ITEMS):
        vector = generator.normal(size=4).astype(np.float32)
        vector /= np.linalg.norm(vector)
        text = f"number {number}"
        key = str(number)
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        item = Item(item_id("shop", key), "shop", ItemKind.IMAGE, 1, moment, key=key, text=text)
        items.append(IndexedItem(item, ItemVectors(vector, vector, bm25.encode_document(text)), "job", number))
    await index.upsert(collection, "shop", items)
    return collection.name


@pytest.fixture
async def collection(qdrant_url: str, collection_name: str) -> AsyncIterator[str]:
    """A filled collection behind the alias `collection_name`."""
    async with Index(qdrant_url, alias=collection_name) as index:
        yield await fill(index)


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer]:
    with BucketServer(tmp_path_factory.mktemp("bucket")) as server:
        yield server


def test_what_was_deleted_comes_back(
    qdrant_url: str, collection: str, collection_name: str, tmp_path: Path
) -> None:
    command = SnapshotCommand(f"file://{tmp_path}/vault", qdrant_url, collection_name)
    manifest = command.create("--node", qdrant_url)
    assert (manifest["collection"], manifest["points_before"]) == (collection, ITEMS)
    with client_of(qdrant_url) as client:
        config = client.get_collection(collection).config
        indexes = client.get_collection(collection).payload_schema
        assert client.list_shard_snapshots(collection, 0) == []
        client.delete_collection(collection)
        assert command.restore("--verify") == {"snapshot": manifest["name"], "verified": True}
        assert not client.collection_exists(collection)
        assert command.restore()["points"] == ITEMS
        restored = client.get_collection(collection_name)
        assert restored.config == config
        assert restored.payload_schema == indexes
        client.delete_collection(collection)


def test_pictures_are_saved_and_come_back_with_the_points(
    qdrant_url: str, collection: str, collection_name: str, tmp_path: Path
) -> None:
    kept = MediaStore(LocalObjects(tmp_path / "data"))
    digests = [kept.put("shop", picture("red", side)) for side in range(1, 6)]
    told = {"IMAGERAG_DATA_URL": str(tmp_path / "data")}
    command = SnapshotCommand(f"file://{tmp_path}/vault", qdrant_url, collection_name, told)
    assert command.create("--with-media")["media"]["objects"] == 5
    manifest = command.create("--with-media", "--keep", "1")
    assert (manifest["format"], manifest["media"]["objects"]) == (2, 5)
    empty = SnapshotCommand(
        f"file://{tmp_path}/vault", qdrant_url, collection_name, {"IMAGERAG_DATA_URL": f"file://{tmp_path}/new"}
    )
    with client_of(qdrant_url) as client:
        client.delete_collection(collection)
        assert empty.restore("--with-media", "--verify") == {"snapshot": manifest["name"], "verified": True}
        assert not client.collection_exists(collection)
        assert empty.restore("--with-media")["points"] == ITEMS
        client.delete_collection(collection)
    restored = MediaStore(LocalObjects(tmp_path / "new"))
    assert [restored.get("shop", digest) for digest in digests] == [kept.get("shop", digest) for digest in digests]

    (tmp_path / "vault" / "media" / "shop" / digests[0][:2] / digests[0]).write_bytes(b"other")
    with pytest.raises(CommandFailedError, match="damaged"):
        empty.restore("--with-media", "--verify")


def test_pictures_that_were_not_saved_are_not_promised(
    qdrant_url: str, collection: str, collection_name: str, tmp_path: Path
) -> None:
    told = {"IMAGERAG_DATA_URL": str(tmp_path / "data")}
    command = SnapshotCommand(f"file://{tmp_path}/vault", qdrant_url, collection_name, told)
    assert "media" not in command.create()
    with pytest.raises(CommandFailedError, match="without media"):
        command.restore("--with-media")
    with client_of(qdrant_url) as client:
        assert client.count(collection).count == ITEMS
        client.delete_collection(collection)


def test_a_bucket_keeps_them_too(
    qdrant_url: str, collection: str, collection_name: str, bucket: BucketServer, tmp_path: Path
) -> None:
    name = f"snapshots-{uuid.uuid4().hex[:8]}"
    endpoint = bucket.environment["AWS_ENDPOINT_URL"]
    s3fs.S3FileSystem(key="test", secret="test", endpoint_url=endpoint, skip_instance_cache=True).mkdir(name)
    kept = MediaStore(LocalObjects(tmp_path / "data"))
    digest = kept.put("shop", picture("red"))
    told = {**bucket.environment, "IMAGERAG_DATA_URL": str(tmp_path / "data")}
    command = SnapshotCommand(f"s3://{name}/backups", qdrant_url, collection_name, told)
    first = command.create("--keep", "1", "--with-media")["name"]
    second = command.create("--keep", "1", "--with-media")["name"]
    assert first < second
    assert command.names() == [second]
    (tmp_path / "data").rename(tmp_path / "gone")
    with client_of(qdrant_url) as client:
        client.delete_collection(collection)
        assert command.restore("--with-media")["points"] == ITEMS
        client.delete_collection(collection)
    assert kept.exists("shop", digest)


def test_what_is_wrong_is_said(qdrant_url: str, collection_name: str, tmp_path: Path) -> None:
    command = SnapshotCommand(str(tmp_path / "vault"), qdrant_url, collection_name)
    with pytest.raises(CommandFailedError, match="nothing_stored"):
        command.create()
    with pytest.raises(CommandFailedError, match="no_such_snapshot"):
        command.restore()
    with pytest.raises(CommandFailedError, match=r"^3: .*unavailable"):
        SnapshotCommand(str(tmp_path / "vault"), "http://127.0.0.1:1", collection_name).create()
    with pytest.raises(CommandFailedError, match="wrong_url"):
        SnapshotCommand("nothing://x", qdrant_url, collection_name).names()


@contextmanager
def front(upstream: str, files: TlsFiles | None = None, *, stalling: bool = False) -> Iterator[str]:
    """A server before a store; gives its address.

    Args:
        upstream: The store.
        files: For HTTPS.
        stalling: Send the beginning of a snapshot and never the rest.
    """
    ended = asyncio.Event()

    async def forward(request: Request) -> Response:
        async with httpx.AsyncClient(base_url=upstream, timeout=60) as client:
            answer = await client.request(
                request.method,
                request.url.path,
                params=dict(request.query_params),
                content=await request.body(),
                headers={name: value for name, value in request.headers.items() if name != "host"},
            )
        if stalling and answer.headers["content-type"] == "application/octet-stream":
            return StreamingResponse(begin(answer.content))
        return Response(answer.content, answer.status_code, {"content-type": answer.headers["content-type"]})

    async def begin(content: bytes) -> AsyncIterator[bytes]:
        yield content[: len(content) // 2]
        await ended.wait()

    methods = ["GET", "POST", "PUT", "DELETE"]
    application = Starlette(routes=[Route("/{path:path}", forward, methods=methods)])
    options: dict[str, Any] = {"port": 0, "log_level": "critical", "timeout_graceful_shutdown": 1}
    if files is not None:
        options |= {"ssl_certfile": str(files.certificate), "ssl_keyfile": str(files.key)}
    server = uvicorn.Server(uvicorn.Config(application, **options))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        scheme = "http" if files is None else "https"
        yield f"{scheme}://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


async def test_a_key_and_a_private_authority(tmp_path: Path) -> None:
    key = {"IMAGERAG_STORE_API_KEY": "a-secret-key"}
    files = Authority("private").issue(tmp_path / "tls")
    authority = files.trusted
    with StoreProcess(tmp_path / "store" / "data", key) as store, front(store.url, files) as url:
        async with Index(url, api_key="a-secret-key", ca_path=authority) as index:
            await fill(index)
        async with Index(url, api_key="a-secret-key") as stranger:
            with pytest.raises(UnavailableError):
                await stranger.resolve()
        secrets = tmp_path / "secrets"
        secrets.mkdir()
        (secrets / "QDRANT_API_KEY").write_text("a-secret-key\n")
        told = {"QDRANT_CA_PATH": str(authority), "IMAGERAG_SECRETS_DIR": str(secrets)}
        command = SnapshotCommand(str(tmp_path / "vault"), url, environment=told)
        assert command.create("--node", url)["points_before"] == ITEMS
        assert command.restore()["points"] == ITEMS
        keyless = SnapshotCommand(str(tmp_path / "vault"), url, environment={"QDRANT_CA_PATH": str(authority)})
        with pytest.raises(CommandFailedError) as refused:
            keyless.create()
        assert "a-secret-key" not in json.dumps(str(refused.value))


def test_a_file_that_is_no_authority_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ssl.SSLError):
        Index("https://127.0.0.1:1", ca_path=tmp_path / "ca.pem")._open()


async def test_a_command_told_to_stop_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM while a shard is read: neither a half snapshot in the vault nor a whole one on the node."""
    vault = tmp_path / "vault"
    with StoreProcess(tmp_path / "store" / "data") as store, front(store.url, stalling=True) as url:
        async with Index(store.url) as index:
            name = await fill(index)
        running = SnapshotCommand(str(vault), url).start("create", "--to", str(vault), "--node", url)
        while not list(vault.glob("*/shard-*")):
            assert running.poll() is None, "it must wait for the rest of the shard"
            await asyncio.sleep(0.05)
        running.terminate()
        output, errors = await asyncio.to_thread(running.communicate, timeout=60)
        assert running.returncode == 128 + signal.SIGTERM, output + errors
        assert list(vault.glob("*")) == []
        with client_of(store.url) as client:
            assert client.list_shard_snapshots(name, 0) == []
