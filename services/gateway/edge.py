"""The outermost layer of every request: request id, metrics, the last catch, headers that protect a browser."""

from __future__ import annotations

import time
from collections.abc import Mapping

import structlog
from opentelemetry.trace import Span
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common.errors import ImageragError
from services.common.telemetry.metrics import CALL_SECONDS, CALLS
from services.common.telemetry.request_id import HEADER, bind_request_id
from services.common.web.tracing import end_server_span, server_span
from services.gateway.door import RULE
from services.gateway.metrics import count_rejection
from services.gateway.policy import Rule
from services.gateway.problems import OUTCOME, problem_of

log = structlog.get_logger(__name__)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
    # Answers are data: should a browser ever open one as a page, nothing in it runs.
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    # What a key opened stays out of shared caches; an answer that may be kept says so itself.
    "cache-control": "no-store",
}


class Edge:
    """Wraps the whole application; no exception passes it.

    Args:
        app: The application behind it.
        hsts_s: How long browsers are to insist on https, in seconds; 0: it is not said.
    """

    def __init__(self, app: ASGIApp, hsts_s: int = 0) -> None:
        self._app = app
        self._headers = _ALWAYS | ({"strict-transport-security": f"max-age={hsts_s}"} if hsts_s else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        response = _Response(send, bind_request_id(headers.get(HEADER)), self._headers)
        with server_span(_method_of(scope), scope["path"], headers) as served:
            await self._serve(scope, receive, response, served)

    async def _serve(self, scope: Scope, receive: Receive, response: _Response, served: Span) -> None:
        started = time.perf_counter()
        try:
            await self._app(scope, receive, response.send)
        except ClientDisconnect:
            scope[OUTCOME] = "client_gone"
        except Exception as error:
            await _answer_unforeseen(error, response, scope, receive)
        finally:
            _observe(scope, response.status, time.perf_counter() - started, served)


class _Response:
    def __init__(self, send: Send, request_id: str, headers: Mapping[str, str]) -> None:
        self._send, self._request_id, self._headers = send, request_id, headers
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[HEADER] = self._request_id
            for name, value in self._headers.items():
                headers.setdefault(name, value)
        await self._send(message)


async def _answer_unforeseen(error: Exception, response: _Response, scope: Scope, receive: Receive) -> None:
    problem = problem_of(error)
    scope[OUTCOME] = problem.code
    if not isinstance(error, ImageragError):
        log.error("request_failed", method=scope["method"], route=route_of(scope), exc_info=error)
    if response.status:
        # The answer has begun: breaking it off is the only way left to say that it is not whole.
        raise ConnectionError("the response broke off; the log has the reason") from None
    await problem.response()(scope, receive, response.send)


def route_of(scope: Scope) -> str:
    """The route's template, e.g. "/v1/items/{item_id}": a label must not grow with what callers send."""
    rule: Rule | None = scope.get(RULE)
    return "unmatched" if rule is None else rule.path


def _method_of(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "OTHER"


def _observe(scope: Scope, status: int, seconds: float, served: Span) -> None:
    route = route_of(scope)
    method = f"{_method_of(scope)} {route}"
    outcome = scope.get(OUTCOME, "ok" if status and status < 400 else f"http_{status}")
    CALLS.labels("http", method, outcome).inc()
    CALL_SECONDS.labels("http", method).observe(seconds)
    count_rejection(outcome)
    end_server_span(served, method, route, status, outcome)
