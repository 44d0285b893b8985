"""The store as a process: lock, restart, two clients at once, liveness, check."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import httpx
import orjson
import pytest
from qdrant_client.http import models as m

from tests.fixtures.store import StoreProcess
from tests.fixtures.store_client import SIZE, client_of, create_collection, revision_point


def run_store(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the store until it ends by itself."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("IMAGERAG_")}
    return subprocess.run(
        [sys.executable, "-m", "services.store", *arguments],
        env=inherited | {"IMAGERAG_STORE_PORT": "0"} | settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_check_composes_and_ends(tmp_path: Path) -> None:
    result = run_store("--check", IMAGERAG_STORE_DATA_PATH=str(tmp_path / "data"))
    assert (result.returncode, result.stdout) == (0, "store: ok\n")


def test_a_second_opener_is_refused_and_the_first_is_unharmed(tmp_path: Path) -> None:
    with StoreProcess(tmp_path / "data") as store, client_of(store.url) as client:
        create_collection(client, "one")
        client.upsert("one", [revision_point(1, 1)])
        second = run_store("--check", IMAGERAG_STORE_DATA_PATH=str(store.folder))
        assert second.returncode == 2
        assert "IMAGERAG_STORE_DATA_PATH" in second.stderr
        assert "in use by another store" in second.stderr
        client.upsert("one", [revision_point(2, 1)])
        store.kill()
        store.start()
        with client_of(store.url) as again:
            assert again.count("one").count == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IMAGERAG_STORE_DATA_PATH", "/dev/null/store"),
        ("IMAGERAG_STORE_BODY_LIMIT_BYTES", "0"),
        ("IMAGERAG_STORE_HOST", "0.0.0.0"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, name: str, value: str) -> None:
    result = run_store("--check", **{"IMAGERAG_STORE_DATA_PATH": str(tmp_path), name: value})
    assert result.returncode == 2
    assert name in result.stderr


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    alias = m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name="one", alias_name="current"))
    with StoreProcess(tmp_path / "data") as store:
        with client_of(store.url) as client:
            create_collection(client, "one")
            create_collection(client, "two")
            client.update_collection("one", metadata={"fingerprint": "f"})
            client.create_payload_index("one", "revision", m.PayloadSchemaType.INTEGER)
            client.update_collection_aliases([alias])
            client.upsert("one", [revision_point(number, number) for number in range(100)])
            client.delete("one", list(range(50)))
            client.delete_collection("two")
            before = client.scroll("one", limit=1000, with_vectors=True)
            config = client.get_collection("one").config
        for end in (store.stop, store.kill):
            end()
            store.start()
            with client_of(store.url) as client:
                assert client.scroll("current", limit=1000, with_vectors=True) == before
                assert client.get_collection("one").config == config
                assert set(client.get_collection("one").payload_schema) == {"revision"}
                assert [found.name for found in client.get_collections().collections] == ["one"]


def test_what_was_answered_survives_sigkill_at_once(tmp_path: Path) -> None:
    with StoreProcess(tmp_path / "data", {"IMAGERAG_STORE_FLUSH_INTERVAL_S": "1000"}) as store:
        for number in range(5):
            with client_of(store.url) as client:
                if not number:
                    create_collection(client, "one")
                client.upsert("one", [revision_point(number, number)], wait=True)
                store.kill()
            store.start()
        with client_of(store.url) as client:
            assert client.count("one").count == 5


WRITER = """
    import sys
    from qdrant_client import QdrantClient, models
    url, name, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
    client = QdrantClient(url=url, check_compatibility=False)
    for start in range(first, first + 500, 50):
        client.upsert(name, [models.PointStruct(id=number, vector={"image": [float(number + 1)] * 8},
                                                payload={"writer": first}) for number in range(start, start + 50)])
        found = client.query_points(name, query=[1.0] * 8, using="image", limit=5, with_payload=True)
        assert len(found.points) == 5
    print("done", client.count(name, count_filter=models.Filter(must=[models.FieldCondition(
        key="writer", match=models.MatchValue(value=first))])).count)
"""


def test_two_processes_at_once(store: StoreProcess, collection: str) -> None:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), store.url, collection]
    writers = [
        subprocess.Popen([*command, str(first)], stdout=subprocess.PIPE, text=True) for first in (0, 10_000)
    ]
    assert [writer.communicate(timeout=60)[0] for writer in writers] == ["done 500\n"] * 2
    with client_of(store.url) as client:
        ids = {record.id for record in client.scroll(collection, limit=2000)[0]}
    assert ids == {*range(500), *range(10_000, 10_500)}


def test_health_stays_live_while_the_engine_works(store: StoreProcess, collection: str) -> None:
    vector = [0.5] * SIZE
    points = [{"id": number, "vector": {"image": vector, "text": vector}} for number in range(3000)]
    body = orjson.dumps({"points": points})
    ended = threading.Event()
    statuses: list[int] = []

    def write() -> None:
        for _ in range(5):
            url = f"{store.url}/collections/{collection}/points?wait=true"
            statuses.append(httpx.put(url, content=body, timeout=60).status_code)
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    seconds: list[float] = []
    while not ended.is_set():
        started = time.perf_counter()
        assert httpx.get(f"{store.url}/readyz").status_code == 200
        seconds.append(time.perf_counter() - started)
    writer.join()
    assert statuses == [200] * 5
    assert max(seconds) < 5.0  # an engine call holds the global lock: bounded by one call, not by the queue


def test_metrics_count_calls(store: StoreProcess) -> None:
    httpx.get(f"{store.url}/collections/not-there")
    text = httpx.get(f"{store.url}/metrics").text
    assert 'imagerag_calls_total{method="GET /collections/{name}",outcome="404",transport="rest"}' in text
    assert "imagerag_store_waiting_calls" in text
    assert "imagerag_store_collections" in text


def test_a_collection_that_cannot_be_opened_keeps_no_other_away(tmp_path: Path) -> None:
    with StoreProcess(tmp_path / "data") as store:
        with client_of(store.url) as client:
            create_collection(client, "good")
            create_collection(client, "bad")
            client.upsert("good", [revision_point(1, 1)])
        store.stop()
        for description in (store.folder / "collections").glob("*/collection.json"):
            content = orjson.loads(description.read_bytes())
            if content["name"] == "bad":
                (description.parent / content["shard"] / "edge_config.json").write_text("{")
        store.start()
        with client_of(store.url) as client:
            assert client.count("good").count == 1
            assert httpx.get(f"{store.url}/collections/bad").status_code == 500
            assert client.collection_exists("bad")
            assert client.delete_collection("bad")
            create_collection(client, "bad")
            assert client.count("bad").count == 0
