"""Spans as they are made, without a collector; and what happens when there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import SpanKind, StatusCode

from services.common.errors import UnavailableError
from services.common.telemetry import export, queue_spans, tracing
from services.common.telemetry.request_id import bind_request_id

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
UNSAMPLED = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-00"}


@pytest.fixture
def made() -> Iterator[InMemorySpanExporter]:
    """The finished spans of a test."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(ParentBasedTraceIdRatio(1.0), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use_tracer(provider.get_tracer("test"))
    yield exporter
    tracing.use_tracer(None)


def one(made: InMemorySpanExporter) -> ReadableSpan:
    (found,) = made.get_finished_spans()
    return found


def test_off_nothing_is_made_and_nothing_is_sent_along() -> None:
    with tracing.span("work", parent=SAMPLED) as working:
        assert not working.is_recording()
        assert tracing.headers_of() == {}
        assert tracing.current_ids() is None
        assert tracing.current_traceparent() == ""


def test_a_trace_goes_on_from_headers_to_headers(made: InMemorySpanExporter) -> None:
    with tracing.span("served", SpanKind.SERVER, parent=SAMPLED), tracing.span("asked", SpanKind.CLIENT):
        sent = tracing.headers_of()["traceparent"]
        ids = tracing.current_ids()
    asked, served = made.get_finished_spans()
    assert asked.parent is not None
    assert served.context is not None
    assert asked.context is not None
    assert asked.parent.span_id == served.context.span_id
    assert sent == f"00-{TRACE}-{asked.context.span_id:016x}-01"
    assert ids == (TRACE, f"{asked.context.span_id:016x}")


@pytest.mark.parametrize("headers", [{}, {"traceparent": "nonsense"}, {"traceparent": ""}])
def test_an_edge_begins_a_trace_of_its_own_whatever_ran_before(
    made: InMemorySpanExporter, headers: dict[str, str]
) -> None:
    with tracing.span("outer"), tracing.span("edge", parent=headers):
        pass
    edge, outer = made.get_finished_spans()
    assert edge.parent is None
    assert outer.context is not None
    assert edge.context is not None
    assert edge.context.trace_id != outer.context.trace_id


def test_a_caller_who_does_not_record_is_followed(made: InMemorySpanExporter) -> None:
    with tracing.span("served", parent=UNSAMPLED):
        assert tracing.current_ids() is None, "an id that leads nowhere is no help in a log"
        assert tracing.headers_of()["traceparent"].endswith("-00")
    assert not made.get_finished_spans()


def test_what_is_left_out_stays_out_across_processes(made: InMemorySpanExporter) -> None:
    with tracing.untraced():
        with tracing.span("probe", SpanKind.CLIENT):
            sent = tracing.headers_of()
        assert tracing.current_traceparent() == ""
    assert sent["traceparent"].endswith("-00")
    with tracing.span("served elsewhere", parent=sent):
        pass
    assert not made.get_finished_spans()


def test_a_failed_span_has_the_code_and_not_the_text(made: InMemorySpanExporter) -> None:
    with pytest.raises(UnavailableError), tracing.span("asked"):
        raise UnavailableError("secret words of a user")
    failed = one(made)
    assert failed.status.status_code is StatusCode.ERROR
    assert dict(failed.attributes or {}) == {"error.type": "unavailable"}
    assert "secret" not in failed.to_json()


def test_what_is_sent_again_begins_a_trace_that_links_to_the_first(made: InMemorySpanExporter) -> None:
    bind_request_id("r-1")
    with tracing.untraced(), queue_spans.sending("bulk", 1, links=[SAMPLED["traceparent"]]) as headers:
        pass
    sent = one(made)
    assert sent.parent is None
    assert [f"{link.context.trace_id:032x}" for link in sent.links] == [TRACE]
    assert headers["x-request-id"] == "r-1"
    with queue_spans.processing("task", "bulk", "id", headers):
        pass
    worked = made.get_finished_spans()[-1]
    assert worked.parent is not None
    assert sent.context is not None
    assert worked.parent.span_id == sent.context.span_id


def test_without_a_collector_nothing_waits_for_it() -> None:
    export.start_tracing("test", "http://127.0.0.1:1", 1.0)
    started = time.perf_counter()
    for _ in range(100):
        with tracing.span("work"):
            pass
    assert time.perf_counter() - started < 0.5
    export.stop_tracing()
    assert time.perf_counter() - started < 2.5
    assert not tracing.is_tracing()
