"""Health, readiness, metrics, the document, the page's headers, and the edge around every request."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.common.errors import InternalError
from tests.fixtures.gateway import RunningGateway, running_gateway


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path / "data") as running:
        yield running


async def test_ready(gateway: RunningGateway) -> None:
    assert (await gateway.client.get("/healthz")).json() == {"status": "ok"}
    answer = await gateway.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "missing": []})


async def test_what_is_missing_is_named_and_comes_back(gateway: RunningGateway) -> None:
    await gateway.retriever.set_health("store", False)
    answer = await gateway.client.get("/readyz")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["store"])
    await gateway.retriever.set_health("store", True)
    await asyncio.sleep(1.1)
    assert (await gateway.client.get("/readyz")).status_code == 200
    await gateway.retriever.stop(0)
    await asyncio.sleep(1.1)
    answer = await asyncio.wait_for(gateway.client.get("/readyz"), 5)
    assert answer.json()["missing"] == ["retriever"]


async def test_a_broker_that_is_down_is_missing_and_takes_no_jobs(tmp_path: Path) -> None:
    closed_port = "redis://127.0.0.1:9/0"
    async with running_gateway(tmp_path / "data", broker_url=closed_port) as gateway:
        assert (await gateway.client.get("/readyz")).json()["missing"] == ["broker"]
        answer = await asyncio.wait_for(gateway.client.post("/v1/items", json={"text": "x"}), 6)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert gateway.ledger.jobs("default", 1) == []
        assert (await gateway.client.post("/v1/search", json={"text": "x"})).status_code == 200


async def test_info(gateway: RunningGateway) -> None:
    found = (await gateway.client.get("/v1/info")).json()
    assert (found["model"], found["generator"], found["tenant"]) == ("starter", "extractive", "default")
    assert found["notice"].startswith("Starter model")
    assert found["ready"] is True


async def test_calls_are_counted_by_route_and_outcome(gateway: RunningGateway) -> None:
    for number in range(3):
        await gateway.client.get(f"/v1/jobs/unknown-{number}")
    await gateway.client.get("/no/such/path")
    await gateway.client.request("BREW", "/v1/search")
    text = (await gateway.client.get("/metrics")).text
    assert 'method="GET /v1/jobs/{job_id}",outcome="not_found"' in text
    assert 'method="GET unmatched"' in text
    assert "unknown-1" not in text
    assert "BREW" not in text
    assert "imagerag_call_seconds_bucket" in text


async def test_the_request_id_goes_in_and_out(gateway: RunningGateway) -> None:
    answer = await gateway.client.get("/v1/jobs/none", headers={"x-request-id": "order-66"})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "order-66"
    for odd in ("a b", "x" * 65, "<script>"):
        made = await gateway.client.get("/v1/jobs/none", headers={"x-request-id": odd})
        assert re.fullmatch(r"[0-9a-f]{32}", made.headers["x-request-id"])


async def test_an_unforeseen_error_tells_nothing(gateway: RunningGateway) -> None:
    gateway.behaviour.error = InternalError("a secret of the process")
    answer = await gateway.client.post("/v1/search", json={"text": "x"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("PATCH", "/v1/search", 405)])
async def test_errors_of_http_itself_are_problems(
    gateway: RunningGateway, method: str, path: str, status: int
) -> None:
    answer = await gateway.client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_the_page_is_protected(gateway: RunningGateway) -> None:
    answer = await gateway.client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = await gateway.client.get("/", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    for name in ("..%2fkeys.py", "%2e%2e/keys.py", "js/../../keys.py"):
        assert (await gateway.client.get(f"/page/{name}")).status_code == 404


async def test_answers_never_run_in_a_browser(gateway: RunningGateway) -> None:
    answer = await gateway.client.get("/v1/info")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_document_describes_bodies_and_errors(gateway: RunningGateway) -> None:
    document = (await gateway.client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    references = set(re.findall(r'"#/components/schemas/(\w+)"', (await gateway.client.get("/openapi.json")).text))
    assert references <= set(schemas)
    search = document["paths"]["/v1/search"]["post"]
    assert {"application/json", "multipart/form-data"} == set(search["requestBody"]["content"])
    assert schemas["SearchRequest"]["examples"]
    assert "ProblemModel" in str(search["responses"]["default"])
    for path in ("/v1/items", "/v1/items/{item_id}/image", "/v1/ask", "/v1/jobs/{job_id}/failures", "/readyz"):
        assert path in document["paths"]


async def test_a_stop_under_load_loses_no_answer(tmp_path: Path) -> None:
    async with running_gateway(tmp_path / "data", searches_in_flight=50) as gateway:
        gateway.behaviour.hang_s = 0.2
        calls = [asyncio.create_task(gateway.client.post("/v1/search", json={"text": "x"})) for _ in range(50)]
        await asyncio.sleep(0.15)
        stopping = asyncio.create_task(gateway.server.stop(5))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        await stopping
    answered = [answer for answer in answers if isinstance(answer, httpx.Response)]
    assert {answer.status_code for answer in answered} == {200}
    # The others were refused before they were taken up: safe to send again.
    refused = [answer for answer in answers if not isinstance(answer, httpx.Response)]
    assert all(isinstance(error, httpx.ConnectError | httpx.RemoteProtocolError) for error in refused)
