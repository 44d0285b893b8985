"""Requests in, answers out: bodies under a limit, work on the engine's thread, Qdrant's envelope around it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.common.errors import ImageragError, InternalError, Kind, PayloadTooLargeError
from services.common.telemetry.metrics import observe_call
from services.common.telemetry.request_id import HEADER, bind_request_id
from services.common.web.tracing import end_server_span, server_span
from services.store.engine import EngineThread
from services.store.routes.call import Call, Endpoint, FormatError
from services.store.translate.limits import OutOfRangeError

log = structlog.get_logger(__name__)

_STATUS = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.TOO_LARGE: 413,
    Kind.UNAVAILABLE: 503,
    Kind.UNIMPLEMENTED: 501,
}
"""As the real server has them, except 501, which it does not use."""
_PREFIX = {
    Kind.INVALID: "Wrong input: ",
    Kind.CONFLICT: "Wrong input: ",
    Kind.NOT_FOUND: "Not found: ",
    Kind.FORBIDDEN: "Forbidden: ",
    Kind.INTERNAL: "Service internal error: ",
}
"""The beginnings of the real server's messages."""


class Wire:
    """Turns endpoints into routes.

    Args:
        engine: The thread that all work runs on.
        body_limit_bytes: Largest body that is read.
    """

    def __init__(self, engine: EngineThread, body_limit_bytes: int) -> None:
        self._engine, self._body_limit_bytes = engine, body_limit_bytes

    def route(self, endpoint: Endpoint) -> Route:
        """A Starlette route that answers with `endpoint`."""

        async def carry_out(request: Request) -> Response:
            started = time.perf_counter()
            content = await read_body(request, self._body_limit_bytes)
            call = Call(dict(request.path_params), dict(request.query_params), content)
            return await self._engine.run(lambda: _succeed(endpoint.handle(call), started))

        return observed_route(endpoint.method, endpoint.path, carry_out)


def observed_route(method: str, path: str, carry_out: Callable[[Request], Awaitable[Response]]) -> Route:
    """A Starlette route that counts its calls and answers errors in Qdrant's shape."""

    async def answer(request: Request) -> Response:
        bind_request_id(request.headers.get(HEADER))
        name = f"{method} {path}"
        with (
            observe_call("rest", name) as outcome,
            server_span(method, request.url.path, request.headers) as served,
        ):
            response = await _guarded(method, path, carry_out(request))
            if response.status_code != 200:
                outcome.code = str(response.status_code)
            end_server_span(served, name, path, response.status_code, outcome.code)
            return response

    return Route(path, answer, methods=[method], name=f"{method} {path}")


async def _guarded(method: str, path: str, response: Awaitable[Response]) -> Response:
    started = time.perf_counter()
    try:
        return await response
    except ImageragError as error:
        return failure(error, time.perf_counter() - started)
    except Exception:
        log.exception("call_failed", method=method, path=path)
        return failure(InternalError(), time.perf_counter() - started)


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """Read a body, but no more of it than is allowed.

    Raises:
        PayloadTooLargeError: It is larger.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit_bytes:
        raise _too_large(limit_bytes)
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit_bytes:
            raise _too_large(limit_bytes)
    return bytes(content)


def _too_large(limit_bytes: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"JSON payload is larger than allowed (limit: {limit_bytes} bytes)")


def _succeed(result: object, started: float) -> Response:
    return success(result, time.perf_counter() - started)


def success(result: object, seconds: float) -> Response:
    """The answer with a result, in Qdrant's envelope."""
    return _json({"result": result, "status": "ok", "time": seconds}, 200)


def failure(error: ImageragError, seconds: float = 0.0) -> Response:
    """The answer to an error, in Qdrant's shape."""
    status = 422 if isinstance(error, OutOfRangeError) else _STATUS.get(error.kind, 500)
    plain = isinstance(error, OutOfRangeError | FormatError)
    message = error.message if plain else _PREFIX.get(error.kind, "") + error.message
    response = _json({"status": {"error": message}, "time": seconds}, status)
    if error.retry_after_s is not None:
        response.headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    return response


def _json(content: object, status: int) -> Response:
    return Response(orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS), status, media_type="application/json")
