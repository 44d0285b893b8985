"""The request id: made at the first edge, carried over REST, gRPC and Celery, bound to every log line."""

from __future__ import annotations

import re
import uuid
from contextvars import ContextVar

import structlog

HEADER = "x-request-id"
"""Name of the HTTP header, the gRPC metadata key and the Celery message header."""

_ALLOWED = re.compile(r"[A-Za-z0-9._-]{1,64}")
_current: ContextVar[str] = ContextVar("request_id", default="")


def bind_request_id(given: str | None) -> str:
    """Take over `given` if it is well formed, else make a new id; bind it to this context's logs."""
    request_id = given if given and _ALLOWED.fullmatch(given) else uuid.uuid4().hex
    _current.set(request_id)
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id


def current_request_id() -> str:
    """The id bound in this context, or an empty string."""
    return _current.get()
