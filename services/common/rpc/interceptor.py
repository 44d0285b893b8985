"""The server edge: request id in, domain errors out as status codes, every call counted and timed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
import structlog
from opentelemetry.trace import Span

from services.common.errors import ImageragError, InternalError, Kind
from services.common.rpc.metadata import ERROR_CODE, REQUEST_ID, RETRY_AFTER, as_mapping
from services.common.rpc.tracing import end_server_span, server_span
from services.common.status import status_of
from services.common.telemetry.metrics import Outcome, observe_call
from services.common.telemetry.request_id import bind_request_id

log = structlog.get_logger(__name__)
if TYPE_CHECKING:  # generic in the stubs, plain classes at run time
    Context = grpc.aio.ServicerContext[Any, Any]
    Handler = grpc.RpcMethodHandler[Any, Any]
_NO_RETRY = ("grpc-retry-pushback-ms", "-1")
"""This service has waited for what it needs; four callers' tries at each level would make sixteen of one call."""
_UNOBSERVED = ("/grpc.health.", "/grpc.reflection.")


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Wraps unary and server-streaming handlers; health and reflection pass through."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the handler with the edge around it."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(_UNOBSERVED):
            return handler
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                _unary(method, handler.unary_unary), handler.request_deserializer, handler.response_serializer
            )
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                _stream(method, handler.unary_stream),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return handler


def _unary(method: str, behaviour: Any) -> Any:
    async def call(request: Any, context: Context) -> Any:
        metadata = context.invocation_metadata()
        bind_request_id(as_mapping(metadata).get(REQUEST_ID))
        with observe_call("grpc", method) as outcome, server_span(method, metadata) as served:
            try:
                return await behaviour(request, context)
            except Exception as error:
                await _abort(method, error, context, outcome, served)

    return call


def _stream(method: str, behaviour: Any) -> Any:
    async def call(request: Any, context: Context) -> AsyncIterator[Any]:
        metadata = context.invocation_metadata()
        bind_request_id(as_mapping(metadata).get(REQUEST_ID))
        with observe_call("grpc", method) as outcome, server_span(method, metadata) as served:
            try:
                async for message in behaviour(request, context):
                    yield message
            except Exception as error:
                await _abort(method, error, context, outcome, served)

    return call


async def _abort(method: str, error: Exception, context: Context, outcome: Outcome, served: Span) -> NoReturn:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    shown = error if isinstance(error, ImageragError) else InternalError()
    outcome.code = shown.code
    if shown is not error:
        log.error("call_failed", method=method, exc_info=error)
    end_server_span(served, status_of(shown).grpc, shown.code)
    trailing: list[tuple[str, str]] = [(ERROR_CODE, shown.code)]
    if shown.retry_after_s is not None:
        trailing.append((RETRY_AFTER, f"{shown.retry_after_s:.3f}"))
    if shown.kind is Kind.UNAVAILABLE:
        trailing.append(_NO_RETRY)
    await context.abort(status_of(shown).grpc, shown.message, tuple(trailing))
    raise AssertionError("abort always raises")
