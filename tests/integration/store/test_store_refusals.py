"""What is refused, with which status and in which shape, and that nothing of it is applied."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import UnexpectedResponse

from tests.fixtures.store import StoreProcess
from tests.fixtures.store_client import SIZE, client_of, create_collection, error_of, revision_point

GOOD = [0.5] * SIZE
NAN, INFINITE = "NaN", "Infinity"


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def deep_filter(levels: int, nested: bool) -> dict[str, Any]:
    source: dict[str, Any] = {"must": [{"key": "a", "match": {"value": 1}}]}
    for _ in range(levels):
        source = {"must": [{"nested": {"key": "a", "filter": source}} if nested else source]}
    return source


@pytest.fixture(scope="module")
def collection(client: QdrantClient) -> Iterator[str]:
    """One empty collection for the module: nothing here gets anything into it."""
    create_collection(client, "refusals")
    yield "refusals"
    client.delete_collection("refusals")


BAD_POINTS: dict[str, dict[str, Any]] = {
    "wrong dimension": {"id": 2, "vector": {"image": [1.0]}},
    "no numbers": {"id": 2, "vector": {"image": []}},
    "unknown name": {"id": 2, "vector": {"nope": GOOD}},
    "unnamed": {"id": 2, "vector": GOOD},
    "rows for one": {"id": 2, "vector": {"image": [GOOD]}},
    "nan": {"id": 2, "vector": {"image": [NAN, *GOOD[1:]]}},
    "infinite": {"id": 2, "vector": {"image": [INFINITE, *GOOD[1:]]}},
    "overflow": {"id": 2, "vector": {"image": [1e300, *GOOD[1:]]}},
    "overflow when squared": {"id": 2, "vector": {"image": [1e30, *GOOD[1:]]}},
    "sparse for dense": {"id": 2, "vector": {"image": {"indices": [1], "values": [1.0]}}},
    "dense for sparse": {"id": 2, "vector": {"bm25": GOOD}},
    "more indices": {"id": 2, "vector": {"bm25": {"indices": [1, 2], "values": [1.0]}}},
    "more values": {"id": 2, "vector": {"bm25": {"indices": [1], "values": [1.0, 2.0]}}},
    "twice an index": {"id": 2, "vector": {"bm25": {"indices": [1, 1], "values": [1.0, 2.0]}}},
    "negative index": {"id": 2, "vector": {"bm25": {"indices": [-1], "values": [1.0]}}},
    "large index": {"id": 2, "vector": {"bm25": {"indices": [2**32], "values": [1.0]}}},
    "sparse nan": {"id": 2, "vector": {"bm25": {"indices": [1], "values": [NAN]}}},
    "text in a vector": {"id": 2, "vector": {"image": ["1.0"] * SIZE}},
    "negative id": {"id": -1, "vector": {}},
    "large id": {"id": 2**64, "vector": {}},
    "id of letters": {"id": "abc", "vector": {}},
    "boolean id": {"id": True, "vector": {}},
    "deep payload": {"id": 2, "vector": {}, "payload": deep(65)},
    "payload nan": {"id": 2, "vector": {}, "payload": {"a": NAN}},
    "no vector": {"id": 2},
    "unknown field": {"id": 2, "vector": {}, "vectors": {}},
}


def encoded(body: object) -> bytes:
    """JSON with the bare words NaN and Infinity, as Python writes them and Qdrant refuses them."""
    return json.dumps(body).replace('"NaN"', "NaN").replace('"Infinity"', "Infinity").encode()


@pytest.mark.parametrize("bad", BAD_POINTS.values(), ids=BAD_POINTS.keys())
def test_a_wrong_point_is_refused_with_its_whole_batch(
    store: StoreProcess, client: QdrantClient, collection: str, bad: dict[str, Any]
) -> None:
    good = {"id": 1, "vector": {"image": GOOD}}
    url = f"{store.url}/collections/{collection}/points?wait=true"
    response = httpx.put(url, content=encoded({"points": [good, bad]}))
    assert response.status_code == 400, response.text
    assert len(error_of(response)) < 2000
    assert client.count(collection).count == 0
    client.upsert(collection, [revision_point(7, 1)])
    client.delete(collection, [7])


def test_after_all_that_the_store_can_be_opened_again(tmp_path: Path) -> None:
    with StoreProcess(tmp_path / "data") as store, client_of(store.url) as client:
        create_collection(client, "kept")
        client.upsert("kept", [revision_point(1, 1)])
        url = f"{store.url}/collections/kept/points"
        for bad in BAD_POINTS.values():
            httpx.put(url, content=encoded({"points": [bad]}))
        for nested in (True, False):
            body = encoded({"filter": deep_filter(60, nested)})
            assert httpx.post(f"{url}/delete", content=body).status_code == 400
        store.kill()
        store.start()
        with client_of(store.url) as again:
            assert [record.id for record in again.scroll("kept")[0]] == [1]
            again.upsert("kept", [revision_point(2, 1)])


OTHER_VECTORS = [
    ("PUT", "points/vectors", {"points": [{"id": 1, "vector": {"image": [1.0]}}]}),
    ("PUT", "points/vectors", {"points": [{"id": 1, "vector": {"bm25": {"indices": [1, 1], "values": [1, 2]}}}]}),
    ("PUT", "points", {"batch": {"ids": [1], "vectors": {"bm25": [{"indices": [1, 2], "values": [1]}]}}}),
    ("PUT", "points", {"batch": {"ids": [1, 2], "vectors": {"image": [GOOD]}}}),
    ("PUT", "points", {"batch": {"ids": [1], "vectors": {"image": [GOOD]}, "payloads": [{}, {}]}}),
    ("POST", "points/payload", {"payload": deep(65), "points": [1]}),
    ("POST", "points/payload", {"payload": {"a": 1}}),
    ("POST", "points/payload", {"payload": {"a": 1}, "points": [1], "key": "a[["}),
    ("POST", "points/delete", {"filter": deep_filter(20, nested=True)}),
    ("POST", "points/delete", {"points": ["abc"]}),
    ("POST", "points/vectors/delete", {"points": [1], "vector": ["nope"]}),
    ("POST", "points/scroll", {"filter": deep_filter(20, nested=False)}),
    ("POST", "points/scroll", {"offset": "abc"}),
    ("POST", "points/scroll", {"with_vector": ["nope"]}),
    ("POST", "points", {"ids": [-1]}),
    ("POST", "points/query", {"query": {"nearest": [1.0]}, "using": "image"}),
    ("POST", "points/query", {"query": {"recommend": {"negative": [GOOD]}}, "using": "image"}),
    ("POST", "points/count", {"filter": {"must": [{"key": "a", "range": {"lt": NAN}}]}}),
    ("PUT", "index", {"field_name": "a"}),
    ("PUT", "index", {"field_name": "a[[", "field_schema": "keyword"}),
    ("POST", "points/count", {"filter": {"must": [{"ky": "a"}]}}),
    ("POST", "facet", {"key": "not indexed"}),
]


@pytest.mark.parametrize(("method", "path", "body"), OTHER_VECTORS)
def test_other_wrong_bodies_are_refused(
    store: StoreProcess, collection: str, method: str, path: str, body: dict[str, Any]
) -> None:
    response = httpx.request(method, f"{store.url}/collections/{collection}/{path}", content=encoded(body))
    assert response.status_code == 400, response.text
    error_of(response)


@pytest.mark.parametrize("path", ["points/query", "points/scroll", "facet", "points/query/groups"])
@pytest.mark.parametrize("limit", [0, -1, 2**40])
def test_limits_out_of_range_are_422(store: StoreProcess, collection: str, path: str, limit: int) -> None:
    body = {"limit": limit} | ({"key": "a"} if path == "facet" else {"group_by": "a"} if "groups" in path else {})
    response = httpx.post(f"{store.url}/collections/{collection}/{path}", json=body)
    assert response.status_code == 422, response.text
    assert "limit" in error_of(response)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"points": 1}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_400(store: StoreProcess, collection: str, body: bytes) -> None:
    response = httpx.put(f"{store.url}/collections/{collection}/points", content=body)
    assert response.status_code == 400
    assert error_of(response).startswith("Format error in JSON body")


def test_a_deep_wrong_filter_is_refused_in_no_time(store: StoreProcess, collection: str) -> None:
    source = deep_filter(15, nested=False) | {"should": [{"key": "a", "match": {"valu": 1}}]}
    started = time.perf_counter()
    response = httpx.post(f"{store.url}/collections/{collection}/points/count", json={"filter": source})
    assert response.status_code == 400
    assert time.perf_counter() - started < 1.0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/snapshots"),
        ("POST", "/snapshots"),
        ("DELETE", "/cluster/peer/1"),
        ("PUT", "/collections/{}/shards"),
        ("POST", "/collections/{}/points/search/matrix/pairs"),
        ("POST", "/collections/{}/points/search"),
        ("POST", "/collections/{}/points/recommend/batch"),
        ("PUT", "/collections/{}/vectors/extra"),
        ("GET", "/telemetry"),
        ("GET", "/issues"),
    ],
)
def test_what_is_not_offered_is_501(store: StoreProcess, collection: str, method: str, path: str) -> None:
    response = httpx.request(method, store.url + path.format(collection), json={})
    assert response.status_code == 501
    assert "not offered by this store" in error_of(response)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("points/query", {"query": {"text": "a cat", "model": "qdrant/bm25"}, "using": "bm25"}),
        ("points/query", {"query": {"image": "data:", "model": "clip"}, "using": "image"}),
    ],
)
def test_inference_is_501(store: StoreProcess, collection: str, path: str, body: dict[str, Any]) -> None:
    response = httpx.post(f"{store.url}/collections/{collection}/{path}", json=body)
    assert response.status_code == 501
    assert "inference" in error_of(response)


def test_inference_in_an_upsert_is_501(store: StoreProcess, client: QdrantClient, collection: str) -> None:
    text = {"id": 2, "vector": {"bm25": {"text": "a cat", "model": "qdrant/bm25"}}}
    body = {"points": [{"id": 1, "vector": {"image": GOOD}}, text]}
    assert httpx.put(f"{store.url}/collections/{collection}/points", json=body).status_code == 501
    assert client.count(collection).count == 0


def test_an_unknown_path_is_404(store: StoreProcess) -> None:
    response = httpx.get(f"{store.url}/nothing/here")
    assert response.status_code == 404
    error_of(response)


LIMIT_BYTES = 20_000


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """A store with a key and a small body limit."""
    settings = {"IMAGERAG_STORE_API_KEY": "secret", "IMAGERAG_STORE_BODY_LIMIT_BYTES": str(LIMIT_BYTES)}
    with StoreProcess(tmp_path_factory.mktemp("guarded") / "data", settings) as process:
        yield process


@pytest.mark.parametrize(
    "headers", [{}, {"api-key": "secre"}, {"api-key": "secret2"}, {"authorization": "Bearer x"}]
)
def test_without_the_key_nothing_is_answered(guarded: StoreProcess, headers: dict[str, str]) -> None:
    for path in ("/collections", "/metrics", "/collections/a/points/1", "/nothing"):
        response = httpx.get(guarded.url + path, headers=headers)
        assert response.status_code == 401
        error_of(response)


def test_a_key_that_is_no_ascii_is_refused(guarded: StoreProcess) -> None:
    response = httpx.get(f"{guarded.url}/collections", headers=[(b"api-key", "sécret".encode())])
    assert response.status_code == 401


@pytest.mark.parametrize("headers", [{"api-key": "secret"}, {"authorization": "Bearer secret"}])
def test_with_the_key_all_is(guarded: StoreProcess, headers: dict[str, str]) -> None:
    assert httpx.get(f"{guarded.url}/collections", headers=headers).status_code == 200


def test_health_needs_no_key(guarded: StoreProcess) -> None:
    for path in ("/", "/healthz", "/livez", "/readyz"):
        assert httpx.get(guarded.url + path).status_code == 200


def test_the_stock_client_sends_the_key(guarded: StoreProcess) -> None:
    # The client warns that a key over plain HTTP can be read; on loopback it cannot.
    with pytest.warns(UserWarning, match="insecure"), client_of(guarded.url, "secret") as client:
        assert client.get_collections().collections == []
    with client_of(guarded.url) as client, pytest.raises(UnexpectedResponse, match="401"):
        client.get_collections()


def _chunks(size: int) -> Iterator[bytes]:
    for _ in range(size // 1000):
        yield b" " * 1000


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_the_limit_is_413(guarded: StoreProcess, announced: bool) -> None:
    content: Any = b" " * (LIMIT_BYTES * 10) if announced else _chunks(LIMIT_BYTES * 10)
    response = httpx.put(f"{guarded.url}/collections/a", content=content, headers={"api-key": "secret"})
    assert response.status_code == 413
    assert str(LIMIT_BYTES) in error_of(response)


def test_a_body_below_the_limit_is_read(guarded: StoreProcess) -> None:
    response = httpx.put(
        f"{guarded.url}/collections/a", content=_chunks(LIMIT_BYTES - 1000), headers={"api-key": "secret"}
    )
    assert response.status_code == 400
