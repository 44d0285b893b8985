"""The backlog as metrics of the beat process: measured on a thread of its own, so that scheduling never waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError

from services.common.errors import ImageragError
from services.common.jobs.backlog import Backlog, BacklogCount
from services.common.jobs.messages import QUEUE_BULK, QUEUE_INTERACTIVE

log = structlog.get_logger(__name__)
_QUEUES: tuple[str, ...] = (QUEUE_INTERACTIVE, QUEUE_BULK)


@dataclass(frozen=True)
class Look:
    """One successful look at the ledger.

    Attributes:
        at_s: When it ended, in seconds since the epoch.
        took_s: How long it took.
    """

    backlog: Backlog
    at_s: float
    took_s: float


@dataclass
class Measured:
    """What the last looks found; replaced as a whole, so that a scrape never sees half a look.

    Attributes:
        look: The last one at the ledger that succeeded; None before the first.
        queued: Messages by queue; empty while the broker does not answer.
    """

    look: Look | None = None
    queued: Mapping[str, int] = field(default_factory=dict)


class BacklogWatch:
    """Looks at ledger and broker every so often, until the process ends.

    Args:
        open_count: Opens what counts; called again until it succeeds, for the data store may be down.
        redis: The broker's.
        interval_s: Pause between looks.
    """

    def __init__(self, open_count: Callable[[], BacklogCount], redis: Redis, interval_s: float) -> None:
        self._open_count, self._redis, self._interval_s = open_count, redis, interval_s
        self._count: BacklogCount | None = None
        self.measured = Measured()

    def start(self) -> None:
        """Look from now on."""
        threading.Thread(target=self._run, name="backlog", daemon=True).start()

    def _run(self) -> None:
        while True:
            self.look()
            time.sleep(self._interval_s)

    def look(self) -> None:
        """Look once. Without an answer of the data store the last numbers stay, and their age tells."""
        self.measured.queued = self._queued()
        started = time.perf_counter()
        try:
            self._count = self._count or self._open_count()
            backlog = self._count.look()
        except ImageragError as error:
            log.warning("backlog_not_measured", code=error.code, detail=error.message)
        except Exception:  # what a storage's driver raises is not ours to know; the next look may succeed
            log.exception("backlog_not_measured")
        else:
            self.measured.look = Look(backlog, time.time(), time.perf_counter() - started)

    def _queued(self) -> dict[str, int]:
        try:
            return {queue: int(self._redis.llen(queue)) for queue in _QUEUES}
        except RedisError as error:
            log.warning("queues_not_measured", error=type(error).__name__)
            return {}


class BacklogCollector(Collector):
    """Exposes what a watch measured.

    Nothing is exposed before it is known: to an autoscaler, zero would mean that there is nothing to do.
    """

    def __init__(self, measured: Measured) -> None:
        self._measured = measured

    def describe(self) -> Iterable[Metric]:
        """The metrics, without values."""
        return [*_of_ledger(Look(Backlog(), 0.0, 0.0), 0.0), _of_broker({})]

    def collect(self) -> Iterator[Metric]:
        """The metrics, as they stand now: ages go on growing between looks."""
        if self._measured.look is not None:
            yield from _of_ledger(self._measured.look, time.time())
        if self._measured.queued:
            yield _of_broker(self._measured.queued)


def _of_broker(queued: Mapping[str, int]) -> Metric:
    return _by_queue("imagerag_queue_messages", "Messages waiting.", queued)


def _of_ledger(look: Look, now_s: float) -> Iterator[Metric]:
    backlog = look.backlog
    items = {queue: backlog.items.get(queue, 0) for queue in _QUEUES}
    yield _gauge("imagerag_backlog_items", "Items accepted and without an outcome.", sum(items.values()))
    yield _by_queue("imagerag_backlog_queue_items", "Items accepted and without an outcome, by queue.", items)
    ages_s = {queue: _age_s(backlog.oldest_at.get(queue), now_s) for queue in _QUEUES}
    yield _gauge(
        "imagerag_backlog_age_seconds",
        "Age of the oldest item without an outcome, in seconds; 0: there is none.",
        max(ages_s.values()),
    )
    yield _by_queue("imagerag_backlog_queue_age_seconds", "The same by queue, in seconds.", ages_s)
    yield _gauge("imagerag_open_jobs", "Jobs that are not closed.", backlog.open_jobs)
    yield _gauge("imagerag_unread_jobs", "Jobs whose source is not read to its end.", backlog.unread_jobs)
    yield _gauge(
        "imagerag_oldest_open_job_seconds",
        "Age of the oldest job that is not closed, in seconds; 0: there is none.",
        _age_s(backlog.oldest_open_at, now_s),
    )
    yield _gauge(
        "imagerag_backlog_measured_timestamp_seconds",
        "When the ledger was last looked at, in Unix time.",
        look.at_s,
    )
    yield _gauge("imagerag_backlog_look_seconds", "How long the last look at the ledger took.", look.took_s)


def _age_s(since: datetime | None, now_s: float) -> float:
    return now_s - since.timestamp() if since else 0.0


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)


def _by_queue(name: str, documentation: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=["queue"])
    for queue, value in values.items():
        family.add_metric([queue], value)
    return family
