"""What comes again beside what is new: pictures of a job, and a question."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.ingest.files import write_pictures
from benchmarks.measuring import ROUNDS, Ratio, Series, interleave
from benchmarks.search import p50_ms, searching
from benchmarks.site import Advance, Site
from benchmarks.words import phrase

IMAGES = 64
"""Of a job: one message."""
QUERIES = 30
"""Of each round; all of them different."""
WAYS = 4
_POLL_S = 0.05
_LIMIT_S = 300.0
_FIRST_PHRASE = 10_000
"""Beyond the questions of other parts, which the cache may know."""


async def run(site: Site, advance: Advance) -> list[Ratio]:
    """Measure both; the questions search the items that the jobs have stored."""
    files = await asyncio.to_thread(write_pictures, site.work / "known-pictures", (ROUNDS + 1) * IMAGES)
    ingest = await _ingest(site, files, advance)
    search = await _search(site, advance)
    return [
        Ratio(
            name="ingest, pictures known / new",
            meaning=f"A job of {IMAGES} 500 x 375 JPEGs that were ingested before, against one of new ones: "
            "the same reading, decoding, thumbnails and writing, without the model.",
            unit="img/s",
            better="higher",
            ours=ingest["known"],
            yardstick=ingest["new"],
        ),
        Ratio(
            name="search, question known / new",
            meaning=f"The same searches through the gateway, p50 of {QUERIES} a round, one at a time: of what "
            "was asked before, the retriever has the embedding in memory.",
            unit="ms (p50)",
            better="lower",
            ours=search["known"],
            yardstick=search["new"],
        ),
    ]


async def _ingest(site: Site, files: Sequence[Path], advance: Advance) -> Series:
    known = files[-IMAGES:]
    await asyncio.to_thread(_queue_rate, site, known)

    async def again(_: int) -> float:
        return await asyncio.to_thread(_queue_rate, site, known)

    async def new(number: int) -> float:
        return await asyncio.to_thread(_queue_rate, site, files[number * IMAGES : (number + 1) * IMAGES])

    return await interleave({"known": again, "new": new}, advance=advance)


def _queue_rate(site: Site, files: Sequence[Path]) -> float:
    """img/s of one job of uploaded pictures, from its acceptance to the last one stored."""
    items = [{"sha256": site.gateway.put_media(path.read_bytes())["sha256"], "name": path.name} for path in files]
    started = time.perf_counter()
    job_id = str(site.gateway.create_job(items)["job_id"])
    while True:
        job = site.gateway.job(job_id)
        took_s = time.perf_counter() - started
        if job["pending"] == 0:
            break
        if took_s > _LIMIT_S:
            raise TimeoutError(f"the job was not done after {_LIMIT_S:.0f} s")
        time.sleep(_POLL_S)
    if job["stored"] + job["merged"] != len(files):
        raise RuntimeError(f"only {job['stored']} of {len(files)} pictures were stored")
    return len(files) / took_s


async def _search(site: Site, advance: Advance) -> Series:
    known = [searching(site, phrase(_FIRST_PHRASE + number)) for number in range(QUERIES)]
    await asyncio.to_thread(p50_ms, known)

    async def again(_: int) -> float:
        return await asyncio.to_thread(p50_ms, known)

    async def new(number: int) -> float:
        first = _FIRST_PHRASE + (number + 1) * QUERIES
        return await asyncio.to_thread(p50_ms, [searching(site, phrase(first + n)) for n in range(QUERIES)])

    return await interleave({"known": again, "new": new}, advance=advance)
