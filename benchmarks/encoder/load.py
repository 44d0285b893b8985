"""A load generator: a process of its own that sends prepared requests and notes when each was answered.

It shares the processors with the server, so it is lean: requests are serialised before the clock starts, answers
are only looked at for errors. What it costs is measured and printed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Self

_PATIENCE_S = 600.0
Way = Literal["unary", "stream", "infinity"]
Kind = Literal["jpeg", "pixels", "text"]


@dataclass(frozen=True)
class Load:
    """What one generator sends.

    Attributes:
        way: Unary calls or one streaming call to an encoder, or REST requests to an infinity server.
        target: `host:port`.
        payloads: File of inputs, sent in turn.
        kind: What they are.
        callers: Requests under way at once; of streams the number of streams.
        items: Inputs in a request, or in a message of a stream.
        requests: Requests in all; 0: until `duration_s` is over.
        duration_s: If `requests` is 0.
        pause_s: Mean of the random pause before each request of a caller.
        interactive: The lane; else bulk.
        preprocessing: Digest that belongs to `pixels`.
    """

    way: Way
    target: str
    payloads: str
    kind: Kind
    callers: int = 1
    items: int = 1
    requests: int = 0
    duration_s: float = 0.0
    pause_s: float = 0.0
    interactive: bool = False
    preprocessing: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a load.

    Attributes:
        took_s: From the first request to the last answer.
        items: Inputs that were answered with a vector.
        failed: Inputs that were not.
        latencies_s: Of each answered unary request.
        cpu_s: Processor time of the generator.
    """

    took_s: float
    items: int
    failed: int
    latencies_s: Sequence[float]
    cpu_s: float

    @property
    def per_s(self) -> float:
        """Vectors a second.

        Raises:
            RuntimeError: Some input was refused: the rate would not be that of this load.
        """
        if self.failed or not self.items:
            raise RuntimeError(f"{self.failed} of {self.items + self.failed} inputs got no vector")
        return self.items / self.took_s

    @property
    def cpu_s_per_item(self) -> float:
        """Processor time of the generator for each vector."""
        return self.cpu_s / self.items


class Generator:
    """A started process that waits for its sign to begin.

    Args:
        load: What it is to send.
    """

    def __init__(self, load: Load) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.encoder.load_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._say(json.dumps(asdict(load)))

    def ready(self) -> Self:
        """Wait until it is connected and its requests are made."""
        self._hear()
        return self

    def go(self) -> None:
        """Begin."""
        self._say("go")

    def stop(self) -> None:
        """Send no more; what is under way is still waited for."""
        self._say("stop")

    def outcome(self) -> Outcome:
        """Wait for its end."""
        document = json.loads(self._hear())
        self._process.communicate(timeout=_PATIENCE_S)
        return Outcome(**document)

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _hear(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the load generator ended with status {self._process.wait()}")
        return line


def send(*loads: Load) -> list[Outcome]:
    """Send loads at the same time, each from a process of its own, and wait for the last answer."""
    generators = [Generator(load) for load in loads]
    for generator in generators:
        generator.ready()
    for generator in generators:
        generator.go()
    return [generator.outcome() for generator in generators]


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
