"""OpenAI's chat interface: `/v1/chat/completions`, `/v1/models`; and `/healthz`."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import orjson
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from services.common.errors import ImageragError, InternalError, PayloadTooLargeError, UnauthenticatedError
from services.common.telemetry.metrics import observe_call
from services.common.telemetry.request_id import HEADER, bind_request_id
from services.common.web.event_stream import EventStream, while_listening
from services.common.web.tracing import end_server_span, server_span
from services.vision.conversation import Wish, Written
from services.vision.service import VisionService
from services.vision.wire import AnswerFormat, CallLimits, error_body, model_list, read_call

log = structlog.get_logger(__name__)
Handler = Callable[[Request], Awaitable[Response]]


class VisionRoutes:
    """Requests to the service and its answers back.

    Args:
        service: Does the work.
        limits: What one call may ask for.
        body_limit_bytes: Largest call.
        api_key: Asked of every caller; None: of none.
    """

    def __init__(
        self, service: VisionService, limits: CallLimits, body_limit_bytes: int, api_key: str | None
    ) -> None:
        self._service, self._limits, self._body_limit_bytes = service, limits, body_limit_bytes
        self._api_key = api_key

    def routes(self) -> list[Route]:
        """All routes."""
        return [
            _observed("POST", "/v1/chat/completions", self._complete),
            _observed("GET", "/v1/models", self._models),
            Route("/healthz", _health, methods=["GET"]),
        ]

    async def _models(self, request: Request) -> Response:
        self._check_key(request)
        return _json(model_list(self._service.model), 200)

    async def _complete(self, request: Request) -> Response:
        self._check_key(request)
        body = await _read_body(request, self._body_limit_bytes)
        wish = await asyncio.to_thread(read_call, body, self._service.model, self._limits)
        if not wish.streams:
            written = await while_listening(request.receive, self._whole(wish))
            return _json(AnswerFormat(self._service.model).whole(written), 200)
        pieces = self._service.write(wish)
        # The first piece before the headers: what is wrong with a call has a status of its own.
        first = await while_listening(request.receive, _next(pieces))
        return EventStream(_events(first, pieces, AnswerFormat(self._service.model)))

    async def _whole(self, wish: Wish) -> Written:
        async with aclosing(self._service.write(wish)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Written):
                    return piece
        raise InternalError

    def _check_key(self, request: Request) -> None:
        if self._api_key is None:
            return
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._api_key.encode()):
            raise UnauthenticatedError("Send the key: Authorization: Bearer ...")


async def _next(pieces: AsyncGenerator[str | Written, None]) -> str | Written:
    return await anext(pieces)


async def _events(
    first: str | Written, pieces: AsyncGenerator[str | Written, None], answer: AnswerFormat
) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces):
        yield _event(first, answer)
        try:
            async for piece in pieces:
                yield _event(piece, answer)
        except Exception:
            # The status is out; a stream that ends without its last chunk is not taken for a whole answer.
            log.exception("answer_broke_off")
            return
    yield b"data: [DONE]\n\n"


def _event(piece: str | Written, answer: AnswerFormat) -> bytes:
    chunk = answer.last_chunk(piece) if isinstance(piece, Written) else answer.chunk(piece)
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def _observed(method: str, path: str, handle: Handler) -> Route:
    """A route that counts its calls and answers errors in the interface's shape."""

    async def answer(request: Request) -> Response:
        bind_request_id(request.headers.get(HEADER))
        name = f"{method} {path}"
        with (
            observe_call("rest", name) as outcome,
            server_span(method, request.url.path, request.headers) as served,
        ):
            response = await _guarded(handle(request))
            if response.status_code != 200:
                outcome.code = str(response.status_code)
            end_server_span(served, name, path, response.status_code, outcome.code)
            return response

    return Route(path, answer, methods=[method])


async def _guarded(answering: Awaitable[Response]) -> Response:
    try:
        return await answering
    except ClientDisconnect:
        # Nobody reads this; the status is for the counts.
        return Response(status_code=499)
    except ImageragError as error:
        return _failure(error)
    except Exception:
        log.exception("call_failed")
        return _failure(InternalError())


def _failure(error: ImageragError) -> Response:
    status, body = error_body(error)
    response = _json(body, status)
    if error.retry_after_s is not None:
        response.headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    return response


async def _read_body(request: Request, limit_bytes: int) -> bytes:
    announced = request.headers.get("content-length", "")
    content = bytearray()
    if not (announced.isdecimal() and int(announced) > limit_bytes):
        async for chunk in request.stream():
            content += chunk
            if len(content) > limit_bytes:
                break
        else:
            return bytes(content)
    raise PayloadTooLargeError(f"The call is larger than {limit_bytes} bytes.")


async def _health(_request: Request) -> Response:
    return Response("ok", media_type="text/plain")


def _json(body: object, status: int) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
