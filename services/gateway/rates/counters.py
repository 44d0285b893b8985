"""Where the buckets are kept: in Redis for all replicas of the gateway, or in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.gateway.rates.cells import MICROS_PER_S, Rate, Verdict, decide, verdict_of

log = structlog.get_logger(__name__)
_ANSWER_WITHIN_S = 0.1
_LEFT_ALONE_S = 2.0
"""A server that failed is not asked again for so long: it must not slow every request down."""
_NAME = "imagerag:rates:"
# `cells.decide` in Lua, by the server's clock: the clocks of several gateways differ.
_DECIDE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local asked, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local empty_at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local over = empty_at + asked - now - burst
if over <= 0 then
  empty_at = empty_at + asked
  redis.call('SET', KEYS[1], string.format('%.0f', empty_at), 'PX', math.ceil((empty_at - now) / 1000) + 1000)
end
return {over, empty_at - now}
"""


class Counter(Protocol):
    """Keeps a bucket for each name."""

    async def take(self, name: str, rate: Rate, cost: int) -> Verdict:
        """Take `cost` units from the bucket `name` if they are there."""


class LocalCounter:
    """Counts in this process.

    Args:
        clock_s: A clock that never goes back, in seconds.
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._empty_at_us: dict[str, int] = {}

    async def take(self, name: str, rate: Rate, cost: int) -> Verdict:
        """See `Counter.take`. Holds one number a name; names are keys of the file, so they are few."""
        now_us = round(self._clock_s() * MICROS_PER_S)
        verdict, self._empty_at_us[name] = decide(rate, cost, self._empty_at_us.get(name, 0), now_us)
        return verdict


class SharedCounter:
    """Counts in Redis, and in this process while Redis does not answer; an async context manager.

    Args:
        url: Of the cache server: what it evicts is a bucket that is taken for empty.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._local = LocalCounter()
        self._left_alone_until = 0.0

    async def __aenter__(self) -> Self:
        self._redis: Redis = Redis.from_url(
            self._url, socket_timeout=_ANSWER_WITHIN_S, socket_connect_timeout=_ANSWER_WITHIN_S
        )
        self._decide = self._redis.register_script(_DECIDE)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._redis.aclose()

    async def take(self, name: str, rate: Rate, cost: int) -> Verdict:
        """See `Counter.take`. Never an error: a cache that is away limits each process by itself."""
        if time.monotonic() < self._left_alone_until:
            return await self._local.take(name, rate, cost)
        try:
            return await self._ask(name, rate, cost)
        except (RedisError, OSError) as error:
            log.warning("rates_not_shared", error=type(error).__name__)
            self._left_alone_until = time.monotonic() + _LEFT_ALONE_S
            return await self._local.take(name, rate, cost)

    async def _ask(self, name: str, rate: Rate, cost: int) -> Verdict:
        asked_us = min(cost, rate.burst_units) * rate.unit_us
        answer = await self._decide(keys=[_NAME + name], args=[asked_us, rate.burst_us])
        over_us, filled_us = cast(list[int], answer)
        return verdict_of(rate, over_us, filled_us)
