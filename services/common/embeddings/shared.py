"""Embeddings in Redis, for all processes together: a help, never a need."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self, cast

import structlog
from opentelemetry.trace import SpanKind
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from services.common.domain import Vector
from services.common.embeddings import metrics
from services.common.embeddings.breaker import Breaker
from services.common.embeddings.values import pack, unpack
from services.common.telemetry.tracing import span

log = structlog.get_logger(__name__)
_ANSWER_WITHIN_S = 0.25
"""A cache that is slower than the encoder is of no use."""
_LEFT_ALONE_S = 5.0
"""With the wait above: a server that hangs costs a busy process 5 % of its time."""
_TIER = "redis"


class SharedVectors:
    """Vectors by key in a cache server, each with a time to live; an async context manager.

    Open it after a fork and inside the event loop that uses it. A server that fails or hangs is waited for
    briefly, logged, and then left alone for a while: everything is a miss meanwhile, and nothing is ever raised.

    Args:
        url: Of the cache server, never of the broker: this one may evict.
        ttl_s: How long a vector is kept.
    """

    def __init__(self, url: str, *, ttl_s: int) -> None:
        self._url, self._ttl_s = url, ttl_s
        self._breaker = Breaker(_LEFT_ALONE_S)
        metrics.begin(_TIER)

    async def __aenter__(self) -> Self:
        self._redis: Redis = Redis.from_url(
            self._url,
            socket_timeout=_ANSWER_WITHIN_S,
            socket_connect_timeout=_ANSWER_WITHIN_S,
            # The server was restarted: once more over a new connection, at once. By default the client waits, too.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._redis.aclose()

    async def get(self, keys: Sequence[str], dim: int | None) -> dict[str, Vector]:
        """The vectors that are kept, in one round trip.

        Args:
            keys: What is looked for.
            dim: Length that each must have; None: any.

        Returns:
            float32, shape (dim,), by key; what is not kept or cannot be read is absent.
        """
        kept = await self._ask(keys)
        if kept is None:
            metrics.count(_TIER, errors=len(keys))
            return {}
        read = {key: unpack(key, value, dim) for key, value in zip(keys, kept, strict=True) if value is not None}
        found = {key: vector for key, vector in read.items() if vector is not None}
        if len(found) < len(read):
            log.warning("cached_embeddings_unreadable", count=len(read) - len(found))
        metrics.count(_TIER, hits=len(found), misses=len(keys) - len(found))
        return found

    async def put(self, vectors: Mapping[str, Vector]) -> None:
        """Keep vectors, in one round trip; each replaces what stands under its key."""
        if not vectors or not self._breaker.lets_through():
            return
        with self._tolerant(), _timed("SET"):
            async with asyncio.timeout(_ANSWER_WITHIN_S), self._redis.pipeline(transaction=False) as pipeline:
                for key, vector in vectors.items():
                    pipeline.set(key, pack(key, vector), ex=self._ttl_s)
                await pipeline.execute()

    async def _ask(self, keys: Sequence[str]) -> list[bytes | None] | None:
        if not self._breaker.lets_through():
            return None
        with self._tolerant(), _timed("MGET"):
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                return cast(list[bytes | None], await self._redis.mget(keys))
        return None

    @contextmanager
    def _tolerant(self) -> Iterator[None]:
        try:
            yield
        except ResponseError as error:  # it lives and refuses: a wrong password, or full and not set to evict
            log.warning("cache_refuses", error=str(error))
        except (RedisError, OSError) as error:
            log.warning("cache_unavailable", error=type(error).__name__)
            self._breaker.failed()
        else:
            self._breaker.succeeded()


@contextmanager
def _timed(operation: str) -> Iterator[None]:
    attributes = {"db.system.name": "redis", "db.operation.name": operation}
    with metrics.SECONDS.labels(operation).time(), span(operation, SpanKind.CLIENT, attributes):
        yield
