"""Ingestion through the queue, beside a loop that does the same stages to one picture after the other."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import imagehash
from qdrant_client import QdrantClient

from benchmarks import pictures
from benchmarks.bare import torch_threads
from benchmarks.measuring import ROUNDS, Ratio, interleave
from benchmarks.site import Advance, Site
from services.common.domain import DEFAULT_TENANT, IndexedItem, Item, ItemKind, ItemVectors, Media
from services.common.index.contract import EmbeddingContract
from services.common.index.ids import content_key, item_id
from services.common.index.payload import to_point
from services.common.index.schema import collection_arguments
from services.common.media.images import decode_rgb, read_header, thumbnail_webp
from services.common.media.preprocessing import CLIP
from services.common.media.store import THUMBNAIL_SIZES_PX, MediaStore
from services.common.objects import open_objects
from services.common.revision import RevisionClock

IMAGES = 128
"""A round's: two messages of 64."""
WAYS = 2
_COLLECTION = "benchmark-naive"
_POLL_S = 0.05
_LIMIT_S = 300.0


async def run(site: Site, advance: Advance) -> list[Ratio]:
    """Measure. Uploading is not part of either side: the pictures lie in the media store, and in a folder."""
    files = await asyncio.to_thread(write_pictures, site.work / "pictures", (ROUNDS + 1) * IMAGES)
    await asyncio.to_thread(queue_rate, site, files[-IMAGES:])
    loop = NaiveLoop(site)

    async def queued(number: int) -> float:
        return await asyncio.to_thread(queue_rate, site, files[number * IMAGES : (number + 1) * IMAGES])

    async def naive(number: int) -> float:
        return await asyncio.to_thread(loop.rate, files[number * IMAGES : (number + 1) * IMAGES])

    try:
        series = await interleave({"queue": queued, "loop": naive}, advance=advance)
    finally:
        await asyncio.to_thread(loop.close)
    ratio = Ratio(
        name="ingest by the queue / naive loop",
        meaning="500 x 375 JPEGs from the accepted job to the last one stored, against read, check, decode, "
        "thumbnail, hash, encode, upsert (wait=true), one picture after the other in one process whose model has "
        f"all {site.cpus} cores. Above 1.0 the queue pays.",
        unit="img/s",
        better="higher",
        ours=series["queue"],
        yardstick=series["loop"],
    )
    return [ratio]


def write_pictures(folder: Path, count: int) -> list[Path]:
    """500 x 375 JPEGs, no two the same."""
    folder.mkdir(parents=True)
    files = []
    for number, data in enumerate(pictures.many(count, 500, 375, "JPEG", first_seed=10_000)):
        path = folder / f"{number:05}.jpg"
        path.write_bytes(data)
        files.append(path)
    return files


def queue_rate(site: Site, files: Sequence[Path]) -> float:
    """img/s of one job, from its acceptance to the last picture stored."""
    items = [{"sha256": site.gateway.put_media(path.read_bytes())["sha256"], "name": path.name} for path in files]
    started = time.perf_counter()
    job_id = str(site.gateway.create_job(items)["job_id"])
    while True:
        job = site.gateway.job(job_id)
        took_s = time.perf_counter() - started
        if job["pending"] == 0:
            break
        if took_s > _LIMIT_S:
            raise TimeoutError(f"the job was not done after {_LIMIT_S:.0f} s")
        time.sleep(_POLL_S)
    if job["stored"] != len(files):
        raise RuntimeError(f"only {job['stored']} of {len(files)} pictures were stored")
    return len(files) / took_s


class NaiveLoop:
    """What a script without this system does: every stage for one picture, then the next picture.

    Args:
        site: Its store takes the points, in a collection of their own.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._media = MediaStore(open_objects(str(site.work / "naive-media")))
        self._clock = RevisionClock()
        self._store = QdrantClient(url=site.store_url, check_compatibility=False, trust_env=False, timeout=60)
        contract = EmbeddingContract(site.described.fingerprint, site.described.dim)
        self._store.create_collection(_COLLECTION, **collection_arguments(contract))

    def close(self) -> None:
        """Delete the collection."""
        self._store.delete_collection(_COLLECTION)
        self._store.close()

    def rate(self, files: Sequence[Path]) -> float:
        """img/s over these files, with every core for the model."""

        def measure() -> float:
            started = time.perf_counter()
            for path in files:
                self._ingest(path)
            return len(files) / (time.perf_counter() - started)

        with torch_threads(self._site.cpus):
            return measure()

    def _ingest(self, path: Path) -> None:
        data = path.read_bytes()
        header = read_header(data)
        image = decode_rgb(data, at_least_px=CLIP.decode_px)
        digest = hashlib.sha256(data).hexdigest()
        size_px = THUMBNAIL_SIZES_PX[0]
        self._media.put_thumbnail(DEFAULT_TENANT, digest, size_px, thumbnail_webp(image, size_px))
        media = Media(digest, header.mime, header.width, header.height, str(imagehash.phash(image)))
        vector = self._site.bare.encode(self._site.bare.prepare(CLIP(image)[None]))[0]
        key = content_key(digest)
        item = Item(
            id=item_id(DEFAULT_TENANT, key),
            tenant=DEFAULT_TENANT,
            kind=ItemKind.IMAGE,
            revision=self._clock.next(),
            ingested_at=datetime.now(UTC),
            key=key,
            media=media,
        )
        point = to_point(IndexedItem(item, ItemVectors(image=vector), job_id="naive", line=0))
        self._store.upsert(_COLLECTION, [point], wait=True)
