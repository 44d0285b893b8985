"""Asks store and encoder whether they live, and tells it through the health service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from services.common.errors import ImageragError

log = structlog.get_logger(__name__)
Probe = Callable[[], Awaitable[object]]


async def watch(
    probes: Mapping[str, Probe],
    report: Callable[[str, bool], Awaitable[None]],
    *,
    interval_s: float,
    timeout_s: float,
) -> None:
    """Probe until cancelled.

    Args:
        probes: A cheap call for each name.
        report: Told the state of each name, and under the empty name whether all live.
        interval_s: Pause between rounds.
        timeout_s: A probe that takes longer has failed.
    """
    before: dict[str, bool] = {}
    while True:
        states = await asyncio.gather(*(_lives(probe, timeout_s) for probe in probes.values()))
        now = dict(zip(probes, states, strict=True)) | {"": all(states)}
        for name, lives in now.items():
            await report(name, lives)
            if before.get(name) != lives and name:
                log.info("dependency", dependency=name, lives=lives)
        before = now
        await asyncio.sleep(interval_s)


async def _lives(probe: Probe, timeout_s: float) -> bool:
    try:
        await asyncio.wait_for(probe(), timeout_s)
    except (ImageragError, TimeoutError):
        return False
    return True
