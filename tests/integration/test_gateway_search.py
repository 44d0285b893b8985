import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import UnavailableError
from tests.fixtures.gateway import RunningGateway, drawn_picture, running_gateway, stored_picture


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path / "data", search_deadline_s=1.0, lookup_deadline_s=1.0) as running:
        stored_picture(running, "A cat on a mat", 1, tags=("pets",))
        stored_picture(running, "A rocket", 2)
        yield running


async def test_words_find_and_say_why(gateway: RunningGateway) -> None:
    answer = (await gateway.client.post("/v1/search", json={"text": "cat", "limit": 5})).json()
    (hit,) = answer["hits"]
    assert (hit["rank"], hit["relevant"], hit["item"]["title"]) == (1, True, "A cat on a mat")
    assert hit["why"]["matched_words"] == ["cat"]
    legs = {leg["leg"]: leg for leg in hit["why"]["legs"]}
    assert legs["image"]["direction"] == "text_to_image"
    assert legs["bm25"]["votes"] is True
    assert hit["score"] == pytest.approx(sum(leg["contribution"] for leg in legs.values()))
    assert answer["timings_ms"]["total"] > 0
    assert answer["nothing_relevant"] is False


async def test_a_picture_finds_its_like(gateway: RunningGateway) -> None:
    files: dict[str, Any] = {"image": ("q.png", drawn_picture(9)), "query": (None, json.dumps({"limit": 2}))}
    answer = (await gateway.client.post("/v1/search", files=files)).json()
    assert {leg["direction"] for hit in answer["hits"] for leg in hit["why"]["legs"]} == {"image_to_image"}
    assert gateway.behaviour.searches[-1].query.image == drawn_picture(9)


async def test_options_reach_the_retriever(gateway: RunningGateway) -> None:
    body = {"text": "cat", "filter": {"price": {"lte": 300}}, "legs": {"image": 0.5, "text": 0}, "rrf_k": 10}
    await gateway.client.post("/v1/search", json=body)
    sent = gateway.behaviour.searches[-1]
    assert json.loads(sent.filter_json) == {"price": {"lte": 300}}
    assert {leg.leg: leg.weight for leg in sent.legs} == {1: 0.5, 2: 0.0}
    assert sent.rrf_k == 10


async def test_nothing_relevant_is_an_answer(gateway: RunningGateway) -> None:
    answer = (await gateway.client.post("/v1/search", json={"text": "submarine"})).json()
    assert (answer["hits"], answer["nothing_relevant"]) == ([], True)
    nearest = {"text": "submarine", "include_irrelevant": True}
    hits = (await gateway.client.post("/v1/search", json=nearest)).json()["hits"]
    assert [hit["relevant"] for hit in hits] == [False, False]


@pytest.mark.parametrize(
    "body", ["{}", '{"text": " "}', '{"text": "x", "limit": 1000000000}', '{"text": NaN}', "[]"]
)
async def test_a_query_that_makes_no_sense(gateway: RunningGateway, body: str) -> None:
    answer = await gateway.client.post("/v1/search", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"


async def test_what_the_retriever_refuses_is_passed_on(gateway: RunningGateway) -> None:
    answer = await gateway.client.post("/v1/search", json={"text": "x", "filter": {"a": {"unknown_operator": 1}}})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_filter")


async def test_a_hostile_picture_never_reaches_the_retriever(gateway: RunningGateway) -> None:
    answer = await gateway.client.post("/v1/search", files={"image": ("q.svg", b"<svg/>")})
    assert (answer.status_code, answer.json()["code"]) == (415, "image_format")
    assert gateway.behaviour.searches == []


async def test_the_store_is_down(gateway: RunningGateway) -> None:
    gateway.behaviour.error = UnavailableError("The store does not answer.", retry_after_s=3)
    answer = await gateway.client.post("/v1/search", json={"text": "cat"})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.json()["retryable"] is True
    assert answer.headers["retry-after"] == "3"


async def test_the_retriever_is_gone(gateway: RunningGateway) -> None:
    await gateway.retriever.stop(0)
    answer = await asyncio.wait_for(gateway.client.post("/v1/search", json={"text": "cat"}), 8)
    assert answer.status_code in {503, 504}
    assert "retry-after" in answer.headers
    assert "127.0.0.1" not in answer.text


async def test_the_store_hangs(gateway: RunningGateway) -> None:
    gateway.behaviour.hang_s = 30
    started = asyncio.get_running_loop().time()
    answer = await gateway.client.post("/v1/search", json={"text": "cat"})
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
    assert asyncio.get_running_loop().time() - started < 3


async def test_facets(gateway: RunningGateway) -> None:
    answer = await gateway.client.get("/v1/facets?field=tags")
    assert answer.json() == {"values": [{"value": "pets", "count": 1}]}
    assert (await gateway.client.get("/v1/facets")).status_code == 422
    assert (await gateway.client.get("/v1/facets?field=tags&limit=100000")).status_code == 422
