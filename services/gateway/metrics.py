"""What the gateway counts besides its calls (in flight: see `lanes`)."""

from __future__ import annotations

from prometheus_client import Counter

from services.common.errors import (
    ForbiddenError,
    MissingScopeError,
    OverloadedError,
    PayloadTooLargeError,
    RateLimitedError,
    UnauthenticatedError,
)

REJECTED = Counter("imagerag_gateway_rejected_total", "Requests turned away at the door, by reason.", ["reason"])
TOO_SLOW = "request_timeout"
_REASONS = frozenset(
    {
        UnauthenticatedError.code,
        ForbiddenError.code,
        MissingScopeError.code,
        RateLimitedError.code,
        OverloadedError.code,
        PayloadTooLargeError.code,
        TOO_SLOW,
    }
)
for _reason in _REASONS:
    REJECTED.labels(_reason)  # at zero from the start, so that a first rejection shows as an increase


def count_rejection(outcome: str) -> None:
    """Count a request if its outcome is that it was turned away."""
    if outcome in _REASONS:
        REJECTED.labels(outcome).inc()
