"""Messages that cannot be read are the caller's mistake, not the server's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError

from services.common.errors import InvalidRequestError

if TYPE_CHECKING:  # generic in the stubs, plain classes at run time
    Context = grpc.aio.ServicerContext[Any, Any]
    Handler = grpc.RpcMethodHandler[Any, Any]
_OTHERS = ("/grpc.health.", "/grpc.reflection.")


class Unreadable:
    """Stands in the place of a message that could not be read."""


class ReadingInterceptor(grpc.aio.ServerInterceptor):
    """Raises `InvalidRequestError` for garbled bytes; gRPC itself would answer INTERNAL.

    It stands inside the interceptor that turns domain errors into status codes.
    """

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the handler with a reader that does not raise."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(_OTHERS):
            return handler
        read = lenient(handler.request_deserializer)
        if handler.unary_unary is not None:
            behaviour = _unary(method, handler.unary_unary)
            return grpc.unary_unary_rpc_method_handler(behaviour, read, handler.response_serializer)
        if handler.unary_stream is not None:
            behaviour = _stream(method, handler.unary_stream)
            return grpc.unary_stream_rpc_method_handler(behaviour, read, handler.response_serializer)
        return handler


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


def _unary(method: str, behaviour: Any) -> Any:
    async def call(request: Any, context: Context) -> Any:
        _check(method, request)
        return await behaviour(request, context)

    return call


def _stream(method: str, behaviour: Any) -> Any:
    async def call(request: Any, context: Context) -> Any:
        _check(method, request)
        async for message in behaviour(request, context):
            yield message

    return call


def _check(method: str, request: object) -> None:
    if isinstance(request, Unreadable):
        raise InvalidRequestError(f"The message is not a request of {method.lstrip('/')}.")
