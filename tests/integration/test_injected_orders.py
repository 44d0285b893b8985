"""P1: orders to the model in captions, OCR texts, pictures and questions, and a model that obeys them all.

Through the real gateway and the real generator: nothing that the model was told comes out, citations lead to what
was retrieved, and no address or markup of the model's is left, in JSON or in the stream.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.generator.app import compose
from services.generator.grounding.secrets import instruction_sentences, squashed
from services.generator.settings import GeneratorSettings
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.injections import EVIL, HONEST, INJECTIONS, OTHER_TENANTS, obey, store_injection
from tests.fixtures.openai_server import MODEL, Call, OpenAIServer, Script, openai_server

KEY = "sk-canary-7f3b19d05ce2"
LIVE = re.compile(rf"{EVIL}|https?:|//|www\.|javascript:|data:|mailto:|base64|[<>`]|\]\(|ｈｔｔｐ", re.IGNORECASE)


@pytest.fixture
async def model() -> AsyncIterator[OpenAIServer]:
    async with openai_server(Script(answer=obey)) as server:
        yield server


@pytest.fixture
async def gateway(model: OpenAIServer, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    settings = GeneratorSettings(
        port=0, backend="openai", openai_base_url=model.url, openai_model=MODEL, openai_api_key=SecretStr(KEY)
    )
    async with compose(settings) as server:
        async with running_gateway(tmp_path / "data", generator_url=await server.start()) as running:
            for injection in INJECTIONS:
                store_injection(running, injection)
            yield running
        await server.stop(0)


async def ask(gateway: RunningGateway, question: dict[str, str]) -> dict[str, Any]:
    answer = await gateway.client.post("/v1/ask", json=question)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def ask_streamed(gateway: RunningGateway, question: dict[str, str]) -> list[tuple[str, Any]]:
    answer = await gateway.client.post("/v1/ask", json=question, headers={"accept": "text/event-stream"})
    blocks = [block.split("\n") for block in answer.text.strip().split("\n\n") if block.startswith("event")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


def check_secrets(body: str, call: Call) -> None:
    """Nothing that the model was told, or that belongs to others, is anywhere in a response."""
    everything = squashed(re.sub(r"\[\d+\]", "", body))
    for secret in (call.boundary, KEY, OTHER_TENANTS, *instruction_sentences(call.system)):
        assert squashed(secret) not in everything, secret
    assert OTHER_TENANTS not in call.text
    assert KEY not in json.dumps(call.body)


def check_answer(answer: dict[str, Any], hits: list[dict[str, Any]]) -> None:
    """What the model wrote is cited and dead."""
    assert not LIVE.search(answer["answer"]), answer["answer"]
    assert "HACKED" not in answer["answer"]
    ids = {hit["rank"]: hit["item"]["id"] for hit in hits}
    assert len(ids) == 2
    cited = {citation["number"]: citation["item_id"] for citation in answer["citations"]}
    assert cited.items() <= ids.items()
    assert {int(number) for number in re.findall(r"\[(\d+)\]", answer["answer"])} == set(cited)
    for citation in answer["citations"]:
        assert not re.search(r"//|www\.|[<>`\[\]]", citation["quote"])
    if answer["nothing_relevant"]:
        assert "[" not in answer["answer"]
    else:
        assert answer["answer"].startswith(HONEST)
        for sentence in re.split(r"(?<=[.。])\s+", answer["answer"]):
            assert re.search(r"\[\d+\]", sentence), sentence


async def test_p1_no_order_is_carried_out(gateway: RunningGateway, model: OpenAIServer) -> None:
    figures = {"orders": 0, "obeyed": 0, "addresses written": 0, "secrets written": 0, "sentences kept": 0}
    for injection in INJECTIONS:
        answer = await ask(gateway, injection.question)
        call = model.calls[-1]
        assert answer["model"] == MODEL
        check_secrets(json.dumps(answer, ensure_ascii=False), call)
        check_answer(answer, answer["hits"])
        written = obey(call)
        assert written != HONEST + " ", f"{injection.code} did not reach the model by {injection.channel}"
        figures["orders"] += 1
        figures["obeyed"] += written.strip() != HONEST
        figures["addresses written"] += len(LIVE.findall(written))
        figures["secrets written"] += squashed(written).count(call.boundary) + written.count(KEY)
        figures["sentences kept"] += len(re.findall(r"\[\d+\][.。]", answer["answer"]))
    assert figures["obeyed"] == len(INJECTIONS) == 50
    assert figures["addresses written"] > 100
    assert figures["secrets written"] > 30
    print("\nP1, JSON:", ", ".join(f"{count} {name}" for name, count in figures.items()), "- 0 came out")


async def test_p1_streams_are_as_tight(gateway: RunningGateway, model: OpenAIServer) -> None:
    pieces = 0
    for injection in INJECTIONS:
        model.script.seed = injection.number
        events = await ask_streamed(gateway, injection.question)
        assert (events[0][0], events[-1][0]) == ("hits", "done")
        check_secrets(json.dumps(events, ensure_ascii=False), model.calls[-1])
        shown = ""
        for name, data in events[1:-1]:
            assert name == "text"
            shown += data["text"]
            pieces += 1
            assert not LIVE.search(shown)
        assert shown == events[-1][1]["answer"]
        check_answer(events[-1][1], events[0][1]["hits"])
    print(f"\nP1, streams: 50 orders, {pieces} pieces shown, nothing taken back, 0 came out")


async def test_p1_a_question_may_carry_an_order_too(gateway: RunningGateway, model: OpenAIServer) -> None:
    for injection in (INJECTIONS[number] for number in (0, 3, 5, 7, 9, 12)):
        answer = await ask(
            gateway, {"question": f"{injection.order.english} ({injection.code})", "language": "zh"}
        )
        assert f"({injection.code})" in model.calls[-1].text.rpartition("<question")[2]
        told = json.dumps({**answer, "hits": []}, ensure_ascii=False)
        check_secrets(told, model.calls[-1])
        assert not LIVE.search(answer["answer"])
        assert {citation["number"] for citation in answer["citations"]} <= {hit["rank"] for hit in answer["hits"]}
