"""The encoder service under 32 callers, beside bare forward passes of the same model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from benchmarks import pictures
from benchmarks.measuring import Ratio, interleave
from benchmarks.site import Advance, Site
from services.common.clients.encoder import Lane
from services.common.errors import ImageragError

CALLERS = 32
_ROUND_S = 3.0
_LEAST_IMAGES, _MOST_IMAGES = 64, 4096
_DIFFERENT = 64
"""Pictures that are sent in turn: the service keeps no picture's vector."""
_BARE, _BARE_ALL = "bare forward, the service's threads", "bare forward, every core"
WAYS = 5


async def run(site: Site, advance: Advance) -> list[Ratio]:
    """Measure: 224 px PNG and JPEG need no scaling, 500 x 375 JPEG is what photos cost."""
    inputs = {
        "224 x 224 PNG": list(pictures.many(_DIFFERENT, 224, 224, "PNG", first_seed=0)),
        "224 x 224 JPEG": list(pictures.many(_DIFFERENT, 224, 224, "JPEG", first_seed=0)),
        "500 x 375 JPEG": list(pictures.many(_DIFFERENT, 500, 375, "JPEG", first_seed=0)),
    }
    batch = await asyncio.to_thread(site.bare.best_batch, site.threads)
    trial = await asyncio.to_thread(site.bare.rate, batch, _LEAST_IMAGES, site.threads)
    images = round(min(max(trial * _ROUND_S, _LEAST_IMAGES), _MOST_IMAGES))
    ways: dict[str, Callable[[int], Awaitable[float]]] = {
        name: _serving(site, files, images) for name, files in inputs.items()
    }
    ways[_BARE] = _bare(site, batch, images, site.threads)
    ways[_BARE_ALL] = _bare(site, batch, images, site.cpus)
    await _serve(site, inputs["500 x 375 JPEG"], CALLERS)
    series = await interleave(ways, advance=advance)
    ratios = [
        Ratio(
            name=f"encoder {name} / forward",
            meaning=f"{CALLERS} callers with a picture each, over gRPC, against batches of {batch} that lie ready "
            f"as tensors, on {site.threads} of {site.cpus} cores. 1.0: decoding, batching and transport are free.",
            unit="img/s",
            better="higher",
            ours=series[name],
            yardstick=series[_BARE],
        )
        for name in inputs
    ]
    whole = Ratio(
        name="encoder 500 x 375 JPEG / forward, all cores",
        meaning="The same against a model that has all cores to itself: the service needs some of them to decode.",
        unit="img/s",
        better="higher",
        ours=series["500 x 375 JPEG"],
        yardstick=series[_BARE_ALL],
    )
    return [*ratios, whole]


def _serving(site: Site, files: Sequence[bytes], images: int) -> Callable[[int], Awaitable[float]]:
    async def measure(_: int) -> float:
        started = time.perf_counter()
        await _serve(site, files, images)
        return images / (time.perf_counter() - started)

    return measure


def _bare(site: Site, batch: int, images: int, threads: int) -> Callable[[int], Awaitable[float]]:
    async def measure(_: int) -> float:
        return await asyncio.to_thread(site.bare.rate, batch, images, threads)

    return measure


async def _serve(site: Site, files: Sequence[bytes], images: int) -> None:
    """Send so many pictures, each caller one at a time."""
    left = iter(range(images))

    async def caller() -> None:
        for number in left:
            (vector,) = await site.encoder.encode_images(
                [files[number % len(files)]], lane=Lane.BULK, expected_fingerprint=site.described.fingerprint
            )
            if isinstance(vector, ImageragError):
                raise vector

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
