"""Spans, and the W3C trace context that ties them together across processes.

Off until `services.common.telemetry.export.start_tracing` turns it on; then every function here returns at once.
Names and attributes follow OpenTelemetry's semantic conventions. What a user wrote, keys and pictures are never
put into a span; the texts of exceptions may quote a user, so a failed span carries the error's code alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.common.errors import ImageragError

Attributes = Mapping[str, str | int | float | bool]
ERROR_TYPE = "error.type"
_TRACEPARENT = "traceparent"
_TRACE_FIELDS = (_TRACEPARENT, "tracestate")
_PROPAGATOR = TraceContextTextMapPropagator()
_NOT_SAMPLED = SpanContext(trace_id=1, span_id=1, is_remote=False)

_tracer: Tracer | None = None
_left_out: ContextVar[bool] = ContextVar("left_out_of_traces", default=False)


def use_tracer(tracer: Tracer | None) -> None:
    """Make spans with `tracer` from now on; None turns tracing off."""
    global _tracer  # one for the process, like the logs' configuration
    _tracer = tracer


def is_tracing() -> bool:
    """Whether this process makes spans at all."""
    return _tracer is not None


class _Nothing(AbstractContextManager[Span]):
    """Stands for a span while nothing is traced; one for all, so that it costs a look at a variable."""

    def __enter__(self) -> Span:
        return trace.INVALID_SPAN

    def __exit__(self, *_error: object) -> None:
        return None


NOTHING = _Nothing()


def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
    *,
    parent: Mapping[str, str] | None = None,
    links: Iterable[str] = (),
    exceptions_fail: bool = True,
) -> AbstractContextManager[Span]:
    """A span around the block, current inside it.

    Args:
        name: Of few different values: never with an id in it.
        kind: Which end of a call this is.
        attributes: What is known at the start; the block may set more.
        parent: Headers of a request or message that may carry a trace context. Given: an edge, at which a trace
            begins if the headers carry none. None: the parent is the current span.
        links: `traceparent` values of other traces that led here; empty ones are left out.
        exceptions_fail: An exception marks the span as failed; False: the block says so itself.
    """
    if _tracer is None or (parent is None and _left_out.get()):
        return NOTHING
    return _current(start_span(name, kind, attributes, parent=parent, links=links), exceptions_fail)


@contextmanager
def _current(begun: Span, exceptions_fail: bool) -> Iterator[Span]:
    # In a block that is left out, an edge still begins a trace, and what happens inside it belongs to that.
    inside, token = _left_out.set(False), context_api.attach(trace.set_span_in_context(begun))
    try:
        yield begun
    except BaseException as error:
        if exceptions_fail:
            mark_failed(begun, error_type(error))
        raise
    finally:
        context_api.detach(token)
        with suppress(ValueError):  # a stream whose reader went away ends in another context
            _left_out.reset(inside)
        begun.end()


def start_span(
    name: str,
    kind: SpanKind,
    attributes: Attributes | None = None,
    *,
    parent: Mapping[str, str] | None = None,
    links: Iterable[str] = (),
) -> Span:
    """A span that its caller ends; it is not made the current one."""
    if _tracer is None or (parent is None and _left_out.get()):
        return trace.INVALID_SPAN
    within = None if parent is None else _context_of(parent)
    linked = [Link(found) for found in map(_span_context_of, links) if found.is_valid]
    return _tracer.start_span(
        name,
        within,
        kind,
        dict(attributes or {}),
        linked,
        record_exception=False,
        set_status_on_exception=False,
    )


def mark_failed(failed: Span, code: str) -> None:
    """Mark a span as failed with an error's code, unless it is marked already."""
    if failed.is_recording():
        failed.set_attribute(ERROR_TYPE, code)
        failed.set_status(Status(StatusCode.ERROR))


def error_type(error: BaseException) -> str:
    """What stands for an exception: the code of a domain error, else the class's name."""
    return error.code if isinstance(error, ImageragError) else type(error).__name__


def headers_of(carried: Span | None = None) -> dict[str, str]:
    """`traceparent` and `tracestate` for an outgoing call or message: of `carried`, or of the current span."""
    if _tracer is None:
        return {}
    headers: dict[str, str] = {}
    if _left_out.get():
        carried = NonRecordingSpan(_NOT_SAMPLED)
    _PROPAGATOR.inject(headers, None if carried is None else trace.set_span_in_context(carried))
    return headers


def current_traceparent() -> str:
    """The current span as a `traceparent` value, to be kept for a later link; empty outside a trace."""
    return "" if _left_out.get() else headers_of().get(_TRACEPARENT, "")


def current_ids() -> tuple[str, str] | None:
    """Trace id and span id in hexadecimal, for log lines; None outside a recorded trace."""
    if _tracer is None:
        return None
    found = trace.get_current_span().get_span_context()
    # The id of a trace that is not recorded leads nowhere.
    if not found.trace_flags.sampled:
        return None
    return trace.format_trace_id(found.trace_id), trace.format_span_id(found.span_id)


@contextmanager
def untraced() -> Iterator[None]:
    """Leave the block out of traces, here and in the services it calls: probes and periodic looks."""
    if _tracer is None:
        yield
        return
    token = _left_out.set(True)
    try:
        yield
    finally:
        _left_out.reset(token)


def _context_of(headers: Mapping[str, str]) -> Context:
    carrier = {name: headers[name] for name in _TRACE_FIELDS if headers.get(name)}
    # An empty context, not the current one: whatever ran before in this task is no parent.
    return _PROPAGATOR.extract(carrier, Context())


def _span_context_of(traceparent: str) -> SpanContext:
    if not traceparent:
        return trace.INVALID_SPAN_CONTEXT
    return trace.get_current_span(_context_of({_TRACEPARENT: traceparent})).get_span_context()
