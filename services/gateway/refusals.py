"""Answers a request whose body nobody wants to read."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from services.gateway.problems import OUTCOME, Problem

_LINGER_S = 2.0
_LONGEST_S = 10.0
_WORTH_A_SECOND_BYTES = 4 * 1024 * 1024
_SMALL_BYTES = 64 * 1024
"""A body of this declared size is read to its end, and the connection serves on: under overload, new connections
would cost more than the refusals."""


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer before the body was read; what comes of it, for a moment, is thrown away.

    A socket closed with unread bytes in it is reset, and the client would lose the answer.
    """
    scope[OUTCOME] = problem.code
    response = problem.response()
    small = _is_small(Headers(scope=scope))
    drained = await _drain(receive) if small else False
    if not drained:
        response.headers["connection"] = "close"
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    if not small:
        await _drain(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> bool:
    """Whether the body came to its end. Who sends fast is heard out longer: it will read its answer soon."""
    clock = asyncio.get_running_loop().time
    began, received_bytes = clock(), 0
    try:
        while True:
            patience_s = min(_LINGER_S + received_bytes / _WORTH_A_SECOND_BYTES, _LONGEST_S)
            async with asyncio.timeout(began + patience_s - clock()):
                message = await receive()
            if not message.get("more_body", False):
                return True
            received_bytes += len(message["body"])
    except TimeoutError:
        return False


def declared_bytes(headers: Headers) -> int:
    """What a request says its body has; 0 if it says nothing."""
    declared = headers.get("content-length", "")
    return int(declared) if declared.isdecimal() else 0


def _is_small(headers: Headers) -> bool:
    return "transfer-encoding" not in headers and declared_bytes(headers) <= _SMALL_BYTES
