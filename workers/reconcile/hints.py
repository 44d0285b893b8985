"""When each batch was last queued again: kept in the broker's Redis. Lost hints cost an early message, no more."""

from __future__ import annotations

from redis import Redis

from services.common.jobs.records import Job
from workers.reconcile.plan import Queued

_PREFIX = "imagerag:requeued:"
_KEEP_S = 7 * 24 * 3600
_VERIFIED = b"verified"


class RequeueHints:
    """Hints of all jobs, one hash a job.

    Args:
        redis: Opened in this process.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def read(self, job: Job) -> dict[int, Queued]:
        """What is known, by the batch's first line."""
        found = self._redis.hgetall(_name(job))
        return {int(start): _parse(value) for start, value in found.items() if start != _VERIFIED}

    def write(self, job: Job, start: int, queued: Queued) -> None:
        """Note that a batch was queued again."""
        self._redis.hset(_name(job), str(start), f"{queued.times} {queued.at_s:.3f}")
        self._redis.expire(_name(job), _KEEP_S)

    def verified_parts(self, job: Job) -> int:
        """How many parts, from the first on, were found in the store after all lines had come to their end."""
        return int(self._redis.hget(_name(job), _VERIFIED) or 0)

    def note_verified(self, job: Job, parts: int) -> None:
        """Note that so many were."""
        self._redis.hset(_name(job), _VERIFIED, str(parts))
        self._redis.expire(_name(job), _KEEP_S)

    def forget(self, job: Job) -> None:
        """Remove what is known of a job."""
        self._redis.delete(_name(job))


def _name(job: Job) -> str:
    return f"{_PREFIX}{job.tenant}.{job.id}"


def _parse(value: bytes | str) -> Queued:
    times, at_s = value.split()
    return Queued(int(times), float(at_s))
