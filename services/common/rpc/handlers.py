"""What the server's interceptors share: they put something around a method's behaviour and keep the rest of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:  # generic in the stubs, plain classes at run time
    Context = grpc.aio.ServicerContext[Any, Any]
    Handler = grpc.RpcMethodHandler[Any, Any]
    Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]
    Answer = Callable[[Any, Context], Awaitable[Any]]
    """Answers with one message. Takes the request, or an asynchronous iterator of requests."""
    Answers = Callable[[Any, Context], AsyncGenerator[Any, None]]
    """Answers with any number of messages; takes the same."""
_INFRASTRUCTURE = ("/grpc.health.", "/grpc.reflection.")
_MAKERS: dict[tuple[bool, bool], Callable[..., Any]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


def is_infrastructure(method: str) -> bool:
    """Whether a method is gRPC's own, health or reflection, and not one of a service of ours."""
    return method.startswith(_INFRASTRUCTURE)


def surrounded(
    handler: Handler,
    answer: Callable[[Answer], Answer],
    answers: Callable[[Answers], Answers],
    reader: Callable[[bytes], Any] | None = None,
) -> Handler:
    """`handler` with something around its behaviour.

    Args:
        handler: Of any of the four kinds.
        answer: Makes the new behaviour of a method that answers with one message.
        answers: Makes that of a method that answers with many.
        reader: Reads a message instead of the handler's own deserializer.
    """
    inner: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    behaviour = answers(inner) if handler.response_streaming else answer(inner)
    make = _MAKERS[handler.request_streaming, handler.response_streaming]
    made: Handler = make(behaviour, reader or handler.request_deserializer, handler.response_serializer)
    return made
