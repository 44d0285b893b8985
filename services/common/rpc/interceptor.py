"""The server edge: request id in, domain errors out as status codes, every call counted and timed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import grpc
import structlog
from opentelemetry.trace import Span

from services.common.errors import ImageragError, InternalError, Kind
from services.common.rpc.handlers import is_infrastructure, surrounded
from services.common.rpc.metadata import ERROR_CODE, REQUEST_ID, RETRY_AFTER, as_mapping
from services.common.rpc.tracing import end_server_span, server_span
from services.common.status import status_of
from services.common.telemetry.metrics import Outcome, observe_call
from services.common.telemetry.request_id import bind_request_id

log = structlog.get_logger(__name__)
if TYPE_CHECKING:
    from services.common.rpc.handlers import Answer, Answers, Context, Continuation, Handler
_NO_RETRY = ("grpc-retry-pushback-ms", "-1")
"""This service has waited for what it needs; four callers' tries at each level would make sixteen of one call."""


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Wraps the handlers of every kind; health and reflection pass through."""

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Return the handler with the edge around it."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or is_infrastructure(method):
            return handler
        # How long a caller goes on sending says nothing about this service.
        edge = _Edge(method, timed=not handler.request_streaming)
        return surrounded(handler, partial(_answer, edge), partial(_answers, edge))


class _Edge(NamedTuple):
    method: str
    timed: bool

    @contextmanager
    def observed(self, context: Context) -> Iterator[tuple[Outcome, Span]]:
        metadata = context.invocation_metadata()
        bind_request_id(as_mapping(metadata).get(REQUEST_ID))
        with (
            observe_call("grpc", self.method, timed=self.timed) as outcome,
            server_span(self.method, metadata) as served,
        ):
            yield outcome, served


def _answer(edge: _Edge, behaviour: Answer) -> Answer:
    async def call(request: Any, context: Context) -> Any:
        with edge.observed(context) as (outcome, served):
            try:
                return await behaviour(request, context)
            except Exception as error:
                await _abort(edge.method, error, context, outcome, served)

    return call


def _answers(edge: _Edge, behaviour: Answers) -> Answers:
    async def call(request: Any, context: Context) -> AsyncGenerator[Any, None]:
        with edge.observed(context) as (outcome, served):
            try:
                async with aclosing(behaviour(request, context)) as messages:
                    async for message in messages:
                        yield message
            except Exception as error:
                await _abort(edge.method, error, context, outcome, served)

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
