"""The service beside bare forward passes: full under 32 callers, and idle with one."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import replace

from benchmarks.bare import BareModel
from benchmarks.encoder import empty_server
from benchmarks.encoder.bench import CALLERS, Bench, Ways, kept, throughput
from benchmarks.encoder.load import Load, Outcome, percentile, send
from benchmarks.encoder.own import OwnForward
from benchmarks.encoder.servers import OwnServer
from benchmarks.encoder.stages import HOW, Bound
from benchmarks.measuring import Goal, Ratio, Series
from benchmarks.report import Row

PER_PRECISION_WAYS = 12
_PIXELS, _BULK, _JPEG, _TEXT, _ALONE, _ALONE_JPEG = "pixels", "bulk", "jpeg", "text", "alone", "alone jpeg"
_BARE, _BARE_TEXT, _BARE_ALONE, _BOUND = "bare", "bare text", "bare alone", "bound"
_OWN, _OWN_ALONE = "own", "own alone"
_ALONE_CALLS = 60


def ways_in(bench: Bench) -> int:
    """Measurements in a round."""
    return PER_PRECISION_WAYS * len(bench.machine.precisions)


async def run(bench: Bench) -> list[Row]:
    """Measure in every precision that is worth it here."""
    rows: list[Row] = []
    for precision in bench.machine.precisions:
        rows += await _measure(bench, precision)
    return rows


async def _measure(bench: Bench, precision: str) -> list[Row]:
    cpus, generators = bench.machine.cpus, list[Outcome]()
    with ExitStack() as stack:
        server = stack.enter_context(bench.encoder(f"service-{precision}", precision=precision))
        empty = stack.enter_context(
            OwnServer("benchmarks.encoder.empty_server", {}, bench.work / "empty", empty_server.PREFIX)
        )
        bare = BareModel(bench.model, "cpu", precision)
        batch = bare.best_batch(cpus)
        pixels = bench.sized(bench.load(server, "pixels", callers=CALLERS, interactive=True))
        bulk = bench.sized(bench.load(server, "pixels", callers=CALLERS))
        jpeg = bench.sized(bench.load(server, "jpeg", callers=CALLERS, interactive=True))
        text = bench.sized(bench.load(server, "text", callers=CALLERS, interactive=True))
        alone = bench.load(server, "pixels", interactive=True, requests=_ALONE_CALLS)
        own = OwnForward(bench.model, precision, cpus, bench.payloads.pixels)
        arrangement = own.best()
        bound = Bound(bench, own, arrangement.batch, empty)
        ways: Ways = {
            _PIXELS: throughput(pixels),
            _BULK: throughput(bulk),
            _JPEG: kept(jpeg, generators),
            _TEXT: throughput(text),
            _ALONE: lambda: _p50_ms(alone),
            _ALONE_JPEG: lambda: _p50_ms(bench.load(server, "jpeg", interactive=True, requests=_ALONE_CALLS)),
            _BARE: lambda: bare.rate(batch, pixels.requests, cpus),
            _BARE_TEXT: lambda: bare.text_rate(bench.payloads.texts[:CALLERS], text.requests, cpus),
            _BARE_ALONE: lambda: statistics.median(bare.latencies_s(_ALONE_CALLS, cpus)) * 1e3,
            _OWN: lambda: own.rate(arrangement, pixels.requests),
            _OWN_ALONE: lambda: statistics.median(own.latencies_s(_ALONE_CALLS)) * 1e3,
            _BOUND: bound,
        }
        series = await bench.measure(ways)
    return _rows(precision, series, bound, generators, f"batches of {batch}", str(arrangement))


def _p50_ms(load: Load) -> float:
    (outcome,) = send(load)
    return percentile(outcome.latencies_s, 0.5) * 1e3


def _rows(
    precision: str, series: Series, bound: Bound, generators: list[Outcome], bare: str, own: str
) -> list[Row]:
    rows = (
        *_full_rows(series, _stages(bound, generators), bare, own),
        *_idle_rows(series),
    )
    return [replace(row, name=f"{row.name}, {precision}") for row in rows]


def _stages(bound: Bound, generators: list[Outcome]) -> str:
    """How the bound came about, with this run's figures."""
    decode_ms, forward_ms, rpc_ms = (statistics.median(part) for part in zip(*bound.parts_ms, strict=True))
    generator_ms = statistics.median(outcome.cpu_s_per_item for outcome in generators) * 1e3
    return (
        f"{HOW} Here {decode_ms:.2f} + {forward_ms:.2f} + {rpc_ms:.2f} ms; beside the service the load generator "
        f"took {generator_ms:.2f} ms for each picture."
    )


def _full_rows(series: Series, stages: str, bare: str, own: str) -> tuple[Ratio, ...]:
    full = (
        f"{CALLERS} callers with a picture each over gRPC, interactive lane, all cores, the load generator's too."
    )
    ready = f"{full} Pictures come decoded and scaled, uint8."
    plain = f"{ready} Bare: transformers' model, {bare}, all cores, tensors ready."
    inner = f"{ready} Own backend: called as the service calls it, without the service, {own}."
    slow = "The same callers in the bulk lane, whose batches are short so that queries need not wait; no goal."
    texts = f"{CALLERS} callers with four words each, interactive lane. Bare: batches of {CALLERS}, tokens ready."

    def rate(name: str, meaning: str, ours: str, yardstick: str, goal: Goal | None = None) -> Ratio:
        unit = "texts/s" if ours == _TEXT else "img/s"
        return Ratio(name, meaning, unit, "higher", series[ours], series[yardstick], goal)

    return (
        rate("service, prepared pictures / bare forward", plain, _PIXELS, _BARE, Goal(0.90)),
        rate("service, prepared pictures / own backend", inner, _PIXELS, _OWN, Goal(0.90)),
        rate("service, prepared pictures in the bulk lane / own backend", slow, _BULK, _OWN),
        rate("service, JPEG 500 x 375 / bound", f"{full} {stages}", _JPEG, _BOUND, Goal(0.85)),
        rate("service, JPEG 500 x 375 / bare forward", f"{full} No goal: decoding costs.", _JPEG, _BARE),
        rate("service, short queries / bare text forward", texts, _TEXT, _BARE_TEXT),
    )


def _idle_rows(series: Series) -> tuple[Ratio, ...]:
    """One caller."""
    alone = "p50 of calls one after the other, interactive lane, as many threads as the bare one"

    def latency(name: str, meaning: str, ours: str, bare: str, goal: Goal | None = None) -> Ratio:
        return Ratio(name, meaning, "ms", "lower", series[ours], series[bare], goal)

    return (
        latency("one caller, prepared picture / bare forward", f"{alone}.", _ALONE, _BARE_ALONE, Goal(1.10)),
        latency("one caller, prepared picture / own backend", f"{alone}.", _ALONE, _OWN_ALONE, Goal(1.10)),
        latency("one caller, JPEG / own backend", f"{alone}; with decoding, no goal.", _ALONE_JPEG, _OWN_ALONE),
    )
