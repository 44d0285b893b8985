"""What one picture costs in processor time, stage by stage, and the rate that follows from it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from benchmarks.encoder.bench import CALLERS, Bench
from benchmarks.encoder.load import send
from benchmarks.encoder.own import OwnForward
from benchmarks.encoder.servers import ServerProcess
from services.common.media.images import decode_rgb
from services.common.media.preprocessing import CLIP

HOW = (
    "The bound is cores / (processor seconds of the stages for one picture), each measured alone in the same "
    "round: decode and scale, the thread time of one thread over the pictures; forward, the processor time of "
    "the service's own backend on one thread; RPC, the processor time of a server that answers at once and of its "
    "load generator, for the same requests."
)
_ANSWERED_AT_ONCE = 512


@dataclass
class Bound:
    """A way: cores / (sum of the stages), new in every round.

    Attributes:
        bench: What is sent.
        own: The service's backend.
        batch: Of its best arrangement.
        at_once: `benchmarks.encoder.empty_server`, running.
        parts_ms: Of each round: decode and scale, forward, RPC, in milliseconds.
    """

    bench: Bench
    own: OwnForward
    batch: int
    at_once: ServerProcess
    parts_ms: list[tuple[float, float, float]] = field(default_factory=list)

    def __call__(self) -> float:
        """Pictures a second that these cores have time for."""
        stages_s = (self._decode_s(), self.own.cpu_s_per_image(self.batch), self._rpc_s())
        decode_ms, forward_ms, rpc_ms = (stage * 1e3 for stage in stages_s)
        self.parts_ms.append((decode_ms, forward_ms, rpc_ms))
        return self.bench.machine.cpus / sum(stages_s)

    def _decode_s(self) -> float:
        jpegs = self.bench.payloads.jpegs
        began = time.thread_time()
        for data in jpegs:
            CLIP(decode_rgb(data, at_least_px=CLIP.decode_px))
        return (time.thread_time() - began) / len(jpegs)

    def _rpc_s(self) -> float:
        load = self.bench.load(self.at_once, "jpeg", callers=CALLERS, requests=_ANSWERED_AT_ONCE)
        before = self.at_once.cpu_s()
        (outcome,) = send(load)
        return (self.at_once.cpu_s() - before) / outcome.items + outcome.cpu_s_per_item
