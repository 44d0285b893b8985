"""Leases over a real Redis."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from redis import Redis

from services.common.jobs.records import Job, JobSource
from tests.fixtures.brokers import free_port
from workers.leases import Leases, lines_name
from workers.reconcile.hints import RequeueHints
from workers.reconcile.plan import Queued


@pytest.fixture
def redis(broker_url: str) -> Iterator[Redis]:
    """The broker's Redis."""
    with Redis.from_url(broker_url) as client:
        yield client


@pytest.fixture
def name() -> str:
    """Lines that no other test works on."""
    return lines_name("default", uuid.uuid4().hex, 0, 64)


def test_one_holder_at_a_time(redis: Redis, name: str) -> None:
    first, second = Leases(redis, 5), Leases(redis, 5)
    with first.hold(name) as mine:
        assert mine is None
        assert second.taken([name, "other"]) == [True, False]
        with second.hold(name) as theirs:
            assert theirs is not None
            assert 0 < theirs.for_s <= 5
        assert second.taken([name]) == [True], "whoever waited in vain must not free it"
    assert first.taken([name]) == [False]


def test_a_lease_is_renewed_while_the_work_lasts(redis: Redis, name: str) -> None:
    with Leases(redis, 0.4).hold(name):
        time.sleep(1.0)
        assert Leases(redis, 0.4).taken([name]) == [True]


def test_a_dead_holders_lease_runs_out(redis: Redis, name: str) -> None:
    redis.lock(f"imagerag:lease:{name}", timeout=0.3).acquire()
    leases = Leases(redis, 5)
    assert leases.taken([name]) == [True]
    time.sleep(0.4)
    with leases.hold(name) as held:
        assert held is None


def test_without_redis_the_work_goes_on(name: str) -> None:
    with (
        Redis.from_url(f"redis://127.0.0.1:{free_port()}/0") as nowhere,
        Leases(nowhere, 5).hold(name) as held,
    ):
        assert held is None


def test_hints_are_kept_by_job(redis: Redis) -> None:
    def job() -> Job:
        return Job(uuid.uuid4().hex, "default", 1, 99, datetime.now(UTC), JobSource("upload"))

    hints, one, other = RequeueHints(redis), job(), job()
    hints.write(one, 64, Queued(3, 1234.5))
    hints.write(one, 0, Queued(1, 99.0))
    assert hints.read(one) == {64: Queued(3, 1234.5), 0: Queued(1, 99.0)}
    assert hints.read(other) == {}
    hints.forget(one)
    assert hints.read(one) == {}
