"""The bound on what a server carries out at once: more is refused at once, before its message is read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import grpc

from services.common.errors import ExhaustedError
from services.common.rpc.handlers import is_infrastructure, surrounded

if TYPE_CHECKING:
    from services.common.rpc.handlers import Answer, Answers, Context, Continuation, Handler
_RETRY_AFTER_S = 1.0


class CallLimit(grpc.aio.ServerInterceptor):
    """Counts running calls. Health is not counted: every client of a full server watches it, one call each.

    It stands inside the interceptor that turns domain errors into status codes.

    Args:
        calls: Most calls at once.
    """

    def __init__(self, calls: int) -> None:
        self._calls = calls
        self._running = 0

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Return the handler, counted, or one that refuses."""
        handler = await continuation(handler_call_details)
        if handler is None or is_infrastructure(handler_call_details.method):
            return handler
        if self._running >= self._calls:
            return _refusal(streamed=handler.response_streaming)
        return surrounded(handler, self._answer, self._answers)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    def _answer(self, behaviour: Answer) -> Answer:
        async def call(request: Any, context: Context) -> Any:
            with self._counted():
                return await behaviour(request, context)

        return call

    def _answers(self, behaviour: Answers) -> Answers:
        async def call(request: Any, context: Context) -> AsyncGenerator[Any, None]:
            with self._counted():
                async with aclosing(behaviour(request, context)) as messages:
                    async for message in messages:
                        yield message

        return call


def _refusal(*, streamed: bool) -> Handler:
    """A handler that takes a stream: gRPC then leaves the message unread."""
    if streamed:
        return grpc.stream_stream_rpc_method_handler(_refuse_streamed)
    return grpc.stream_unary_rpc_method_handler(_refuse)


async def _refuse(_unread: Any, _context: Context) -> NoReturn:
    raise ExhaustedError("More calls at once than this server takes.", retry_after_s=_RETRY_AFTER_S)


async def _refuse_streamed(unread: Any, context: Context) -> AsyncGenerator[Any, None]:
    yield await _refuse(unread, context)
