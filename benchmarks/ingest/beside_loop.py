"""A model of real size: the queue beside a loop that does the same stages to one picture after the other."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ingest.files import CAMERA, WEB, Size, write_pictures
from benchmarks.ingest.jobs import ingest_folder
from benchmarks.ingest.naive import NaiveLoop
from benchmarks.measuring import ROUNDS, Goal, Ratio, Series, interleave
from services.cli.cluster.state import ClusterState
from services.common.clients.encoder import EncoderDescription
from services.common.index.contract import EmbeddingContract

_GOALS: Mapping[Size, float] = {WEB: 4.0, CAMERA: 5.0}
_AS_TRANSFORMERS = "float32"
_QUEUE = "queue"
_WARM_UP_ITEMS = 256
"""Four messages: every process of the pool gets one."""


@dataclass(frozen=True)
class Extent:
    """How much is measured.

    Attributes:
        rounds: How often.
        job_items: Pictures of each job.
        loop_items: Pictures of each turn of a loop.
    """

    rounds: int = ROUNDS
    job_items: int = 768
    loop_items: int = 48


QUICK = Extent(rounds=2, job_items=256, loop_items=16)
USUAL = Extent()


@dataclass(frozen=True)
class Place:
    """Where the queue and the loop run.

    Attributes:
        state: Of the cluster; `work` is one of its source roots.
        described: What its encoder serves.
        model: Folder of its model.
        cpus: Of this machine.
        work: Folder for the pictures.
    """

    state: ClusterState
    described: EncoderDescription
    model: Path
    cpus: int
    work: Path


def ways(described: EncoderDescription) -> int:
    """Measurements in a round."""
    return len(_GOALS) * (1 + len(_precisions(described)))


async def run(place: Place, extent: Extent, advance: Callable[[], None]) -> list[Ratio]:
    """Measure both sizes. Nothing is uploaded: the pictures lie in a folder that the workers may read."""
    ratios: list[Ratio] = []
    for size in _GOALS:
        ratios += await _beside(place, size, extent, advance)
    return ratios


async def _beside(place: Place, size: Size, extent: Extent, advance: Callable[[], None]) -> list[Ratio]:
    folder = place.work / f"beside-{size.width}"
    numbers = itertools.count()

    def drawn(count: int) -> tuple[Path, list[Path]]:
        """A folder of pictures that nobody has seen."""
        first = next(numbers) * max(extent.job_items, extent.loop_items)
        made = folder / f"{first}"
        return made, write_pictures(made, count, size, first=first)

    def job(pictures: Path, count: int) -> Callable[[], float]:
        return lambda: count / ingest_folder(place.state.url, pictures, count)

    with ExitStack() as stack:
        warm, _ = await asyncio.to_thread(drawn, _WARM_UP_ITEMS)
        await asyncio.to_thread(job(warm, _WARM_UP_ITEMS))
        jobs = [await asyncio.to_thread(drawn, extent.job_items) for _ in range(extent.rounds)]
        files = [(await asyncio.to_thread(drawn, extent.loop_items))[1] for _ in range(extent.rounds)]
        measured: dict[str, Callable[[int], Awaitable[float]]] = {
            _QUEUE: _turn([job(pictures, extent.job_items) for pictures, _ in jobs])
        }
        for precision in _precisions(place.described):
            loop = _loop(place, precision, size)
            stack.callback(loop.close)
            loop.rate(files[0][:2])
            measured[precision] = _turn([_rate(loop, each) for each in files])
        series = await interleave(measured, rounds=extent.rounds, advance=advance)
    return list(_ratios(size, series, place))


def _turn(rounds: Sequence[Callable[[], float]]) -> Callable[[int], Awaitable[float]]:
    async def measure(number: int) -> float:
        return await asyncio.to_thread(rounds[number])

    return measure


def _rate(loop: NaiveLoop, files: Sequence[Path]) -> Callable[[], float]:
    return lambda: loop.rate(files)


def _loop(place: Place, precision: str, size: Size) -> NaiveLoop:
    contract = EmbeddingContract(place.described.fingerprint, place.described.dim)
    store_url = f"http://{place.state.addresses['store']}"
    return NaiveLoop(
        place.model, precision, contract, store_url, place.work / f"naive-{size.width}-{precision}", place.cpus
    )


def _precisions(described: EncoderDescription) -> tuple[str, ...]:
    """As transformers loads the model, and as the cluster computes it if that is another."""
    return tuple(dict.fromkeys((_AS_TRANSFORMERS, described.precision)))


def _ratios(size: Size, series: Series, place: Place) -> Iterator[Ratio]:
    for precision in _precisions(place.described):
        as_loaded = precision == _AS_TRANSFORMERS
        yield Ratio(
            name=f"ingest, JPEG {size} / loop in {precision}",
            meaning="A job of a folder, from the request to the last picture stored, against a loop in one "
            "process: read, decode, thumbnails of 256 and 512 px, hash, encode one picture on all "
            f"{place.cpus} cores with transformers' own processor and model, upsert with wait=true. The cluster "
            f"computes in {place.described.precision}; transformers loads the model in {_AS_TRANSFORMERS}, which "
            "is the goal's loop.",
            unit="img/s",
            better="higher",
            ours=series[_QUEUE],
            yardstick=series[precision],
            goal=Goal(_GOALS[size]) if as_loaded else None,
        )
