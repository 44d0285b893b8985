"""A person's query while bulk work keeps the model busy, and what waiting for it costs the bulk work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from benchmarks.encoder.bench import Bench
from benchmarks.encoder.load import Generator, Kind, Load, percentile, send
from benchmarks.encoder.servers import OwnServer
from benchmarks.measuring import Goal, Ratio, Series
from benchmarks.report import Row

BULK_MS, LONG_MS = 60, 500
ALLOWED_BATCHES = 1.3
_QUERIES, _PAUSE_S = 40, 0.02
_UNARY_CALLERS, _UNARY_ITEMS, _MESSAGE_ITEMS = 8, 16, 8
_KINDS: dict[Kind, str] = {"text": "text query", "jpeg": "picture query"}
_BULK = {"unary": f"{_UNARY_CALLERS} unary callers with {_UNARY_ITEMS} pictures a call", "stream": "one stream"}


def ways_in(bench: Bench) -> int:
    """Measurements in a round."""
    return len(_KINDS) * (1 + len(_BULK)) + 1


async def run(bench: Bench) -> list[Row]:
    """Measure on the CPU, in its quickest precision."""
    precision, rates = bench.machine.precisions[0], _Rates()
    with ExitStack() as stack:
        short, long = (
            stack.enter_context(bench.encoder(f"lanes-{limit_ms}", precision=precision, bulk_batch_ms=limit_ms))
            for limit_ms in (BULK_MS, LONG_MS)
        )
        ways: dict[str, Callable[[], float]] = {}
        for kind in _KINDS:
            for server in (short, long):
                send(_query(bench, server, kind))
            ways[f"idle {kind}"] = _idle(_query(bench, short, kind))
            for way in _BULK:
                bulk = _bulk(bench, short, way)
                send(_brief(bulk))
                ways[f"{way} {kind}"] = _beside(
                    bulk, _query(bench, short, kind), partial(rates.add, f"{way} {kind}")
                )
        bulk = _bulk(bench, long, "stream")
        send(_brief(bulk))
        ways["long"] = _beside(bulk, _query(bench, long, "jpeg"), partial(rates.add, "long"))
        series = await bench.measure(ways)
    return _rows(precision, series, rates)


class _Rates:
    """Bulk throughput of each way, in the order of the rounds."""

    def __init__(self) -> None:
        self._by_way: dict[str, list[float]] = {}

    def add(self, way: str, per_s: float) -> None:
        self._by_way.setdefault(way, []).append(per_s)

    def of(self, way: str) -> tuple[float, ...]:
        return tuple(self._by_way[way])


def _query(bench: Bench, server: OwnServer, kind: Kind) -> Load:
    return bench.load(server, kind, interactive=True, requests=_QUERIES, pause_s=_PAUSE_S)


def _bulk(bench: Bench, server: OwnServer, way: str) -> Load:
    if way == "unary":
        return bench.load(server, "jpeg", callers=_UNARY_CALLERS, items=_UNARY_ITEMS)
    return bench.load(server, "jpeg", way="stream", items=_MESSAGE_ITEMS)


def _brief(bulk: Load) -> Load:
    """The server learns how long its batches take."""
    return replace(bulk, duration_s=2.0)


def _idle(query: Load) -> Callable[[], float]:
    return lambda: _p95_ms(send(query)[0].latencies_s)


def _beside(bulk: Load, query: Load, add_rate: Callable[[float], None]) -> Callable[[], float]:
    def way() -> float:
        filling, asking = Generator(bulk).ready(), Generator(query).ready()
        filling.go()
        asking.go()
        asked = asking.outcome()
        filling.stop()
        add_rate(filling.outcome().per_s)
        return _p95_ms(asked.latencies_s)

    return way


def _p95_ms(latencies_s: Sequence[float]) -> float:
    return percentile(latencies_s, 0.95) * 1e3


def _rows(precision: str, series: Series, rates: _Rates) -> list[Row]:
    meaning = (
        f"p95 of one caller's queries, one after the other, against idle p95 + {ALLOWED_BATCHES} x one bulk batch "
        f"of {BULK_MS} ms (IMAGERAG_ENCODER_BULK_BATCH_MS)."
    )
    queries = [
        Ratio(
            f"{_KINDS[kind]} beside bulk by {shown}",
            meaning,
            "ms",
            "lower",
            series[f"{way} {kind}"],
            tuple(idle_ms + ALLOWED_BATCHES * BULK_MS for idle_ms in series[f"idle {kind}"]),
            Goal(1.0),
        )
        for kind in _KINDS
        for way, shown in _BULK.items()
    ]
    pair = f"at {BULK_MS} ms / at {LONG_MS} ms"
    cost = "What short batches cost: throughput of a stream, picture queries beside it; no goal."
    gain = "And what they bring: p95; no goal."
    bulk = Ratio(f"bulk {pair}", cost, "img/s", "higher", rates.of("stream jpeg"), rates.of("long"))
    query = Ratio(f"picture query beside bulk {pair}", gain, "ms", "lower", series["stream jpeg"], series["long"])
    return [replace(row, name=f"{row.name}, {precision}") for row in (*queries, bulk, query)]
