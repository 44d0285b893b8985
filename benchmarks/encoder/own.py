"""The service's own backend without the service: a ratio to it is what queueing, decoding and transport cost."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from services.common.domain import Vector
from services.common.media.preprocessing import Pixels
from services.encoder.backends.devices import place
from services.encoder.backends.torch_backend import TorchBackend
from services.encoder.backends.towers import load_towers

_BATCHES = (8, 16, 32)
_TRIAL_IMAGES = 64


class Arrangement(NamedTuple):
    """How the cores are used.

    Attributes:
        batch: Pictures a pass.
        at_once: Passes at the same time; they share the cores.
    """

    batch: int
    at_once: int

    def __str__(self) -> str:
        passes = "one pass" if self.at_once == 1 else f"{self.at_once} passes"
        return f"{passes} at once of {self.batch} pictures"


class OwnForward:
    """Calls the backend as the service does, on the CPU: uint8 in, unit vectors out.

    Args:
        folder: Of the model.
        precision: "float32" or "bfloat16".
        cpus: Cores to use.
        pixels: Pictures that are taken in turn.
    """

    def __init__(self, folder: Path, precision: str, cpus: int, pixels: Sequence[Pixels]) -> None:
        placement = place("cpu", "bfloat16" if precision == "bfloat16" else "float32", cpus)
        self.backend = TorchBackend(load_towers(str(folder)), placement)
        self._cpus, self._pixels = cpus, pixels

    def encode(self, pixels: Sequence[Pixels], threads: int) -> Vector:
        """Unit vectors, float32 [n, dim]."""
        return self.backend.encode_images(pixels, threads)

    def rate(self, arrangement: Arrangement, images: int) -> float:
        """img/s; at least so many pictures are computed."""
        passes = max(1, round(images / (arrangement.batch * arrangement.at_once)))
        threads = max(1, self._cpus // arrangement.at_once)

        def work(_: int) -> None:
            for _number in range(passes):
                self.encode(self._batch(arrangement.batch), threads)

        with ThreadPoolExecutor(arrangement.at_once) as pool:
            began = time.perf_counter()
            list(pool.map(work, range(arrangement.at_once)))
            return passes * arrangement.batch * arrangement.at_once / (time.perf_counter() - began)

    def best(self) -> Arrangement:
        """The quickest by a short trial of each."""
        arrangements = [Arrangement(*pair) for pair in itertools.product(_BATCHES, {1, self._cpus})]
        self.rate(arrangements[0], 1)
        return max(arrangements, key=lambda arrangement: self.rate(arrangement, _TRIAL_IMAGES))

    def latencies_s(self, count: int) -> list[float]:
        """Of passes with one picture each, on all cores."""
        seconds = []
        for _ in range(count):
            began = time.perf_counter()
            self.encode(self._batch(1), self._cpus)
            seconds.append(time.perf_counter() - began)
        return seconds

    def cpu_s_per_image(self, batch: int) -> float:
        """Processor time of this process for each picture of a batch on one thread."""
        self.encode(self._batch(batch), 1)
        began = time.process_time()
        self.encode(self._batch(batch), 1)
        return (time.process_time() - began) / batch

    def _batch(self, batch: int) -> Sequence[Pixels]:
        return list(itertools.islice(itertools.cycle(self._pixels), batch))
