"""The local vision-language model: a real one with random weights, over HTTP, as its clients use it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from services.common.domain import Item, ItemKind
from services.common.media.images import ImageLimits
from services.common.objects import LocalObjects
from services.common.settings import SettingsError
from services.common.web.server import HttpServer
from services.vision.app import application, compose
from services.vision.backends.base import Piece
from services.vision.conversation import Wish, Written
from services.vision.settings import VisionSettings
from tests.fixtures.gateway import drawn_picture
from tests.fixtures.tiny_vision import WINDOW_TOKENS, save_tiny_vision
from workers.caption_settings import CaptionSettings
from workers.enrich.captions.opening import open_captions
from workers.enrich.enrichment import Enrichment, SeenPicture

PICTURE = drawn_picture(1, 320, 240)
URL = "data:image/png;base64," + base64.b64encode(PICTURE).decode()


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_vision(tmp_path_factory.mktemp("models") / "tiny-llava")


@asynccontextmanager
async def vision(folder: Path, **settings: Any) -> AsyncIterator[str]:
    chosen = VisionSettings(port=0, model=str(folder), threads=1, precision="float32", **settings)
    async with compose(chosen) as server:
        yield f"http://{await server.start()}/v1"
        await server.stop(0.0)


def question(text: str, **fields: Any) -> dict[str, Any]:
    content = [{"type": "image_url", "image_url": {"url": URL}}, {"type": "text", "text": text}]
    return {"model": "tiny-llava", "messages": [{"role": "user", "content": content}], **fields}


async def test_an_answer_comes_whole_and_in_pieces(model_folder: Path) -> None:
    async with vision(model_folder) as url, AsyncOpenAI(api_key="none", base_url=url) as client:
        assert [model.id async for model in client.models.list()] == ["tiny-llava"]
        asked = question("What is it?", max_tokens=24, temperature=0)
        whole = await client.chat.completions.create(**asked)
        streamed = await client.chat.completions.create(**asked, stream=True)
        chunks = [chunk async for chunk in streamed]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content
    assert text
    assert whole.usage is not None
    assert 1 <= whole.usage.completion_tokens <= 24
    expected = "length" if whole.usage.completion_tokens == 24 else "stop"
    assert whole.choices[0].finish_reason == chunks[-1].choices[0].finish_reason == expected


async def test_the_answer_depends_on_the_picture_and_on_the_words(model_folder: Path) -> None:
    other = "data:image/png;base64," + base64.b64encode(drawn_picture(5, 240, 320)).decode()
    async with vision(model_folder) as url, httpx.AsyncClient(base_url=url) as client:
        asked = question("What is it?", max_tokens=16)
        of_another = json.loads(json.dumps(asked).replace(URL, other))
        texts = []
        for each in (asked, asked, of_another, question("Where?", max_tokens=16)):
            answer = (await client.post("/chat/completions", json=each)).json()
            texts.append(answer["choices"][0]["message"]["content"])
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


async def test_captions_are_written_by_it(model_folder: Path, tmp_path: Path) -> None:
    """The random model writes no JSON: what it writes is either taken as prose or refused, and nothing else."""
    seen = SeenPicture(
        "acme",
        hashlib.sha256(PICTURE).hexdigest(),
        PICTURE,
        Item("i", "acme", ItemKind.IMAGE, 1, datetime(2026, 1, 1, tzinfo=UTC)),
    )
    async with vision(model_folder) as url, AsyncExitStack() as stack:
        settings = CaptionSettings(caption_base_url=url, caption_model="tiny-llava", caption_answer_tokens=64)
        enricher = await open_captions(settings, LocalObjects(tmp_path), ImageLimits(), stack)
        (found,) = await enricher.enrich([seen])
    if isinstance(found, Enrichment):
        assert found.caption is not None
        assert found.caption.model == "tiny-llava"
    else:
        assert found.code == "model_answer"


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        (question("x", model="other"), 404, "tiny-llava"),
        (question("x", response_format={"type": "json_object"}), 400, "response_format"),
        (question("word " * WINDOW_TOKENS), 400, "context length"),
        ({"model": "tiny-llava", "messages": []}, 400, "messages"),
    ],
)
async def test_what_cannot_be_done_is_said(
    model_folder: Path, asked: dict[str, Any], status: int, said: str
) -> None:
    async with vision(model_folder) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.post("/chat/completions", json=asked)
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]


async def test_a_call_above_the_limit_is_refused(model_folder: Path) -> None:
    async with vision(model_folder, body_limit_bytes=2048) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.post("/chat/completions", content=b"x" * 4096)).status_code == 413


async def test_a_key_is_asked_for(model_folder: Path) -> None:
    async with vision(model_folder, api_key="secret") as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/models")).status_code == 401
        assert (await client.get("/models", headers={"authorization": "Bearer secret"})).status_code == 200


async def test_a_model_that_is_none_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(SettingsError, match="IMAGERAG_VISION_MODEL"):
        async with vision(tmp_path):
            pass


async def test_it_is_not_opened_to_a_network_without_a_key(model_folder: Path) -> None:
    with pytest.raises(SettingsError, match="IMAGERAG_VISION_API_KEY"):
        async with vision(model_folder, host="0.0.0.0"):
            pass


class SlowWriter:
    """A model that writes one word every 10 ms until its tokens run out, and knows what became of its calls."""

    name = "slow"

    def __init__(self) -> None:
        self.inside = self.most_inside = self.written = self.stopped = 0

    def write(self, wish: Wish, piece: Piece, stop: threading.Event) -> Written:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            for number in range(wish.answer_tokens):
                if stop.wait(0.01):
                    self.stopped += 1
                    return Written("", is_whole=False, prompt_tokens=1, answer_tokens=number)
                self.written += 1
                piece("word ")
        finally:
            self.inside -= 1
        return Written(
            "word " * wish.answer_tokens, is_whole=True, prompt_tokens=1, answer_tokens=wish.answer_tokens
        )


@asynccontextmanager
async def slow(waiting_limit: int) -> AsyncIterator[tuple[SlowWriter, httpx.AsyncClient]]:
    writer = SlowWriter()
    settings = VisionSettings(model="slow", waiting_limit=waiting_limit)
    server = HttpServer(application(settings, writer), "127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=f"http://{await server.start()}/v1", timeout=30.0) as client:
        yield writer, client
    await server.stop(0.0)


def plain(tokens: int, **fields: Any) -> dict[str, Any]:
    return {"model": "slow", "messages": [{"role": "user", "content": "x"}], "max_tokens": tokens, **fields}


async def test_one_answer_at_a_time_and_a_bounded_queue() -> None:
    async with slow(waiting_limit=2) as (writer, client):
        answers = await asyncio.gather(*(client.post("/chat/completions", json=plain(20)) for _ in range(6)))
        refused = [answer for answer in answers if answer.status_code == 503]
        assert [answer.status_code for answer in answers].count(200) == 3
        assert len(refused) == 3
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert writer.most_inside == 1
        assert (await client.post("/chat/completions", json=plain(1))).status_code == 200


@pytest.mark.parametrize("streams", [False, True])
async def test_a_caller_who_leaves_ends_the_work(streams: bool) -> None:
    async with slow(waiting_limit=2) as (writer, client):
        with pytest.raises(httpx.TimeoutException):
            await _read_for(0.3, client, plain(1000, stream=streams))
        began = time.monotonic()
        assert (await client.post("/chat/completions", json=plain(1))).status_code == 200
        assert time.monotonic() - began < 2.0
        assert writer.stopped == 1
        assert writer.written < 200


async def _read_for(seconds: float, client: httpx.AsyncClient, asked: dict[str, Any]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await client.post("/chat/completions", json=asked)
    except TimeoutError:
        raise httpx.TimeoutException("left") from None
