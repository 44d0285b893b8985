import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from services.common.errors import UnavailableError
from tests.fixtures.gateway import RunningGateway, drawn_picture, running_gateway, stored_picture

STREAM = {"accept": "text/event-stream"}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path / "data") as running:
        for seed, title in enumerate(("A cat on a mat", "A black cat", "A rocket"), start=1):
            stored_picture(running, title, seed)
        yield running


def parse_events(text: str) -> list[tuple[str, Any]]:
    blocks = [block.split("\n") for block in text.strip().split("\n\n") if block.startswith("event")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


async def test_an_answer_cites_its_hits(gateway: RunningGateway) -> None:
    answer = (await gateway.client.post("/v1/ask", json={"question": "Is there a cat?"})).json()
    assert "[1]" in answer["answer"]
    by_rank = {hit["rank"]: hit["item"]["id"] for hit in answer["hits"]}
    assert {cited["number"]: cited["item_id"] for cited in answer["citations"]} == by_rank
    assert (answer["model"], answer["nothing_relevant"]) == ("extractive", False)


async def test_an_answer_streams_in_order(gateway: RunningGateway) -> None:
    answer = await gateway.client.post("/v1/ask", json={"question": "cat"}, headers=STREAM)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = parse_events(answer.text)
    assert [name for name, _ in events] == ["hits", "text", "text", "done"]
    assert len(events[0][1]["hits"]) == 2
    assert "".join(data["text"] for name, data in events if name == "text") == events[-1][1]["answer"]


async def test_nothing_relevant(gateway: RunningGateway) -> None:
    answer = (await gateway.client.post("/v1/ask", json={"question": "submarine"})).json()
    assert (answer["nothing_relevant"], answer["citations"], answer["hits"]) == (True, [], [])


async def test_a_question_with_a_picture(gateway: RunningGateway) -> None:
    files: dict[str, Any] = {"image": ("q.png", drawn_picture(9)), "query": (None, '{"question": "cat"}')}
    answer = await gateway.client.post("/v1/ask", files=files)
    assert len(answer.json()["hits"]) == 3


@pytest.mark.parametrize("reads_images", [True, False])
async def test_pictures_go_to_a_generator_that_looks_at_them(gateway: RunningGateway, reads_images: bool) -> None:
    gateway.behaviour.reads_images = reads_images
    files: dict[str, Any] = {
        "image": ("q.png", drawn_picture(9, 900, 700)),
        "query": (None, '{"question": "cat"}'),
    }
    await gateway.client.post("/v1/ask", files=files)
    asked = gateway.behaviour.questions[0]
    pictures = [asked.question_image, *(source.image for source in asked.sources)]
    assert asked.asked_with_image
    expected = [(512, 398)] + [(320, 240)] * 3 if reads_images else [None] * 4
    assert [size_of(picture) for picture in pictures] == expected


def size_of(picture: bytes) -> tuple[int, int] | None:
    return Image.open(io.BytesIO(picture)).size if picture else None


@pytest.mark.parametrize("headers", [{}, STREAM])
async def test_no_question_is_refused_before_the_stream(gateway: RunningGateway, headers: dict[str, str]) -> None:
    answer = await gateway.client.post("/v1/ask", json={}, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_an_error_ends_the_stream_as_an_event(gateway: RunningGateway) -> None:
    gateway.behaviour.error = UnavailableError("The store does not answer.")
    events = parse_events((await gateway.client.post("/v1/ask", json={"question": "cat"}, headers=STREAM)).text)
    assert [(name, data["code"]) for name, data in events] == [("error", "unavailable")]


async def test_a_crash_behind_the_stream_tells_nothing(gateway: RunningGateway) -> None:
    gateway.behaviour.crash = True
    text = (await gateway.client.post("/v1/ask", json={"question": "cat"}, headers=STREAM)).text
    assert parse_events(text)[-1][1]["code"] == "internal"
    assert "secret" not in text


async def test_a_reader_who_leaves_stops_the_generator(gateway: RunningGateway) -> None:
    gateway.behaviour.pause_s = 30
    async with (
        httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client,
        client.stream("POST", "/v1/ask", json={"question": "cat"}, headers=STREAM) as answer,
    ):
        async for chunk in answer.aiter_text():
            if "event: text" in chunk:
                break
    await asyncio.wait_for(gateway.behaviour.generation_cancelled.wait(), 5)


async def test_a_caller_who_does_not_wait_for_the_whole_answer_stops_it_too(gateway: RunningGateway) -> None:
    gateway.behaviour.pause_s = 30
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=0.5) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/v1/ask", json={"question": "cat"})
    await asyncio.wait_for(gateway.behaviour.generation_cancelled.wait(), 5)
    gateway.behaviour.pause_s = 0
    assert (await gateway.client.post("/v1/ask", json={"question": "cat"})).status_code == 200
