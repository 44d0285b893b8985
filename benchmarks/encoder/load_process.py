"""The process of a load generator: `python -m benchmarks.encoder.load_process`, spoken to by lines."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from benchmarks.encoder.load import Load, Outcome
from benchmarks.encoder.payloads import read
from benchmarks.encoder.senders import open_sender


def main() -> None:
    """Read a load, say that it is ready, wait for the sign, send, and write the outcome."""
    load = Load(**json.loads(sys.stdin.readline()))
    print(json.dumps(asdict(asyncio.run(_run(load)))), flush=True)


async def _run(load: Load) -> Outcome:
    orders, stop = await _orders(), asyncio.Event()
    async with open_sender(load, read(Path(load.payloads))) as send:
        print("ready", flush=True)
        await orders.readline()
        began, cpu_s = time.perf_counter(), _cpu_s()
        ending = asyncio.create_task(_end(load, orders, stop))
        more = _more(load, stop)
        tallies = await asyncio.gather(*(send(more) for _ in range(load.callers)))
        took_s, cpu_s = time.perf_counter() - began, _cpu_s() - cpu_s
        ending.cancel()
    done = [entry for tally in tallies for entry in tally]
    return Outcome(
        took_s=took_s,
        items=sum(entry.items for entry in done),
        failed=sum(entry.failed for entry in done),
        latencies_s=[entry.took_s for entry in done if entry.items],
        cpu_s=cpu_s,
    )


async def _orders() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def _more(load: Load, stop: asyncio.Event) -> Callable[[], bool]:
    """Whether another request is to be sent; counts them."""
    if not load.requests:
        return lambda: not stop.is_set()
    left = iter(range(load.requests))
    return lambda: next(left, None) is not None


async def _end(load: Load, orders: asyncio.StreamReader, stop: asyncio.Event) -> None:
    if load.duration_s:
        await asyncio.sleep(load.duration_s)
    else:
        await orders.readline()
    stop.set()


def _cpu_s() -> float:
    used = os.times()
    return used.user + used.system


if __name__ == "__main__":
    main()
