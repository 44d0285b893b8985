"""What the parts of this benchmark share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.encoder.load import Kind, Load, Outcome, send
from benchmarks.encoder.machine import Machine
from benchmarks.encoder.payloads import Payloads
from benchmarks.encoder.servers import OwnServer, ServerProcess
from benchmarks.measuring import Series, interleave
from services.common.media.preprocessing import CLIP

CALLERS = 32
_LEAST_REQUESTS, _MOST_REQUESTS = 64, 8192
Ways = Mapping[str, Callable[[], float]]
"""Each measures once, blocking, and gives its figure."""


@dataclass(frozen=True)
class Bench:
    """Everything a part needs.

    Attributes:
        machine: Where this runs.
        model: Folder of ViT-B/32 with random weights.
        payloads: What is sent.
        infinity: Command of the other server; None: it is not installed.
        work: Folder for what servers write; thrown away.
        cache: Folder where models are kept.
        rounds: How often each way is measured.
        round_s: About how long each time.
        advance: Called after each measurement.
    """

    machine: Machine
    model: Path
    payloads: Payloads
    infinity: Path | None
    work: Path
    cache: Path
    rounds: int
    round_s: float
    advance: Callable[[], None]

    def encoder(self, name: str, **settings: object) -> OwnServer:
        """An encoder, not started, as `python -m services.encoder` with all cores.

        Args:
            name: Of its folder.
            settings: By the lower-case end of their variables: `precision="float32"`.
        """
        usual: dict[str, object] = {"model": self.model, "threads": self.machine.cpus, "device": "cpu"}
        chosen = {f"IMAGERAG_ENCODER_{key.upper()}": str(value) for key, value in {**usual, **settings}.items()}
        return OwnServer("services.encoder", chosen, self.work / name)

    def load(self, server: ServerProcess, kind: Kind, **more: object) -> Load:
        """Of one kind of input, to one of our servers, from one caller unless `more` says otherwise."""
        plain = Load("unary", server.address, str(self.payloads.file(kind)), kind, preprocessing=CLIP.digest)
        return replace(plain, **more)  # type: ignore[arg-type]

    def requests_for(self, per_s: float) -> int:
        """How many fill a round."""
        return round(min(max(per_s * self.round_s, _LEAST_REQUESTS), _MOST_REQUESTS))

    def sized(self, load: Load) -> Load:
        """The load with as many requests as fill a round; a trial warms the server and finds how many."""
        send(replace(load, requests=_LEAST_REQUESTS))
        (trial,) = send(replace(load, requests=_LEAST_REQUESTS))
        return replace(load, requests=self.requests_for(trial.per_s / load.items))

    async def measure(self, ways: Ways) -> Series:
        """Every way once a round."""
        return await interleave(
            {name: _in_thread(way) for name, way in ways.items()}, rounds=self.rounds, advance=self.advance
        )


def throughput(load: Load) -> Callable[[], float]:
    """A way: vectors a second under this load."""
    return lambda: send(load)[0].per_s


def kept(load: Load, outcomes: list[Outcome]) -> Callable[[], float]:
    """As `throughput`; each outcome is kept."""

    def way() -> float:
        outcomes.extend(send(load))
        return outcomes[-1].per_s

    return way


def _in_thread(way: Callable[[], float]) -> Callable[[int], Awaitable[float]]:
    async def measure(_: int) -> float:
        return await asyncio.to_thread(way)

    return measure
