"""The span of an HTTP request that is being served."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from opentelemetry.trace import Span, SpanKind

from services.common.telemetry.tracing import NOTHING, is_tracing, mark_failed, span, untraced

UNTRACED_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/metrics"})
"""Asked every few seconds by machines."""
_METHOD = "http.request.method"
_ROUTE = "http.route"
_STATUS_CODE = "http.response.status_code"


def server_span(method: str, path: str, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
    """The span of one request; a trace begins here unless the caller's goes on.

    The path itself is left out: callers write into it what they like. `end_server_span` gives the route.

    Args:
        method: HTTP method, one of the known ones.
        path: Of the request, without its query.
        headers: Of the request.
    """
    if not is_tracing():
        return NOTHING
    if path in UNTRACED_PATHS:
        return _left_out()
    return span(method, SpanKind.SERVER, {_METHOD: method}, parent=headers, exceptions_fail=False)


@contextmanager
def _left_out() -> Iterator[Span]:
    with untraced(), NOTHING as nothing:
        yield nothing


def end_server_span(served: Span, name: str, route: str, status: int, outcome: str) -> None:
    """Note what became of a request.

    Args:
        served: Its span.
        name: Method and route.
        route: Template of the path.
        status: Of the answer; 0: the client went away before one began.
        outcome: The error's code, for an answer that failed.
    """
    if not served.is_recording():
        return
    served.update_name(name)
    served.set_attribute(_ROUTE, route)
    if status:
        served.set_attribute(_STATUS_CODE, status)
    if status >= 500:
        mark_failed(served, outcome)
