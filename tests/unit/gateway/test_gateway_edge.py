import orjson
import pytest
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.edge import Edge


async def serve(app: ASGIApp) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await Edge(app)({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)
    return sent


async def test_an_unknown_error_becomes_a_fixed_text() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("password=hunter2")

    start, body = await serve(app)
    document = orjson.loads(body["body"])
    assert (start["status"], document["code"]) == (500, "internal")
    assert b"hunter2" not in body["body"]
    assert document["request_id"].encode() == dict(start["headers"])[b"x-request-id"]


async def test_an_answer_that_began_is_broken_off() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("half way")

    with pytest.raises(ConnectionError):
        await serve(app)


async def test_a_client_who_leaves_is_no_error() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ClientDisconnect

    assert await serve(app) == []
