"""On a CUDA device: pictures that lie in its memory, the service over RPC, and from JPEG to vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.bare import BareModel
from benchmarks.encoder.bench import Bench
from benchmarks.encoder.load import Kind, Load, percentile, send
from benchmarks.encoder.servers import OwnServer
from benchmarks.measuring import Goal, NotRun, Ratio, Series
from benchmarks.model import VIT_B32, VIT_L14, Shape, build
from benchmarks.report import Row

_RESIDENT, _SERVICE, _JPEG = "resident", "service", "jpeg"
_IDLE, _BESIDE, _LIMIT = "idle", "beside", "limit"
_DEVICES = ("H100", "H200")
"""Of one kind: 790 TFLOP/s is what either reaches."""
_MESSAGE_ITEMS = 64
_GENERATORS = 4
_WARM_REQUESTS = 8
_QUERIES, _PAUSE_S = 100, 0.01
_PRECISION = "bfloat16"


@dataclass(frozen=True)
class Limit:
    """What a device could do at most.

    Attributes:
        shape: Of the model.
        per_s: img/s at 790 TFLOP/s, what an H200 reaches in a plain matrix product of bfloat16.
        share: Goal for pictures that lie in the device's memory.
    """

    shape: Shape
    per_s: float
    share: float


_LIMITS = (Limit(VIT_L14, 4_876, 0.60), Limit(VIT_B32, 89_600, 0.45))


def ways_in(bench: Bench) -> int:
    """Measurements in a round."""
    return 5 * len(_LIMITS) if bench.machine.gpu else 0


async def run(bench: Bench) -> list[Row]:
    """Measure both models in bfloat16."""
    if not bench.machine.gpu:
        names = " and ".join(limit.shape.title for limit in _LIMITS)
        return [NotRun(f"{names} on CUDA", "torch finds no CUDA device on this machine.")]
    rows: list[Row] = []
    for limit in _LIMITS:
        rows += await _measure(bench, limit)
    return rows


async def _measure(bench: Bench, limit: Limit) -> list[Row]:
    folder = build(bench.cache, limit.shape)
    bare = BareModel(folder, "cuda", _PRECISION)
    batch = bare.best_batch(1)
    images = max(batch * 8, round(bare.rate(batch, batch * 8, 1) * bench.round_s))
    settings = {"model": folder, "device": "cuda", "precision": _PRECISION, "decode_threads": bench.machine.cpus}
    with bench.encoder(f"cuda-{limit.shape.folder}", **settings) as server:
        pixels, jpeg = _filling(bench, server, "pixels"), _filling(bench, server, "jpeg")
        query = bench.load(server, "jpeg", interactive=True, requests=_QUERIES, pause_s=_PAUSE_S)
        send(query)
        series = await bench.measure(
            {
                _RESIDENT: lambda: bare.rate(batch, images, 1),
                _SERVICE: lambda: _total(pixels),
                _JPEG: lambda: _total(jpeg),
                _IDLE: lambda: _p95_ms(send(query)[0].latencies_s),
                _BESIDE: lambda: _p95_ms(send(query, *jpeg)[0].latencies_s),
            }
        )
    return _rows(bench, limit, batch, series)


def _rows(bench: Bench, limit: Limit, batch: int, series: Series) -> list[Row]:
    title, device = limit.shape.title, bench.machine.gpu
    of_limit = f"Share of {limit.per_s:,.0f} img/s, what {title} comes to at 790 TFLOP/s. On {device}."
    by = f"{_GENERATORS} load generators with a stream each, messages of {_MESSAGE_ITEMS} pictures."
    known = "" if any(name in device for name in _DEVICES) else f"the limit is not that of {device}"

    def rate(name: str, meaning: str, ours: str, yardstick: str, goal: Goal | None = None) -> Ratio:
        at_most = (limit.per_s,) * bench.rounds if yardstick == _LIMIT else series[yardstick]
        return Ratio(f"{title} {name}", meaning, "img/s", "higher", series[ours], at_most, goal)

    ready, read = f"{by} Decoded and scaled, uint8.", f"{by} 500 x 375, {bench.machine.cpus} cores decode."
    resident = f"{of_limit} Bare forward, batches of {batch}."
    return [
        rate("resident / limit", resident, _RESIDENT, _LIMIT, Goal(limit.share, known)),
        rate("service, prepared pictures / resident", ready, _SERVICE, _RESIDENT, Goal(0.85)),
        rate("service, prepared pictures / limit", of_limit, _SERVICE, _LIMIT),
        rate("JPEG to vector / resident", read, _JPEG, _RESIDENT),
        rate("JPEG to vector / limit", of_limit, _JPEG, _LIMIT),
        Ratio(
            f"{title} picture query beside bulk / idle",
            f"p95 of one caller. {by}",
            "ms",
            "lower",
            series[_BESIDE],
            series[_IDLE],
            Goal(2.5),
        ),
    ]


def _filling(bench: Bench, server: OwnServer, kind: Kind) -> list[Load]:
    """Streams that keep the device full for about a round, warmed."""
    load = bench.load(server, kind, way="stream", items=_MESSAGE_ITEMS, requests=_WARM_REQUESTS)
    send(*[load] * _GENERATORS)
    return [replace(load, requests=0, duration_s=bench.round_s)] * _GENERATORS


def _total(loads: list[Load]) -> float:
    return sum(outcome.per_s for outcome in send(*loads))


def _p95_ms(latencies_s: Sequence[float]) -> float:
    return percentile(latencies_s, 0.95) * 1e3
