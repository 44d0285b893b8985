"""The generic cell rate algorithm: a bucket that drains evenly, kept as one number.

Source: ITU-T I.371, annex A (virtual scheduling). The number is the moment at which the bucket will be empty.
Times are whole microseconds: exact in Redis' Lua, whose numbers are 64-bit floats.
"""

from __future__ import annotations

from dataclasses import dataclass

MICROS_PER_S = 1_000_000


@dataclass(frozen=True)
class Rate:
    """An even rate with room for bursts.

    Attributes:
        unit_us: Time that one unit takes to drain.
        burst_units: Units that fit at once.
    """

    unit_us: int
    burst_units: int

    @classmethod
    def per_second(cls, units: float, burst_s: float) -> Rate:
        """`units` a second; what `burst_s` seconds allow may come at once."""
        return cls(max(1, round(MICROS_PER_S / units)), max(1, round(units * burst_s)))

    @property
    def burst_us(self) -> int:
        """Time that a full bucket takes to drain."""
        return self.unit_us * self.burst_units


@dataclass(frozen=True)
class Verdict:
    """What a limiter says about one request.

    Attributes:
        allowed: It was counted; else nothing was.
        remaining_units: What would still fit now.
        retry_after_s: When the same request would be allowed; 0 if it was.
        reset_s: When the bucket will be empty.
    """

    allowed: bool
    remaining_units: int
    retry_after_s: float
    reset_s: float


def decide(rate: Rate, cost: int, empty_at_us: int, now_us: int) -> tuple[Verdict, int]:
    """Judge a request of `cost` units.

    Args:
        rate: What is allowed.
        cost: Units; one that is larger than the whole bucket is judged as a full bucket.
        empty_at_us: When the bucket will be empty, as left by the request before; 0 at first.
        now_us: The time.

    Returns:
        The verdict, and when the bucket will be empty now.
    """
    empty_at_us = max(empty_at_us, now_us)
    asked_us = min(cost, rate.burst_units) * rate.unit_us
    over_us = empty_at_us + asked_us - now_us - rate.burst_us
    if over_us <= 0:
        empty_at_us += asked_us
    return verdict_of(rate, over_us, empty_at_us - now_us), empty_at_us


def verdict_of(rate: Rate, over_us: int, filled_us: int) -> Verdict:
    """The verdict in the caller's terms.

    Args:
        rate: What is allowed.
        over_us: By how much the request would overflow the bucket; at most 0 if it fits.
        filled_us: Time until the bucket is empty, after the request if it was allowed.
    """
    return Verdict(
        allowed=over_us <= 0,
        remaining_units=max(0, (rate.burst_us - filled_us) // rate.unit_us),
        retry_after_s=max(0, over_us) / MICROS_PER_S,
        reset_s=filled_us / MICROS_PER_S,
    )
