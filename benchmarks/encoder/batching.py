"""What batching across callers is worth."""

from __future__ import annotations

from benchmarks.encoder.bench import CALLERS, Bench, throughput
from benchmarks.measuring import Goal, Ratio
from benchmarks.report import Row

_ON, _OFF, _OFF_STREAMS = "on", "off", "off, a stream a core"


def ways_in(bench: Bench) -> int:
    """Measurements in a round."""
    return 3


async def run(bench: Bench) -> list[Row]:
    """Measure in the quickest precision."""
    precision = bench.machine.precisions[0]
    with (
        bench.encoder("batching-on", precision=precision) as on,
        bench.encoder("batching-off", precision=precision, device_batch_items=1, streams=1) as off,
        bench.encoder("batching-streams", precision=precision, device_batch_items=1) as streams,
    ):
        servers = {_ON: on, _OFF: off, _OFF_STREAMS: streams}
        loads = {
            name: bench.sized(bench.load(server, "pixels", callers=CALLERS, interactive=True))
            for name, server in servers.items()
        }
        series = await bench.measure({name: throughput(load) for name, load in loads.items()})
    callers = f"{CALLERS} callers with a prepared picture each, against one picture at a time"

    def ratio(name: str, meaning: str, yardstick: str, goal: Goal | None = None) -> Ratio:
        return Ratio(f"{name}, {precision}", meaning, "img/s", "higher", series[_ON], series[yardstick], goal)

    settings = "IMAGERAG_ENCODER_DEVICE_BATCH_ITEMS=1, IMAGERAG_ENCODER_STREAMS=1"
    goal = Goal(2.5, bench.machine.without_amx)
    return [
        ratio("batching on / off", f"{callers} on all cores ({settings}).", _OFF, goal),
        ratio("batching on / off on each core", f"{callers} on each core; no goal.", _OFF_STREAMS),
    ]
