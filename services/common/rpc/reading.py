"""Messages that cannot be read are the caller's mistake, not the server's."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError

from services.common.errors import InvalidRequestError
from services.common.rpc.handlers import is_infrastructure, surrounded

if TYPE_CHECKING:
    from services.common.rpc.handlers import Answer, Answers, Context, Continuation, Handler


class Unreadable:
    """Stands in the place of a message that could not be read."""


class ReadingInterceptor(grpc.aio.ServerInterceptor):
    """Raises `InvalidRequestError` for garbled bytes; gRPC itself would answer INTERNAL.

    It stands inside the interceptor that turns domain errors into status codes.
    """

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Return the handler with a reader that does not raise."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or is_infrastructure(method):
            return handler
        check = partial(_checked_stream if handler.request_streaming else _checked, method)
        read = lenient(handler.request_deserializer)
        return surrounded(handler, partial(_answer, check), partial(_answers, check), read)


def lenient(deserializer: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    """`deserializer`, except that it gives `Unreadable` where it would raise."""
    if deserializer is None:
        return None

    def read(data: bytes) -> Any:
        try:
            return deserializer(data)
        except (DecodeError, ValueError):
            return Unreadable()

    return read


def _answer(check: Callable[[Any], Any], behaviour: Answer) -> Answer:
    async def call(request: Any, context: Context) -> Any:
        return await behaviour(check(request), context)

    return call


def _answers(check: Callable[[Any], Any], behaviour: Answers) -> Answers:
    async def call(request: Any, context: Context) -> AsyncGenerator[Any, None]:
        async with aclosing(behaviour(check(request), context)) as messages:
            async for message in messages:
                yield message

    return call


def _checked(method: str, request: Any) -> Any:
    if isinstance(request, Unreadable):
        raise InvalidRequestError(f"The message is not a request of {method.lstrip('/')}.")
    return request


async def _checked_stream(method: str, requests: AsyncIterable[Any]) -> AsyncGenerator[Any, None]:
    async for request in requests:
        yield _checked(method, request)
