"""Rates that several gateways count together in Redis, and what happens while Redis is away."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.gateway.rates.cells import MICROS_PER_S, Rate, Verdict, decide
from services.gateway.rates.counters import SharedCounter
from tests.fixtures.api_keys import bearer, key_line, write_keys
from tests.fixtures.brokers import CACHE_OPTIONS, ValkeyProcess
from tests.fixtures.gateway import running_gateway


@pytest.fixture
async def counter(cache_url: str) -> AsyncIterator[SharedCounter]:
    async with SharedCounter(cache_url) as opened:
        yield opened


@pytest.fixture
async def cache(cache_url: str) -> AsyncIterator[Redis]:
    client: Redis = Redis.from_url(cache_url)
    yield client
    await client.aclose()


async def test_the_script_decides_as_the_function_does(
    counter: SharedCounter, cache: Redis, collection_name: str
) -> None:
    rng = random.Random(3)
    rate = Rate.per_second(200, burst_s=0.25)
    empty_at_us, seen = 0, set()
    for _ in range(200):
        cost = rng.choice((1, 1, 5, 30, 200))
        verdict = await counter.take(collection_name, rate, cost)
        kept_us = int(await cache.get(f"imagerag:rates:{collection_name}") or empty_at_us)
        # The server's clock at the decision follows from what it kept.
        now_us = kept_us - round(verdict.reset_s * MICROS_PER_S)
        assert decide(rate, cost, empty_at_us, now_us) == (verdict, kept_us)
        empty_at_us = kept_us
        seen.add(verdict.allowed)
        await asyncio.sleep(rng.choice((0, 0, 0.02)))
    assert seen == {True, False}


async def test_two_gateways_count_together(cache: Redis, cache_url: str, collection_name: str) -> None:
    rate = Rate.per_second(0.1, burst_s=100)
    async with SharedCounter(cache_url) as one, SharedCounter(cache_url) as other:
        verdicts = await asyncio.gather(
            *(counter.take(collection_name, rate, 1) for _ in range(10) for counter in (one, other))
        )
        assert sum(verdict.allowed for verdict in verdicts) == 10
        wait_ms = await cache.pttl(f"imagerag:rates:{collection_name}")
        assert 90_000 < wait_ms <= 101_000  # it goes away by itself


async def test_a_cache_that_is_away_is_no_outage(tmp_path: Path) -> None:
    rate = Rate.per_second(0.1, burst_s=100)
    with ValkeyProcess(tmp_path / "cache", CACHE_OPTIONS) as cache:
        async with SharedCounter(cache.url) as counter:
            assert (await counter.take("key", rate, 1)).remaining_units == 9
            cache.kill()
            started = time.monotonic()
            away = [await counter.take("key", rate, 1) for _ in range(12)]
            assert time.monotonic() - started < 1.0
            assert [verdict.allowed for verdict in away] == [True] * 10 + [False] * 2
            cache.start()
            deadline = time.monotonic() + 10
            back: Verdict = away[-1]
            while not back.allowed and time.monotonic() < deadline:
                await asyncio.sleep(0.2)
                back = await counter.take("key", rate, 1)
            assert back.remaining_units == 9  # the new server starts with an empty bucket


async def test_two_replicas_of_the_gateway_hold_one_key_to_one_rate(tmp_path: Path, cache_url: str) -> None:
    keys = write_keys(tmp_path / "keys", key_line(f"key of {tmp_path}", requests_per_s=2.0))
    settings = {"keys_path": keys, "cache_url": cache_url}
    async with (
        running_gateway(tmp_path / "a", **settings) as one,
        running_gateway(tmp_path / "b", **settings) as other,
    ):
        answers = [
            await gateway.client.get("/v1/jobs", headers=bearer(f"key of {tmp_path}"))
            for _ in range(15)
            for gateway in (one, other)
        ]
        allowed = [answer for answer in answers if answer.status_code == 200]
        assert 20 <= len(allowed) <= 24
        assert {answer.status_code for answer in answers} == {200, 429}
