"""Pictures of sources and questions on their way to a model."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.common.domain import Media
from tests.fixtures.answering import ask, generator, pictured, source
from tests.fixtures.gateway import drawn_picture
from tests.fixtures.openai_server import OpenAIServer, openai_server


@pytest.fixture
async def model() -> AsyncIterator[OpenAIServer]:
    async with openai_server() as server:
        yield server


async def test_pictures_travel_as_small_jpegs(model: OpenAIServer) -> None:
    broken = source(3, "", title="broken", media=Media("1" * 64, "image/png", 1, 1), image=b"no picture")
    async with generator(model, openai_max_pictures=2, openai_picture_px=256) as client:
        await ask(client, [pictured(1), broken, pictured(2), pictured(4)])
    pictures = model.calls[0].pictures
    assert [(picture.format, max(picture.size)) for picture in pictures] == [("JPEG", 256)] * 2
    assert [number for number in (1, 2, 3, 4) if f"picture of source {number} " in model.calls[0].text] == [1, 2]


async def test_a_text_model_gets_no_pictures(model: OpenAIServer) -> None:
    async with generator(model, openai_max_pictures=0) as client:
        await ask(client, [pictured(1)])
        assert not (await client.describe()).reads_images
    assert model.calls[0].pictures == []


async def test_a_text_model_that_was_not_declared_is_asked_again_without(model: OpenAIServer) -> None:
    model.script.failures = [(400, {}, {"error": {"message": "this model does not support image input"}})]
    async with generator(model) as client:
        _, completion = await ask(client, [pictured(1)])
    assert completion.answer == "Source 1 fits the question [1]."
    assert [len(call.pictures) for call in model.calls] == [1, 0]


async def test_the_picture_of_a_question_travels_too(model: OpenAIServer) -> None:
    asked_with = drawn_picture(7, 900, 700)
    async with generator(model, openai_picture_px=256) as client:
        await ask(client, [pictured(1)], question="", asked_with_image=True, question_image=asked_with)
        await ask(client, [pictured(1)], asked_with_image=True)
        await ask(client, [pictured(1)], asked_with_image=True, question_image=b"no picture")
    shown, absent, broken = model.calls
    assert [max(picture.size) for picture in shown.pictures] == [256, 256]
    assert "picture of the question" in shown.text
    assert "came with the picture above" in shown.text
    for call in (absent, broken):
        assert len(call.pictures) == 1
        assert "a picture that you cannot see" in call.text


async def test_a_refused_picture_of_a_question_is_left_out(model: OpenAIServer) -> None:
    model.script.failures = [(400, {}, {"error": {"message": "this model does not support image input"}})]
    async with generator(model) as client:
        await ask(client, [source(1)], asked_with_image=True, question_image=drawn_picture(7))
    assert [len(call.pictures) for call in model.calls] == [1, 0]
