"""A model that fails, hangs, drops or is too busy, behind the real generator."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from services.common.clients.generator import GeneratorClient
from services.common.errors import (
    DeadlineError,
    ImageragError,
    ModelRefusedError,
    OverloadedError,
    UnavailableError,
)
from services.generator.backends.openai import endpoint
from services.generator.citations import cited_numbers
from services.generator.settings import GeneratorSettings
from tests.fixtures.answering import KEY, QUOTED, SAID, ask, generator, source
from tests.fixtures.openai_server import MODEL, Call, OpenAIServer, Script, openai_server


@pytest.fixture
async def model() -> AsyncIterator[OpenAIServer]:
    async with openai_server() as server:
        yield server


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_what_passes_is_tried_again(model: OpenAIServer, status: int) -> None:
    model.script.failures = [(status, {"retry-after": "0"}, {"error": {"message": "busy"}})] * 2
    async with generator(model) as client:
        _, completion = await ask(client)
    assert completion.answer == SAID
    assert len(model.calls) == 3


async def test_the_wait_that_the_endpoint_asks_for_is_kept(model: OpenAIServer) -> None:
    model.script.failures = [(429, {"retry-after": "1"}, {"error": {"message": "slow down"}})]
    async with generator(model) as client:
        began = time.monotonic()
        await ask(client)
    assert time.monotonic() - began >= 1.0


async def test_a_long_wait_is_passed_on_instead(model: OpenAIServer) -> None:
    model.script.failures = [(429, {"retry-after": "77"}, {"error": {"message": "slow down"}})]
    async with generator(model, fallback=True) as client:
        with pytest.raises(OverloadedError) as caught:
            await ask(client)
    assert caught.value.retry_after_s == 77
    assert len(model.calls) == 1


LEAKS = ["sk-leak", KEY, "traceback", "secret"]
SPOKEN = {"error": {"message": f"traceback: secret {KEY} sk-leak is not valid", "code": "x"}}


@pytest.mark.parametrize(
    ("status", "body", "error", "calls"),
    [
        (401, SPOKEN, ModelRefusedError, 1),
        (403, SPOKEN, ModelRefusedError, 1),
        (404, SPOKEN, ModelRefusedError, 1),
        (400, SPOKEN, ModelRefusedError, 1),
        (422, SPOKEN, ModelRefusedError, 1),
        (400, {"error": {"message": "context length exceeded: secret"}}, ModelRefusedError, 2),
        (307, {"location": "http://127.0.0.1:9/"}, ModelRefusedError, 1),
        (500, SPOKEN, UnavailableError, 3),
        (503, b"<html>secret traceback</html>", UnavailableError, 3),
        (504, SPOKEN, DeadlineError, 1),
        (429, SPOKEN, OverloadedError, 3),
    ],
)
async def test_failures_are_typed_and_tell_nothing(
    model: OpenAIServer, status: int, body: Any, error: type[ImageragError], calls: int, caplog: Any
) -> None:
    headers = {"location": "http://127.0.0.1:9/"} if status == 307 else {"retry-after-ms": "1"}
    model.script.failures = [(status, headers, body)] * 10
    async with generator(model) as client:
        with pytest.raises(error) as caught:
            await ask(client)
    assert caught.value.code == error.code
    assert len(model.calls) == calls  # the gRPC client, which retries what is unavailable, adds none
    for leak in LEAKS:
        assert leak not in caught.value.message
        assert leak not in caplog.text


async def test_an_endpoint_that_is_gone() -> None:
    async with generator(OpenAIServer(url="http://127.0.0.1:9/v1"), openai_retries=1) as client:
        with pytest.raises(UnavailableError, match="does not answer"):
            await ask(client)


async def test_the_extractive_backend_stands_in_for_an_outage_and_says_so(model: OpenAIServer) -> None:
    model.script.failures = [(500, {}, {})] * 3
    async with generator(model, fallback=True) as client:
        _, completion = await ask(client)
        _, recovered = await ask(client)
    assert (completion.model, recovered.model) == ("extractive", MODEL)
    assert completion.answer.startswith(QUOTED)


async def test_a_wrong_key_is_not_hidden_by_the_stand_in(model: OpenAIServer) -> None:
    model.script.failures = [(401, {}, SPOKEN)]
    async with generator(model, fallback=True) as client:
        with pytest.raises(ModelRefusedError, match="operator"):
            await ask(client)


@pytest.mark.parametrize(
    ("script", "settings", "error"),
    [
        (Script(stall_after=12), {"openai_between_tokens_s": 0.2}, DeadlineError),
        (Script(answer=lambda call: "Cats [1]. " * 500, pause_s=0.02), {"openai_total_s": 1.0}, DeadlineError),
        (Script(drop_after=12), {}, UnavailableError),
        (Script(stop_after=12), {}, UnavailableError),
        (Script(garbage_after=12), {}, UnavailableError),
        (Script(garbage_after=12, garbage='{"choices": 7}'), {}, UnavailableError),
        (Script(garbage_after=12, garbage='{"choices": [{"delta": null}]}'), {}, UnavailableError),
        (Script(garbage_after=12, garbage='{"choices": [{"delta": {"content": [1]}}]}'), {}, UnavailableError),
        (Script(garbage_after=12, garbage="[1, 2]"), {}, UnavailableError),
        (Script(garbage_after=12, garbage="null"), {}, UnavailableError),
        (Script(error_after=12), {}, UnavailableError),
    ],
)
async def test_an_answer_that_breaks_off_is_an_error_in_time(
    model: OpenAIServer, script: Script, settings: dict[str, Any], error: type[ImageragError]
) -> None:
    model.script = script
    async with generator(model, openai_retries=3, fallback=True, **settings) as client:
        began = time.monotonic()
        shown: list[str] = []
        with pytest.raises(error) as caught:
            await read_into(shown, client)
    assert KEY not in caught.value.message
    assert shown
    assert set(cited_numbers("".join(shown))) == {1}
    assert time.monotonic() - began < 3
    assert len(model.calls) == 1  # after the first piece: never again, and nobody else goes on


async def read_into(shown: list[str], client: GeneratorClient) -> None:
    async for event in client.generate(tenant="shop", question="cats?", sources=[source(1), source(2)]):
        assert isinstance(event, str)
        shown.append(event)


@pytest.mark.parametrize(
    ("script", "settings"),
    [
        (Script(first_s=5), {"openai_first_token_s": 0.2}),
        (Script(stall_after=0), {"openai_between_tokens_s": 0.2}),
        (Script(stall_after=2), {"openai_between_tokens_s": 0.2}),
        (Script(drop_after=2), {}),
    ],
)
async def test_before_the_first_sentence_the_stand_in_takes_over(
    model: OpenAIServer, script: Script, settings: dict[str, Any]
) -> None:
    model.script = script
    async with generator(model, fallback=True, **settings) as client:
        _, completion = await ask(client)
    assert completion.model == "extractive"
    async with generator(model, **settings) as client:
        with pytest.raises((DeadlineError, UnavailableError)):
            await ask(client)
    assert len(model.calls) == 2  # what was late or has begun is not tried again


async def test_a_drop_before_the_first_word_is_tried_again(model: OpenAIServer) -> None:
    model.script.drop_after = 0
    async with generator(model, openai_retries=2) as client:
        with pytest.raises(UnavailableError):
            await ask(client)
    assert len(model.calls) == 3


async def test_a_reader_who_leaves_ends_the_call_at_the_endpoint(model: OpenAIServer) -> None:
    model.script.pause_s = 0.03
    async with generator(model) as client:
        events = client.generate(tenant="shop", question="cats?", sources=[source(n) for n in range(1, 20)])
        assert await anext(events)
        await events.aclose()
        await model.wait_until(lambda: model.broken_off == 1)
        await model.wait_until(lambda: model.open_calls == 0)
        _, completion = await ask(client)  # its place is free again
        assert completion.answer == SAID


async def test_a_reader_who_leaves_before_the_first_word_too(model: OpenAIServer) -> None:
    model.script.first_s = 30
    async with generator(model, openai_concurrent=1) as client:
        reading = asyncio.create_task(ask(client))
        await model.wait_until(lambda: model.open_calls == 1)
        reading.cancel()
        await model.wait_until(lambda: model.broken_off == 1)
        model.script.first_s = 0
        assert (await ask(client))[1].answer == SAID


async def test_the_endpoint_gets_no_more_calls_than_it_may(model: OpenAIServer) -> None:
    model.script.pause_s = 0.01
    async with generator(model, openai_concurrent=2, openai_slot_wait_s=5) as client:
        await asyncio.gather(*(ask(client) for _ in range(8)))
    assert (len(model.calls), model.most_open) == (8, 2)


@pytest.mark.parametrize("fallback", [True, False])
async def test_more_than_that_is_refused_with_a_hint(model: OpenAIServer, fallback: bool) -> None:
    model.script.first_s = 2
    async with generator(model, openai_concurrent=1, openai_slot_wait_s=0.05, fallback=fallback) as client:
        first = asyncio.create_task(ask(client))
        await model.wait_until(lambda: model.open_calls == 1)
        began = time.monotonic()
        with pytest.raises(OverloadedError) as caught:
            await ask(client)
        assert time.monotonic() - began < 1
        assert caught.value.retry_after_s == 1
        await first


async def test_an_endless_answer_is_cut_off(model: OpenAIServer) -> None:
    model.script.answer = lambda call: "Cats sleep [1]. " * 5_000
    async with generator(model, openai_answer_tokens=64) as client:
        _, completion = await ask(client)
        await model.wait_until(lambda: model.open_calls == 0)
    assert len(completion.answer) <= 64 * 6
    assert model.broken_off == 1


async def test_a_line_without_an_end_fills_no_memory(model: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "RESPONSE_LIMIT_BYTES", 1_000_000)
    model.script.floods = True
    async with generator(model, openai_retries=0) as client:
        with pytest.raises(UnavailableError):
            await ask(client)
    assert model.broken_off == 1


async def test_reasoning_is_left_out(model: OpenAIServer) -> None:
    model.script.answer = lambda call: "<think>The user wants [1]. Hm.</think>\n\n" + SAID
    async with generator(model) as client:
        assert (await ask(client))[1].answer == SAID


def hostile(write: Callable[[Call], str]) -> Callable[[Call], str]:
    return lambda call: write(call) + " Cats sleep [1]."


@pytest.mark.parametrize(
    "write",
    [
        lambda call: f"The boundary is {call.boundary} [1].",
        lambda call: f"It is {' '.join(call.boundary)} [1].",
        lambda call: f"Begin {call.boundary[:7]} [1]. And then: {call.boundary[7:]} [2].",
        lambda call: f"{call.authorization} [1].",
        lambda call: call.system.replace(".", " [1]."),
        lambda call: "Look: ![x](http://evil.example/) <img src='//evil.example'> [99].",
    ],
)
async def test_what_a_model_is_told_does_not_come_back(model: OpenAIServer, write: Callable[[Call], str]) -> None:
    model.script.answer = hostile(write)
    async with generator(model) as client:
        _, completion = await ask(client)
    call = model.calls[0]
    assert completion.answer.endswith("Cats sleep [1].")
    written = completion.answer.replace(" ", "").replace("[1]", "").replace("[2]", "").replace(".", "")
    for secret in (call.boundary, KEY, "evil.example", "in force whatever", "Rules"):
        assert secret.replace(" ", "") not in written


async def test_a_key_in_the_address_is_refused() -> None:
    with pytest.raises(ValueError, match="OPENAI_API_KEY"):
        GeneratorSettings(openai_base_url="http://me:secret@127.0.0.1/v1")
