"""Scopes, limits, lanes, other origins and security headers, over a real gateway."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.gateway.policy import RULES, Rule
from tests.fixtures.api_keys import bearer, key_line, write_keys
from tests.fixtures.gateway import RunningGateway, drawn_picture, running_gateway, stored_picture

KEYED = [rule for rule in RULES if rule.scopes]
ONLY = {"read": "only-reads", "write": "only-writes", "admin": "only-looks"}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    lines = [key_line(key, scopes=[scope], name=f"{scope} key") for scope, key in ONLY.items()]
    slow = key_line("slow", requests_per_s=1.0, name="slow")
    narrow = key_line("narrow", concurrent=2, name="narrow")
    keys = write_keys(tmp_path / "keys", *lines, slow, narrow)
    async with running_gateway(tmp_path / "data", keys_path=keys) as running:
        yield running


@pytest.mark.parametrize("rule", KEYED, ids=lambda rule: f"{rule.method} {rule.path}")
async def test_each_address_takes_its_scope_and_no_other(gateway: RunningGateway, rule: Rule) -> None:
    method, path, needed = rule.method, rule.path.replace("{", "").replace("}", ""), rule.scopes
    for scope, key in ONLY.items():
        answer = await gateway.client.request(method, path, headers=bearer(key))
        if scope in needed:
            assert answer.status_code not in {401, 403}
        else:
            assert answer.status_code == 403
            if method != "HEAD":
                assert answer.json()["code"] == "missing_scope"
                assert all(repr(str(other)) in answer.json()["detail"] for other in needed)


async def test_the_metrics_tell_strangers_nothing(gateway: RunningGateway) -> None:
    assert (await gateway.client.get("/metrics")).status_code == 401
    assert "imagerag_calls_total" in (await gateway.client.get("/metrics", headers=bearer("only-looks"))).text


async def test_too_many_requests_are_told_when_to_come_back(gateway: RunningGateway) -> None:
    async def look() -> httpx.Response:
        return await gateway.client.get("/v1/jobs", headers=bearer("slow"))

    answers = [await look() for _ in range(12)]
    refused = answers[-1]
    assert [answer.status_code for answer in answers[:10]] == [200] * 10
    assert answers[0].headers["ratelimit-limit"] == "10"
    assert answers[0].headers["ratelimit-remaining"] == "9"
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.json()["retryable"] is True
    assert refused.headers["ratelimit-remaining"] == "0"
    wait_s = int(refused.headers["retry-after"])
    assert 1 <= wait_s <= 2
    assert (await gateway.client.get("/v1/jobs", headers=bearer("narrow"))).status_code == 200
    await asyncio.sleep(wait_s)
    assert (await look()).status_code == 200


async def test_a_key_has_so_many_at_once(gateway: RunningGateway) -> None:
    gateway.behaviour.hang_s = 0.5
    calls = [gateway.client.post("/v1/search", json={"text": "x"}, headers=bearer("narrow")) for _ in range(5)]
    other = gateway.client.post("/v1/search", json={"text": "x"}, headers=bearer("only-reads"))
    *answers, unharmed = await asyncio.gather(*calls, other)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429, 429]
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 429)
    assert unharmed.status_code == 200
    again = await gateway.client.post("/v1/search", json={"text": "x"}, headers=bearer("narrow"))
    assert again.status_code == 200


async def test_above_its_places_a_lane_refuses_at_once(tmp_path: Path) -> None:
    async with running_gateway(tmp_path / "data", searches_in_flight=3) as gateway:
        gateway.behaviour.hang_s = 1.0

        async def search() -> tuple[int, float]:
            started = time.perf_counter()
            answer = await gateway.client.post("/v1/search", json={"text": "x"})
            if answer.status_code == 503:
                assert (answer.json()["code"], answer.headers["retry-after"]) == ("overloaded", "1")
            return answer.status_code, time.perf_counter() - started

        searches = asyncio.gather(*(search() for _ in range(12)))
        await asyncio.sleep(0.1)
        assert (await gateway.client.get("/v1/jobs")).status_code == 200
        outcomes = await searches
        served = [took_s for status, took_s in outcomes if status == 200]
        refused = [took_s for status, took_s in outcomes if status == 503]
        assert (len(served), len(refused)) == (3, 9)
        assert max(refused) < 0.5
        assert (await search())[0] == 200


async def test_a_reader_who_leaves_gives_its_place_back(tmp_path: Path) -> None:
    async with running_gateway(tmp_path / "data", questions_in_flight=1) as gateway:
        stored_picture(gateway, "A cat", 1)
        gateway.behaviour.pause_s = 30
        stream = {"accept": "text/event-stream"}
        async with gateway.client.stream("POST", "/v1/ask", json={"question": "cat"}, headers=stream) as answer:
            async for line in answer.aiter_lines():
                if line == "event: text":
                    break
            full = await gateway.client.post("/v1/ask", json={"question": "cat"})
            assert full.status_code == 503
        await asyncio.wait_for(gateway.behaviour.generation_cancelled.wait(), 5)
        gateway.behaviour.pause_s = 0
        async with asyncio.timeout(3):
            while (await gateway.client.post("/v1/ask", json={"question": "cat"})).status_code == 503:
                await asyncio.sleep(0.05)


async def test_slow_bodies_hold_no_place_of_a_search(tmp_path: Path) -> None:
    async with running_gateway(tmp_path / "data", searches_in_flight=1) as gateway:
        host, port = gateway.url.removeprefix("http://").split(":")
        writers = []
        for _ in range(5):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"POST /v1/search HTTP/1.1\r\nhost: localhost\r\ncontent-length: 20\r\n\r\n{")
            await writer.drain()
            writers.append(writer)
        await asyncio.sleep(0.1)
        assert (await gateway.client.post("/v1/search", json={"text": "x"})).status_code == 200
        for writer in writers:
            writer.close()
            await writer.wait_closed()


async def test_waiting_for_an_item_holds_no_place_of_an_upload(tmp_path: Path) -> None:
    async with running_gateway(tmp_path / "data", uploads_in_flight=1) as gateway:
        waiting = asyncio.create_task(gateway.client.post("/v1/items?wait_s=5", json={"text": "x"}))
        while not gateway.ledger.open_jobs():
            await asyncio.sleep(0.01)
        async with asyncio.timeout(3):
            while (await gateway.client.put("/v1/media", content=drawn_picture(1))).status_code == 503:
                await asyncio.sleep(0.05)
        assert not waiting.done()
        ((tenant, job_id),) = gateway.ledger.open_jobs()
        gateway.work(gateway.ledger.job(tenant, job_id))
        assert (await waiting).status_code == 201


async def test_a_refused_upload_gets_its_answer(gateway: RunningGateway) -> None:
    large = b"0" * 8_000_000
    for key, status in (("wrong", 401), ("only-reads", 403)):
        answer = await gateway.client.put("/v1/media", content=large, headers=bearer(key))
        assert (answer.status_code, answer.headers["connection"]) == (status, "close")
    small = await gateway.client.put("/v1/media", content=b"0" * 1000, headers=bearer("wrong"))
    assert small.status_code == 401
    assert "connection" not in small.headers


async def test_other_origins_are_let_in_by_name_alone(tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys", key_line("key"))
    shop = "https://shop.example"
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    async with running_gateway(tmp_path / "data", keys_path=keys, cors_origins=shop) as gateway:
        preflight = await gateway.client.options("/v1/search", headers={"origin": shop, **asked})
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == shop
        assert "access-control-allow-credentials" not in preflight.headers
        stranger = await gateway.client.options("/v1/search", headers={"origin": "https://evil.example", **asked})
        assert "access-control-allow-origin" not in stranger.headers
        refused = await gateway.client.post("/v1/search", json={"text": "x"}, headers={"origin": shop})
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == shop  # else a page could not read why
        assert "Retry-After" in refused.headers["access-control-expose-headers"]


async def test_no_other_origin_is_let_in_by_default(gateway: RunningGateway) -> None:
    headers = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    preflight = await gateway.client.options("/v1/search", headers=headers)
    assert preflight.status_code == 405
    assert not [name for name in preflight.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/page/js/main.js", "/openapi.json", "/healthz", "/v1/info", "/no"]
)
async def test_every_answer_protects_browsers(gateway: RunningGateway, path: str) -> None:
    headers = (await gateway.client.get(path, headers=bearer("only-reads"))).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] in {"no-store", "no-cache"}
    assert "strict-transport-security" not in headers
    assert "server" not in headers


async def test_the_page_is_alone_in_its_window(gateway: RunningGateway) -> None:
    headers = (await gateway.client.get("/")).headers
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]


async def test_https_is_insisted_on_where_it_is_said(tmp_path: Path) -> None:
    async with running_gateway(tmp_path / "data", hsts_s=31_536_000) as gateway:
        answer = await gateway.client.get("/")
        assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_the_document_says_which_key_is_needed(gateway: RunningGateway) -> None:
    document = (await gateway.client.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["ApiKey"]["scheme"] == "bearer"
    for rule in RULES:
        if rule.path not in document["paths"]:
            continue
        operation = document["paths"][rule.path][rule.method.lower()]
        assert operation["security"] == ([{"ApiKey": []}] if rule.scopes else [])
        if rule.scopes:
            assert operation["x-scopes"] == list(rule.scopes)
            assert {"401", "403", "429", "503"} <= operation["responses"].keys()
