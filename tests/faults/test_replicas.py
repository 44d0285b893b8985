"""Encoder replicas come, go and hang under load: no search fails, and the calls spread over those that work."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.fixtures.load import Answer, Load, summary
from tests.fixtures.site import Site

pytestmark = [pytest.mark.faults, pytest.mark.timeout(420)]
CONNECTION_AGE_S = 10.0
LEAST_SHARE = 0.15
PER_S = 6.0
STOPPED_S = 20.0
SEARCH_DEADLINE_S = 15.0


def shares(site: Site, before: list[int]) -> list[float]:
    """Each running replica's share of the calls since `before`."""
    done = [site.calls(number) - count for number, count in enumerate(before)]
    return [count / max(1, sum(done)) for count in done]


async def test_a_replica_leaves_another_hangs_a_third_joins(tmp_path: Path) -> None:
    async with Site(tmp_path, encoders=3, connection_age_s=CONNECTION_AGE_S) as site:
        load = Load(site.url, PER_S)
        await load.run(3)
        load.answers.clear()

        before = [site.calls(number) for number in range(3)]
        print("\n" + summary("three replicas", await load.run(8)))
        spread = shares(site, before)
        print("shares " + " ".join(f"{share:.2f}" for share in spread))
        assert min(spread) >= LEAST_SHARE

        print(summary("one gets SIGTERM", await during(load, 10, lambda: leave(site, 0))))

        def stop() -> None:
            os.kill(site.encoders[1].pid, signal.SIGSTOP)

        print(summary("one hangs for 20 s", await during(load, STOPPED_S, stop)))
        os.kill(site.encoders[1].pid, signal.SIGCONT)
        print(summary("it goes on", await load.run(5)))

        print(summary("one is added", await during(load, 1, site.add_encoder)))
        await joined(site, load, 3)

        assert len(load.answers) > 250
        assert [answer for answer in load.answers if answer.status != 200] == []
        assert max(answer.seconds for answer in load.answers) < SEARCH_DEADLINE_S


async def during(load: Load, seconds: float, fault: Callable[[], object]) -> list[Answer]:
    """Load for so long, and two seconds in, strike."""
    running = asyncio.create_task(load.run(seconds + 2))
    await asyncio.sleep(2)
    await asyncio.to_thread(fault)
    return await running


def leave(site: Site, number: int) -> None:
    """SIGTERM; the name stops to lead there."""
    site.names.addresses.remove(site.encoders[number].address.rpartition(":")[0])
    site.encoders[number].stop()


async def joined(site: Site, load: Load, number: int) -> None:
    """Load until the new replica has its share."""
    started = time.monotonic()
    share = 0.0
    while share < LEAST_SHARE:
        waited_s = time.monotonic() - started
        assert waited_s < CONNECTION_AGE_S + 30, f"share {share:.2f} after {waited_s:.0f} s"
        before = {replica: site.calls(replica) for replica in (1, 2, number)}
        await load.run(4)
        done = {replica: site.calls(replica) - count for replica, count in before.items()}
        share = done[number] / max(1, sum(done.values()))
    print(f"the new replica has {share:.2f} of the calls {time.monotonic() - started:.0f} s after it started")


async def test_the_only_encoder_hangs(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        load = Load(site.url, 2.0)
        await load.run(5)
        processes = {"gateway": site.gateway.pid, "retriever": site.retriever.pid}
        before = {name: held(pid) for name, pid in processes.items()}
        os.kill(site.encoders[0].pid, signal.SIGSTOP)
        try:
            answers = await load.run(STOPPED_S)
            during_stop = {name: held(pid) for name, pid in processes.items()}
        finally:
            os.kill(site.encoders[0].pid, signal.SIGCONT)
        waited_s = await until_search_works(site.url)
        await load.run(5)
        await asyncio.sleep(5)
        after = {name: held(pid) for name, pid in processes.items()}
        print("\n" + summary("the encoder hangs for 20 s", answers))
        print(f"threads and sockets before {before}, while it hung {during_stop}, after {after}")
        print(f"searches work again {waited_s:.1f} s after it went on")
        late = [answer for answer in answers if answer.seconds > SEARCH_DEADLINE_S + 1]
        assert late == []
        assert {answer.status for answer in answers} <= {200, 503, 504}
        assert {503, 504} & {answer.status for answer in answers}
        assert waited_s < 10
        for name in processes:
            assert after[name][0] <= before[name][0] + 2, "threads"
            assert after[name][1] <= before[name][1] + 2, "sockets"


def held(pid: int) -> tuple[int, int]:
    """Threads and sockets of a process."""
    sockets = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets += str(descriptor.readlink()).startswith("socket:")
        except FileNotFoundError:
            continue
    return len(list(Path(f"/proc/{pid}/task").iterdir())), sockets


async def until_search_works(url: str) -> float:
    """Seconds until the next search that works."""
    started = time.monotonic()
    async with httpx.AsyncClient(base_url=url, timeout=20, trust_env=False) as client:
        while (await client.post("/v1/search", json={"text": f"a dog {time.monotonic()}"})).status_code != 200:
            await asyncio.sleep(0.2)
    return time.monotonic() - started
