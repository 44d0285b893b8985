"""How long to wait before something is tried again. Pure."""

from __future__ import annotations


def retry_wait_s(retries: int, base_s: float, cap_s: float, spread: float, asked_s: float | None = None) -> float:
    """Exponential backoff with jitter over its upper half.

    Args:
        retries: How often it was tried again already.
        base_s: Wait before the first retry.
        cap_s: Longest wait.
        spread: In [0, 1), drawn at random, so that many callers do not come back at once.
        asked_s: What the failed service asked for; the wait is not shorter, up to the cap.
    """
    grown_s = min(cap_s, base_s * 2.0 ** min(retries, 30))
    wait_s = grown_s * (0.5 + 0.5 * spread)
    return min(cap_s, max(wait_s, asked_s or 0.0))
