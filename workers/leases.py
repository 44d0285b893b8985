"""Leases in the broker's Redis: who works on which lines right now. Losing them costs a second try, no more."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import structlog
from redis import Redis
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

log = structlog.get_logger(__name__)
_PREFIX = "imagerag:lease:"
_RENEWALS = 3
"""How often a lease is renewed within its time."""


@dataclass(frozen=True)
class Held:
    """Someone else has the lease.

    Attributes:
        for_s: When it runs out, unless it is renewed.
    """

    for_s: float


def lines_name(tenant: str, job_id: str, start: int, stop: int) -> str:
    """The lease on a range of lines."""
    return f"{tenant}.{job_id}:{start}-{stop}"


def listing_name(tenant: str, job_id: str) -> str:
    """The lease on the reading of a job's source."""
    return f"{tenant}.{job_id}:listing"


class Leases:
    """Takes leases and keeps them alive on a thread as long as the process lives.

    Args:
        redis: Opened in this process.
        lease_s: Time after which a lease that is not renewed is free.
    """

    def __init__(self, redis: Redis, lease_s: float) -> None:
        self._redis, self._lease_s = redis, lease_s

    @contextmanager
    def hold(self, name: str) -> Iterator[Held | None]:
        """Hold the lease `name` in the block; yields `Held` if someone else has it.

        Without an answer from Redis the block goes on as if it had the lease: the work is idempotent.
        """
        lock = self._redis.lock(_PREFIX + name, timeout=self._lease_s, thread_local=False)
        try:
            taken = lock.acquire(blocking=False)
            held = None if taken else Held(max(0, self._redis.pttl(_PREFIX + name)) / 1000)
        except RedisError:
            log.warning("lease_unavailable", lease=name)
            taken, held = False, None
        with self._renewed(lock) if taken else _nothing():
            yield held

    def taken(self, names: Sequence[str]) -> list[bool]:
        """Which of these leases someone has.

        Raises:
            RedisError: Redis does not answer.
        """
        if not names:
            return []
        return [value is not None for value in self._redis.mget([_PREFIX + name for name in names])]

    @contextmanager
    def _renewed(self, lock: Lock) -> Iterator[None]:
        done = threading.Event()
        thread = threading.Thread(target=self._renew, args=(lock, done), name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            _release(lock)

    def _renew(self, lock: Lock, done: threading.Event) -> None:
        while not done.wait(self._lease_s / _RENEWALS):
            try:
                lock.reacquire()
            except (LockError, RedisError):
                log.warning("lease_lost", lease=str(lock.name))


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _release(lock: Lock) -> None:
    # It ran out, or Redis is away: then it will run out.
    with suppress(LockError, RedisError):
        lock.release()
