"""Server-sent events: one response that grows, and ends upstream work as soon as its reader is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")
HEARTBEAT_S = 15.0
"""A comment is sent after this much silence, so that proxies keep the connection."""


def encode_event(name: str, data: Any) -> bytes:
    """One event; JSON holds no raw line break, so its data is a single line."""
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"


async def while_listening(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Do `work` to its end, or until the caller goes away; then it is cancelled.

    Raises:
        ClientDisconnect: Nobody waits for the result any more.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_wait_for_disconnect(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


class EventStream(Response):
    """Sends encoded events as they come.

    Args:
        events: Encoded by `encode_event`; closed when the reader goes away.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the events end or the reader is gone."""
        await while_listening(receive, self._send_all(send))

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        upcoming = asyncio.ensure_future(anext(self._events, None))
        try:
            while True:
                await asyncio.wait({upcoming}, timeout=HEARTBEAT_S)
                event = upcoming.result() if upcoming.done() else b": still here\n\n"
                if event is None:
                    break
                await send({"type": "http.response.body", "body": event, "more_body": True})
                if upcoming.done():
                    upcoming = asyncio.ensure_future(anext(self._events, None))
        finally:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)
            await self._events.aclose()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
