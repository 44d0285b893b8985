"""The embedding cache in Redis: a help, never a need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, cast

import structlog
from opentelemetry.trace import SpanKind
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.common.telemetry.tracing import span
from services.retriever.metrics import CACHE, CACHE_SECONDS

log = structlog.get_logger(__name__)
_ANSWER_WITHIN_S = 0.25
"""A cache that is slower than the encoder is of no use."""


class NoCache:
    """Keeps nothing."""

    async def get(self, name: str) -> bytes | None:
        """Always None."""
        return None

    async def set(self, name: str, data: bytes) -> None:
        """Forget at once."""


class RedisCache:
    """Keeps bytes in Redis with a time to live; an async context manager.

    A failing Redis is logged and otherwise ignored: every look-up is then a miss.

    Args:
        url: Of the cache server, never of the broker: this one may evict.
        ttl_s: How long an entry is kept.
    """

    def __init__(self, url: str, *, ttl_s: int) -> None:
        self._url, self._ttl_s = url, ttl_s

    async def __aenter__(self) -> Self:
        self._redis: Redis = Redis.from_url(
            self._url, socket_timeout=_ANSWER_WITHIN_S, socket_connect_timeout=_ANSWER_WITHIN_S
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._redis.aclose()

    async def get(self, name: str) -> bytes | None:
        """The bytes under `name`, or None."""
        try:
            with _call("GET"):
                kept = cast(bytes | None, await self._redis.get(name))
        except (RedisError, OSError) as error:
            log.warning("cache_unavailable", error=type(error).__name__)
            CACHE.labels("error").inc()
            return None
        CACHE.labels("miss" if kept is None else "hit").inc()
        return kept

    async def set(self, name: str, data: bytes) -> None:
        """Keep `data` under `name` for the time to live."""
        try:
            with _call("SET"):
                await self._redis.set(name, data, ex=self._ttl_s)
        except (RedisError, OSError) as error:
            log.warning("cache_unavailable", error=type(error).__name__)


@contextmanager
def _call(operation: str) -> Iterator[None]:
    attributes = {"db.system.name": "redis", "db.operation.name": operation}
    with CACHE_SECONDS.labels(operation).time(), span(operation, SpanKind.CLIENT, attributes):
        yield
