"""How large a body may be and how long it may take, enforced while it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common.errors import PayloadTooLargeError
from services.gateway.metrics import TOO_SLOW
from services.gateway.problems import Problem, problem_of
from services.gateway.refusals import declared_bytes, refuse

LEAST_BYTES_PER_S = 16 * 1024
"""A body that comes slower than this, after the grace time, is given up."""
_TOO_SLOW = Problem(408, TOO_SLOW, "The body came too slowly. Send it again.", retryable=True)
_MULTIPART = "multipart/form-data"
_MULTIPART_OVERHEAD_BYTES = 64 * 1024


class BodyRefusedError(Exception):
    """Ends the reading of a body. Not of the error tree: no handler but this module's may answer it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


@dataclass(frozen=True)
class BodyLimits:
    """Bytes by what the body is.

    Attributes:
        json_bytes: A JSON object.
        item_list_bytes: A JSON list of items to ingest.
        picture_bytes: A single picture, raw.
        upload_bytes: The files of one job.
        file_bytes: A single file of any kind, raw.
        grace_s: Time that any body may take.
    """

    json_bytes: int
    item_list_bytes: int
    picture_bytes: int
    upload_bytes: int
    file_bytes: int
    grace_s: float

    def of(self, method: str, path: str, content_type: str) -> int:
        """The limit of one request, in bytes."""
        multipart = content_type.lower().startswith(_MULTIPART)
        if method == "POST" and path == "/v1/catalogue":
            return self.item_list_bytes
        if path == "/v1/jobs":
            return self.upload_bytes if multipart else self.item_list_bytes
        if method == "PUT" and path == "/v1/uploads":
            return self.file_bytes
        if multipart:
            return self.picture_bytes + self.json_bytes + _MULTIPART_OVERHEAD_BYTES
        if method == "PUT" and path == "/v1/media":
            return self.picture_bytes
        return self.json_bytes


class BodyLimit:
    """Answers 413 to a body above its limit, declared or not, and 408 to one that dribbles.

    Args:
        app: The application behind it.
        limits: See `BodyLimits`.
    """

    def __init__(self, app: ASGIApp, limits: BodyLimits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a watched `receive`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = self._limits.of(scope["method"], scope["path"], headers.get("content-type", ""))
        if declared_bytes(headers) > limit:
            await refuse(too_large(limit), scope, receive, send)
            return
        body = _WatchedBody(receive, limit, self._limits.grace_s)
        started = _Started(send)
        try:
            await self._app(scope, body.receive, started.send)
        except BodyRefusedError as refusal:
            if not started.began:
                await refuse(refusal.problem, scope, receive, send)


class _WatchedBody:
    def __init__(self, receive: Receive, limit_bytes: int, grace_s: float) -> None:
        self._receive, self._limit_bytes, self._grace_s = receive, limit_bytes, grace_s
        self._clock: Callable[[], float] = asyncio.get_running_loop().time
        self._started_at = self._clock()
        self._received_bytes = 0
        self._complete = False

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()
        give_up_at = self._started_at + self._grace_s + self._received_bytes / LEAST_BYTES_PER_S
        try:
            async with asyncio.timeout(give_up_at - self._clock()):
                message = await self._receive()
        except TimeoutError:
            raise BodyRefusedError(_TOO_SLOW) from None
        self._received_bytes += len(message.get("body", b""))
        if self._received_bytes > self._limit_bytes:
            raise BodyRefusedError(too_large(self._limit_bytes))
        self._complete = not message.get("more_body", False)
        return message


class _Started:
    """Remembers whether a response began: then it is too late for another."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.began = False

    async def send(self, message: Message) -> None:
        self.began = True
        await self._send(message)


def too_large(limit_bytes: int) -> Problem:
    """The problem of a body above `limit_bytes`."""
    return problem_of(PayloadTooLargeError(f"The body is larger than the {limit_bytes:,} bytes accepted here."))
