import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import RateLimitedError
from services.gateway.keys import Caller
from services.gateway.rates.cells import MICROS_PER_S, Rate, decide
from services.gateway.rates.counters import LocalCounter
from services.gateway.rates.limiter import Limiter

rates = st.builds(Rate.per_second, st.floats(0.5, 5000), st.floats(1, 20))


class Clock:
    """A clock that stands still until it is told the time."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@given(rates, st.lists(st.tuples(st.integers(1, 60), st.floats(0, 3)), min_size=1, max_size=60))
def test_never_more_than_the_burst_and_the_rate(rate: Rate, calls: list[tuple[int, float]]) -> None:
    now_us = empty_at_us = 0
    granted: list[tuple[int, int]] = []
    for cost, pause_s in calls:
        now_us += round(pause_s * MICROS_PER_S)
        verdict, empty_at_us = decide(rate, cost, empty_at_us, now_us)
        if verdict.allowed:
            granted.append((now_us, min(cost, rate.burst_units)))
    for first, (begin_us, _) in enumerate(granted):
        spent = 0
        for at_us, cost in granted[first:]:
            spent += cost
            assert spent * rate.unit_us <= rate.burst_us + (at_us - begin_us)


@given(rates, st.integers(1, 5000), st.integers(0, 10**7))
def test_what_is_refused_is_allowed_after_the_wait(rate: Rate, cost: int, filled_us: int) -> None:
    verdict, empty_at_us = decide(rate, cost, filled_us, 0)
    if verdict.allowed:
        assert verdict.retry_after_s == 0
        return
    assert empty_at_us == filled_us
    wait_us = round(verdict.retry_after_s * MICROS_PER_S)
    assert decide(rate, cost, empty_at_us, wait_us)[0].allowed
    assert not decide(rate, cost, empty_at_us, wait_us - 1)[0].allowed


@given(rates)
def test_remaining_is_what_still_fits(rate: Rate) -> None:
    verdict, empty_at_us = decide(rate, 1, 0, 0)
    assert verdict.remaining_units == rate.burst_units - 1
    if verdict.remaining_units:
        assert decide(rate, verdict.remaining_units, empty_at_us, 0)[0].remaining_units == 0


async def test_a_key_is_held_to_its_rate_and_told_how_it_stands() -> None:
    clock = Clock()
    limiter = Limiter(LocalCounter(clock), requests_per_s=2, concurrent=1)
    caller = Caller("shop", id="a")
    charges = [await limiter.charge(caller, 10) for _ in range(21)]
    assert [charge.refusal is None for charge in charges] == [True] * 20 + [False]
    assert charges[0].headers == {
        "ratelimit-limit": "20",
        "ratelimit-policy": "20;w=10",
        "ratelimit-remaining": "19",
        "ratelimit-reset": "1",
    }
    assert charges[20].headers["ratelimit-remaining"] == "0"
    refusal = charges[20].refusal
    assert refusal is not None
    assert refusal.retry_after_s == pytest.approx(0.5)
    assert (await limiter.charge(Caller("shop", id="b"), 10)).refusal is None
    clock.now_s += 0.5
    assert (await limiter.charge(caller, 10)).refusal is None


async def test_a_keys_own_rate_comes_before_the_default() -> None:
    limiter = Limiter(LocalCounter(Clock()), requests_per_s=1000, concurrent=1)
    charges = [await limiter.charge(Caller("shop", id="a", requests_per_s=0.1), 10) for _ in range(6)]
    assert [charge.refusal is None for charge in charges] == [True] * 5 + [False]


async def test_who_has_no_limits_is_not_counted() -> None:
    limiter = Limiter(LocalCounter(), requests_per_s=0.001, concurrent=1)
    for _ in range(50):
        charge = await limiter.charge(Caller("default"), 50)
        assert (charge.refusal, charge.headers) == (None, {})
    with limiter.running(Caller("default")), limiter.running(Caller("default")):
        pass


async def test_requests_at_once_are_bounded_for_each_key() -> None:
    limiter = Limiter(LocalCounter(), requests_per_s=1, concurrent=2)
    one, other = Caller("shop", id="a"), Caller("shop", id="b", concurrent=1)
    with limiter.running(one), limiter.running(one), limiter.running(other):
        for caller in (one, other):
            with pytest.raises(RateLimitedError) as refused, limiter.running(caller):
                pass
            assert refused.value.retry_after_s
    with pytest.raises(asyncio.CancelledError), limiter.running(other):
        raise asyncio.CancelledError
    with limiter.running(other):
        pass
