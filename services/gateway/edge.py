"""The outermost layer of every request: request id, metrics, the last catch, headers that protect a browser."""

from __future__ import annotations

import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common.errors import ImageragError
from services.common.telemetry.metrics import CALL_SECONDS, CALLS
from services.common.telemetry.request_id import HEADER, bind_request_id
from services.gateway.problems import OUTCOME, problem_of

log = structlog.get_logger(__name__)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    # Answers are data: should a browser ever open one as a page, nothing in it runs.
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}


class Edge:
    """Wraps the whole application; no exception passes it.

    Args:
        app: The application behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        response = _Response(send, bind_request_id(Headers(scope=scope).get(HEADER)))
        started = time.perf_counter()
        try:
            await self._app(scope, receive, response.send)
        except ClientDisconnect:
            scope[OUTCOME] = "client_gone"
        except Exception as error:
            await _answer_unforeseen(error, response, scope, receive)
        finally:
            _observe(scope, response.status, time.perf_counter() - started)


class _Response:
    def __init__(self, send: Send, request_id: str) -> None:
        self._send, self._request_id = send, request_id
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[HEADER] = self._request_id
            for name, value in _ALWAYS.items():
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
    route = scope.get("route")
    return str(getattr(route, "path", "unmatched"))


def _observe(scope: Scope, status: int, seconds: float) -> None:
    method = f"{scope['method'] if scope['method'] in _METHODS else 'OTHER'} {route_of(scope)}"
    default = "ok" if status and status < 400 else f"http_{status}"
    CALLS.labels("http", method, scope.get(OUTCOME, default)).inc()
    CALL_SECONDS.labels("http", method).observe(seconds)
