"""The store goes away under searches: each is answered in time, and readiness says so and takes it back."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.fixtures.load import Load, summary
from tests.fixtures.site import Site

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]
OUTAGE_S = 30.0
SEARCH_DEADLINE_S = 15.0
NOTICED_S = 10.0
PER_S = 2.0


async def test_the_store_is_killed(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        await outage(site, strike=site.store.kill, mend=site.store.start)


async def test_the_store_hangs(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        store = site.store.pid
        await outage(
            site,
            strike=lambda: os.kill(store, signal.SIGSTOP),
            mend=lambda: os.kill(store, signal.SIGCONT),
        )


async def outage(site: Site, strike: Callable[[], object], mend: Callable[[], object]) -> None:
    """Search through an outage of 30 s and check what was answered, when, and what `/readyz` said."""
    load = Load(site.url, PER_S)
    await readiness(site.url, 200)
    await load.run(3)
    strike()
    try:
        searching = asyncio.create_task(load.run(OUTAGE_S))
        unready_s = await readiness(site.url, 503)
        missing = (await asyncio.to_thread(httpx.get, f"{site.url}/readyz", trust_env=False)).json()
        answers = await searching
    finally:
        await asyncio.to_thread(mend)
    ready_s = await readiness(site.url, 200)
    afterwards = await load.run(3)
    print("\n" + summary("while the store is away", answers))
    print(f"not ready after {unready_s:.1f} s, ready {ready_s:.1f} s after its return; said {missing}")
    assert max(answer.seconds for answer in answers) < SEARCH_DEADLINE_S + 1
    assert {answer.status for answer in answers} <= {200, 503}
    assert sum(answer.status == 200 for answer in answers) <= 2
    assert unready_s < NOTICED_S
    assert ready_s < NOTICED_S
    assert {answer.status for answer in afterwards} == {200}


async def readiness(url: str, status: int) -> float:
    """Wait until `/readyz` answers so; seconds that it took."""
    started = time.monotonic()
    async with httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as client:
        while (await client.get("/readyz")).status_code != status:
            assert time.monotonic() - started < 60, f"/readyz did not become {status}"
            await asyncio.sleep(0.1)
    return time.monotonic() - started
