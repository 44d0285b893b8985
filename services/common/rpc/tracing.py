"""Spans of gRPC calls, at both ends, and the trace context in the metadata between them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import grpc
from opentelemetry.trace import Span, SpanKind

from services.common.rpc.metadata import as_mapping
from services.common.telemetry.tracing import (
    NOTHING,
    headers_of,
    is_tracing,
    mark_failed,
    span,
    start_span,
)

if TYPE_CHECKING:  # generic in the stubs, plain classes at run time
    Continuation = Callable[[grpc.aio.ClientCallDetails, Any], Awaitable[Any]]
_SYSTEM = "rpc.system.name"
_METHOD = "rpc.method"
_STATUS_CODE = "rpc.response.status_code"
_SERVER_FAULTS = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""Other codes say that the caller was wrong, or came at the wrong time: no failure of the server's."""
_ending: set[asyncio.Task[None]] = set()


def server_span(method: str, metadata: Iterable[tuple[str, str | bytes]] | None) -> AbstractContextManager[Span]:
    """The span of a call that is being served; a trace begins here unless the caller's goes on.

    Args:
        method: As gRPC has it: `/package.Service/Method`.
        metadata: What came with the call.
    """
    return _served(method, as_mapping(metadata)) if is_tracing() else NOTHING


@contextmanager
def _served(method: str, headers: Mapping[str, str]) -> Iterator[Span]:
    attributes = _attributes(method)
    with span(_name(method), SpanKind.SERVER, attributes, parent=headers, exceptions_fail=False) as served:
        yield served
        served.set_attribute(_STATUS_CODE, "OK")


def end_server_span(served: Span, code: grpc.StatusCode, error_code: str) -> None:
    """Note what a call that failed was answered with."""
    if served.is_recording():
        served.set_attribute(_STATUS_CODE, code.name)
        if code.name in _SERVER_FAULTS:
            mark_failed(served, error_code)


def client_interceptors() -> Sequence[grpc.aio.ClientInterceptor]:
    """For a new channel; none while nothing is traced, so that calls then cost what they always did."""
    return [_UnaryCalls(), _StreamedAnswers(), _Streams()] if is_tracing() else []


class _UnaryCalls(grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(
        self, continuation: Continuation, client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        return await _traced(continuation, client_call_details, request)


class _StreamedAnswers(grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(
        self, continuation: Continuation, client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        return await _traced(continuation, client_call_details, request)


class _Streams(grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(
        self, continuation: Continuation, client_call_details: grpc.aio.ClientCallDetails, request_iterator: Any
    ) -> Any:
        return await _traced(continuation, client_call_details, request_iterator)


async def _traced(continuation: Continuation, details: grpc.aio.ClientCallDetails, request: Any) -> Any:
    method = details.method.decode() if isinstance(details.method, bytes) else details.method
    calling = start_span(_name(method), SpanKind.CLIENT, _attributes(method))
    try:
        call = await continuation(_with_headers(details, headers_of(calling)), request)
    except BaseException as error:
        mark_failed(calling, type(error).__name__)
        calling.end()
        raise
    # Not awaited here: a caller that goes away must still reach the call and cancel it.
    call.add_done_callback(lambda _call: _end_soon(calling, call))
    return call


def _end_soon(calling: Span, call: Any) -> None:
    task = asyncio.ensure_future(_end(calling, call))
    _ending.add(task)
    task.add_done_callback(_ending.discard)


async def _end(calling: Span, call: Any) -> None:
    code = (await call.code()).name
    calling.set_attribute(_STATUS_CODE, code)
    if code != "OK":
        mark_failed(calling, code)
    calling.end()


def _with_headers(details: grpc.aio.ClientCallDetails, headers: dict[str, str]) -> grpc.aio.ClientCallDetails:
    metadata = grpc.aio.Metadata(*(details.metadata or ()), *headers.items())
    return details._replace(metadata=metadata)  # type: ignore[attr-defined,no-any-return]


def _name(method: str) -> str:
    return method.lstrip("/")


def _attributes(method: str) -> dict[str, str]:
    return {_SYSTEM: "grpc", _METHOD: _name(method)}
