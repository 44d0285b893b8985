"""The audit log of a gateway that is a process of its own: what stands in it, and what never does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from services.common.api_keys import hash_of
from tests.fixtures.api_keys import bearer, key_line, write_keys
from tests.fixtures.gateway_process import GatewayProcess

WRITER, LOOKER, OPERATOR, WRONG = "key-that-writes", "key-that-looks", "key-that-operates", "key-that-is-wrong"
QUERY = "a-query-nobody-may-log"
TEXT = "a-text-nobody-may-log"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("audit")
    keys = write_keys(
        folder / "keys",
        key_line(WRITER, name="writer", scopes=["write"]),
        key_line(LOOKER, name="looker", scopes=["read"]),
        key_line(OPERATOR, name="operator", scopes=["admin"]),
    )
    settings = {
        "IMAGERAG_GATEWAY_KEYS_PATH": str(keys),
        "IMAGERAG_GATEWAY_TRUSTED_PROXIES": "127.0.0.0/8",
        "IMAGERAG_LOG_LEVEL": "warning",
    }
    with GatewayProcess(folder / "data", settings) as process:
        yield process


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=20) as opened:
        yield opened


def line_of(gateway: GatewayProcess, request_id: str) -> dict[str, Any]:
    """The one audit line of a request; it is written right after the answer."""
    deadline = time.monotonic() + 5
    while not (found := lines_of(gateway, request_id)) and time.monotonic() < deadline:
        time.sleep(0.01)
    (line,) = found
    return line


def lines_of(gateway: GatewayProcess, request_id: str) -> list[dict[str, Any]]:
    """The audit lines of one request."""
    lines = [json.loads(line) for line in gateway.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("event") == "audit" and line["request_id"] == request_id]


def call(client: httpx.Client, method: str, path: str, key: str, **request: Any) -> tuple[int, str]:
    """Status and request id."""
    headers = bearer(key) | request.pop("headers", {})
    answer = client.request(method, path, headers=headers, **request)
    return answer.status_code, answer.headers["x-request-id"]


def test_a_write_is_one_line(gateway: GatewayProcess, client: httpx.Client) -> None:
    forwarded = {"x-forwarded-for": "6.6.6.6, 198.51.100.4"}
    status, request_id = call(client, "POST", "/v1/items", WRITER, json={"text": TEXT}, headers=forwarded)
    line = line_of(gateway, request_id)
    expected = {"method": "POST", "route": "/v1/items", "status": status, "key": "writer", "tenant": "shop"}
    assert {name: line[name] for name in expected} == expected
    assert line["client"] == "198.51.100.4"
    assert (status, line["outcome"]) == (202, "ok")
    assert set(line) == {
        *expected,
        "client",
        "outcome",
        "request_id",
        "event",
        "level",
        "logger",
        "timestamp",
        "service",
    }


def test_an_operators_look_is_a_line(gateway: GatewayProcess, client: httpx.Client) -> None:
    status, request_id = call(client, "GET", "/metrics", OPERATOR)
    assert status == 200
    assert line_of(gateway, request_id)["key"] == "operator"


def test_a_refusal_is_a_line(gateway: GatewayProcess, client: httpx.Client) -> None:
    for key, status, name, outcome in (
        (WRONG, 401, "", "unauthenticated"),
        (LOOKER, 403, "looker", "missing_scope"),
    ):
        answered, request_id = call(client, "DELETE", f"/v1/items/{QUERY}", key)
        line = line_of(gateway, request_id)
        assert (answered, line["status"], line["key"], line["outcome"]) == (status, status, name, outcome)
        assert line["route"] == "/v1/items/{item_id}"


def test_a_read_is_none(gateway: GatewayProcess, client: httpx.Client) -> None:
    status, request_id = call(client, "POST", "/v1/search", LOOKER, json={"text": QUERY})
    assert status == 200
    _, later = call(client, "GET", "/metrics", OPERATOR)
    line_of(gateway, later)
    assert lines_of(gateway, request_id) == []


def test_a_flood_of_refusals_is_cut_and_counted(gateway: GatewayProcess, client: httpx.Client) -> None:
    before = gateway.log().count('"outcome": "unauthenticated"')
    for _ in range(100):
        client.get("/v1/info")
    written = gateway.log().count('"outcome": "unauthenticated"') - before
    assert 0 < written < 100


def test_nothing_secret_is_anywhere(gateway: GatewayProcess, client: httpx.Client) -> None:
    """Runs last: all requests before it have left their marks, or have not."""
    client.get(f"/v1/info?key={WRITER}", headers=bearer(WRONG))
    client.post("/v1/ask", json={"question": QUERY, "unknown": TEXT}, headers=bearer(LOOKER))
    client.post("/v1/search", content=f'{{"text": "{QUERY}"', headers=bearer(LOOKER))
    metrics = client.get("/metrics", headers=bearer(OPERATOR)).text
    said = gateway.log()
    for key in (WRITER, LOOKER, OPERATOR, WRONG):
        for mark in (key, hash_of(key).hex()):
            assert mark not in said
            assert mark not in metrics
    for mark in (QUERY, TEXT):
        assert mark not in said
        assert mark not in metrics
    assert '"event": "audit"' in said
    print(f"\naudit: {said.count('audit')} lines, {len(said):,} bytes of log; no key, hash, query or text in it")
