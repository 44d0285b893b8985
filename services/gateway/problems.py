"""Every error as application/problem+json (RFC 9457), with the fields clients switch on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response

from services.common.errors import ImageragError, InternalError
from services.common.status import status_of
from services.common.telemetry.request_id import current_request_id

MEDIA_TYPE = "application/problem+json"
OUTCOME = "imagerag.outcome"
"""Key in the ASGI scope under which the code of the error that was shown is left for the metrics."""
DEFAULT_RETRY_AFTER_S = 5.0
"""Said with 429 and 503 when the failing part did not name a time itself."""
_RETRY_STATUSES = frozenset({429, 503, 504})
_MAX_SHOWN_MISTAKES = 20


@dataclass(frozen=True)
class Problem:
    """What a caller is told.

    Attributes:
        status: HTTP status.
        code: Stable snake_case name.
        detail: What is wrong and what to do about it.
        retryable: Whether the same call may succeed later.
        retry_after_s: When to try again, if known.
        extra: More members of the document.
        headers: More headers of the response.
    """

    status: int
    code: str
    detail: str
    retryable: bool = False
    retry_after_s: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The JSON object; names the request id of this context."""
        return {
            "type": f"urn:imagerag:problem:{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "retryable": self.retryable,
            "request_id": current_request_id(),
            **self.extra,
        }

    def response(self) -> Response:
        """The HTTP response."""
        return Response(
            orjson.dumps(self.document()),
            status_code=self.status,
            media_type=MEDIA_TYPE,
            headers={**self.headers, **self._retry_header()},
        )

    def _retry_header(self) -> dict[str, str]:
        wait_s = self.retry_after_s
        if wait_s is None and self.status in _RETRY_STATUSES:
            wait_s = DEFAULT_RETRY_AFTER_S
        return {} if wait_s is None else {"Retry-After": str(max(1, math.ceil(wait_s)))}


def problem_of(error: Exception) -> Problem:
    """The problem that shows `error`; an error that is not of the tree shows a fixed text."""
    known = error if isinstance(error, ImageragError) else InternalError()
    status = status_of(known).http
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    return Problem(status, known.code, known.message, known.retryable, known.retry_after_s, headers=headers)


def http_problem(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """The problem for an error of HTTP itself: no such path, a method the path does not have.

    The framework's own text stays inside.
    """
    details = {
        404: ("not_found", "There is nothing at this address. /docs lists what there is."),
        405: ("method_not_allowed", "This address does not take this method. /docs lists what it takes."),
    }
    code, detail = details.get(status, ("invalid_request", "The request could not be read."))
    return Problem(status, code, detail, headers=headers or {})


def validation_problem(mistakes: Sequence[Mapping[str, Any]]) -> Problem:
    """The problem for a body or query that does not fit its schema.

    Args:
        mistakes: As pydantic lists them; the rejected input itself is left out.
    """
    shown = [
        {"where": ".".join(str(part) for part in mistake["loc"]), "message": str(mistake["msg"])}
        for mistake in mistakes[:_MAX_SHOWN_MISTAKES]
    ]
    first = shown[0] if shown else {"where": "", "message": "It does not fit its schema."}
    detail = f"{first['where'] or 'body'}: {first['message']}"
    return Problem(422, "invalid_request", detail, extra={"errors": shown})
