"""Answers of the gateway that are errors, as what a person is told."""

from __future__ import annotations

from typing import Any

import httpx

from services.cli.errors import EXIT_FAILED, EXIT_UNREACHABLE, CliError

RETRY_STATUSES = frozenset({429, 503})
"""The gateway says "not now": the same call may succeed later."""
_FIXES = {
    "unauthenticated": "Give the key with --key or IMAGERAG_KEY.",
    "unavailable": "`imagerag doctor` says which part does not answer.",
    "missing_scope": "Ask the operator for a key with this scope (`imagerag keys create --scope`).",
    "rate_limited": "Wait a moment, or ask the operator for a higher rate.",
    "overloaded": "Too much at once: try again in a moment.",
    "exhausted": "Too much at once: try again in a moment.",
    "deadline_exceeded": "Try again; `imagerag doctor` says which part is slow or away.",
    "internal": "The log of the gateway has the cause under the request id.",
}
_UNDOCUMENTED = {502: "unavailable", 503: "unavailable", 504: "deadline_exceeded"}


def to_error(response: httpx.Response) -> CliError:
    """The error that a response with a status of 400 or above stands for."""
    document = _document(response)
    # A proxy in front of a gateway that restarts answers without a document.
    code = str(document.get("code") or _UNDOCUMENTED.get(response.status_code, "failed"))
    details = {name: document[name] for name in ("request_id", "rejected", "errors") if document.get(name)}
    message = str(document.get("detail") or f"The gateway answered {response.status_code}.")
    if code == "internal" and document.get("request_id"):
        message = f"{message} (request id {document['request_id']})"
    exit_code = EXIT_UNREACHABLE if code == "unavailable" else EXIT_FAILED
    return CliError(message, _FIXES.get(code, ""), code, exit_code, details)


def retry_after_s(response: httpx.Response, default_s: float) -> float:
    """When the gateway wants to be asked again, in seconds; between 0 and 60."""
    try:
        named = float(response.headers.get("retry-after", default_s))
    except ValueError:
        return default_s
    return min(max(named, 0.0), 60.0) if named == named else default_s


def _document(response: httpx.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
