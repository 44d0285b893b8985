"""A server that is to stop hears no more of a stream: its handler answers what it has and ends the call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import grpc

from services.common.rpc.handlers import is_infrastructure, surrounded

if TYPE_CHECKING:
    from services.common.rpc.handlers import Answer, Answers, Context, Continuation, Handler


class Draining(grpc.aio.ServerInterceptor):
    """Ends the requests of streams in both directions once `begin` is called.

    To the handler it looks as if the caller had no more to say. The caller sees the call end well before all of it
    is answered, and goes on elsewhere. Without this, such a call would take up all the time there is to drain.
    """

    def __init__(self) -> None:
        self._begun = asyncio.Event()

    def begin(self) -> None:
        """From now on nothing more is read."""
        self._begun.set()

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Return the handler, with requests that end."""
        handler = await continuation(handler_call_details)
        if handler is None or is_infrastructure(handler_call_details.method):
            return handler
        if not (handler.request_streaming and handler.response_streaming):
            return handler
        return surrounded(handler, _unchanged, self._answers)

    def _answers(self, behaviour: Answers) -> Answers:
        async def call(requests: Any, context: Context) -> AsyncGenerator[Any, None]:
            async with aclosing(behaviour(_Heard(requests, self._begun), context)) as messages:
                async for message in messages:
                    yield message

        return call


class _Heard:
    """Requests until draining begins. No generator: a handler may end while a task of its own still reads."""

    def __init__(self, requests: AsyncIterator[Any], begun: asyncio.Event) -> None:
        self._requests = requests
        self._begun = begun

    def __aiter__(self) -> _Heard:
        return self

    async def __anext__(self) -> Any:
        if self._begun.is_set():
            raise StopAsyncIteration
        reading, begun = asyncio.ensure_future(_next(self._requests)), asyncio.ensure_future(self._begun.wait())
        try:
            await asyncio.wait({reading, begun}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                return reading.result()
            raise StopAsyncIteration
        finally:
            begun.cancel()
            _give_up(reading)


async def _next(requests: AsyncIterator[Any]) -> Any:
    return await anext(requests)


def _give_up(reading: asyncio.Future[Any]) -> None:
    reading.cancel()
    # Looked at, or asyncio reports an error that nobody saw.
    reading.add_done_callback(lambda ended: ended.cancelled() or ended.exception())


def _unchanged(behaviour: Answer) -> Answer:
    return behaviour
