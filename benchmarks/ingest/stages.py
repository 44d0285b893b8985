"""The processor time of each stage of ingest for one picture, each measured alone on one thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image
from qdrant_client import QdrantClient

from services.common.domain import DEFAULT_TENANT, IndexedItem, Item, ItemKind, ItemVectors, Media, Vector
from services.common.index.contract import EmbeddingContract
from services.common.index.ids import content_key, item_id
from services.common.index.index import Index
from services.common.jobs.roots import read_allowed
from services.common.media.images import DEFAULT_LIMITS, decode_rgb, read_header, scaled_down, to_webp
from services.common.media.perceptual import perceptual_hash
from services.common.media.preprocessing import Pixels
from services.common.media.store import MediaStore
from services.common.objects import open_objects
from services.common.revision import RevisionClock
from services.encoder.backends.backend import Backend

HOW = (
    "The bound is cores / (sum of the processor seconds that the stages of one picture take), each stage measured "
    "alone, one thread, before and after the job on a sample of its pictures: read and check; decode; keep "
    "(SHA-256, metadata removed, written durably); thumbnails of 512 and 256 px as WebP, written; perceptual "
    "hash; scaling for the model; the model's forward pass in batches of 8; upsert in groups of 32 with wait=true "
    "and read back, the store's processor time included. Queue, ledger, leases, reconciler, gateway, calls to the "
    "encoder and cores at rest are not in it: they count against the system."
)
_THUMBNAILS_PX = (512, 256)
_BATCH = 8
_WRITTEN_TOGETHER = 32
_ALIAS = "benchmark-stages"
Seconds = Mapping[str, float]
T = TypeVar("T")
R = TypeVar("R")


class Stages:
    """Measures on some pictures.

    Args:
        files: The pictures.
        backend: The model that the cluster runs, in this process.
        store_url: The cluster's store.
        store_cpu_s: Processor seconds of the store so far.
        work: Folder for what is kept.
    """

    def __init__(
        self,
        files: Sequence[Path],
        backend: Backend,
        store_url: str,
        store_cpu_s: Callable[[], float],
        work: Path,
    ) -> None:
        self._files, self._backend = files, backend
        self._store_url, self._store_cpu_s, self._work = store_url, store_cpu_s, work
        self._clock = RevisionClock()
        self._seconds: dict[str, float] = {}

    def measure(self) -> Seconds:
        """Processor seconds for a picture, by stage."""
        self._seconds = {}
        # Another folder and another collection each time: what is there already would cost less.
        run = f"{self._clock.next()}"
        media = MediaStore(open_objects(str(self._work / run)))
        preprocessing = self._backend.description.preprocessing
        data = self._each("read", lambda path: _read(path, path.parent), self._files)
        images = self._each("decode", lambda each: decode_rgb(each, at_least_px=preprocessing.decode_px), data)
        digests = self._each("keep", lambda each: media.put(DEFAULT_TENANT, each), data)
        small = self._each(
            "thumbnails", lambda pair: _thumbnails(media, *pair), list(zip(digests, images, strict=True))
        )
        hashes = self._each("hash", perceptual_hash, small)
        pixels = self._each("scale", preprocessing, images)
        vectors = self._encode(pixels)
        items = [
            self._item(each, digest, phash, vector)
            for each, digest, phash, vector in zip(data, digests, hashes, vectors, strict=True)
        ]
        asyncio.run(self._upsert(items, f"{_ALIAS}-{run}"))
        return dict(self._seconds)

    def _each(self, name: str, work: Callable[[T], R], inputs: Iterable[T]) -> list[R]:
        with self._counted(name):
            return [work(each) for each in inputs]

    def _encode(self, pixels: Sequence[Pixels]) -> Vector:
        batches = [pixels[start : start + _BATCH] for start in range(0, len(pixels), _BATCH)]
        self._backend.encode_images(batches[0], 1)
        return np.concatenate(self._each("encode", lambda batch: self._backend.encode_images(batch, 1), batches))

    async def _upsert(self, items: Sequence[IndexedItem], alias: str) -> None:
        described = self._backend.description
        contract = EmbeddingContract(described.fingerprint, described.dim)
        async with Index(self._store_url, alias=alias) as index:
            collection = await index.ensure(contract)
            with self._counted("upsert"):
                before_s = self._store_cpu_s()
                for start in range(0, len(items), _WRITTEN_TOGETHER):
                    await index.upsert(collection, DEFAULT_TENANT, items[start : start + _WRITTEN_TOGETHER])
                store_s = self._store_cpu_s() - before_s
        self._seconds["upsert"] += store_s / len(items)
        with closing(QdrantClient(url=self._store_url, check_compatibility=False, trust_env=False)) as client:
            client.delete_collection(collection.name)

    def _item(self, data: bytes, digest: str, phash: str, vector: Vector) -> IndexedItem:
        header, key = read_header(data), content_key(digest)
        item = Item(
            id=item_id(DEFAULT_TENANT, key),
            tenant=DEFAULT_TENANT,
            kind=ItemKind.IMAGE,
            revision=1,
            ingested_at=datetime.now(UTC),
            key=key,
            media=Media(digest, header.mime, header.width, header.height, phash),
        )
        return IndexedItem(item, ItemVectors(image=vector), job_id="stages", line=0)

    @contextmanager
    def _counted(self, name: str) -> Iterator[None]:
        before_s = time.process_time()
        yield
        self._seconds[name] = (time.process_time() - before_s) / len(self._files)


def mean(measured: Sequence[Seconds]) -> Seconds:
    """Of several measurements, stage by stage."""
    return {name: sum(each[name] for each in measured) / len(measured) for name in measured[0]}


def _read(path: Path, root: Path) -> bytes:
    data = read_allowed(str(path), [root], DEFAULT_LIMITS.max_bytes)
    read_header(data)
    return data


def _thumbnails(media: MediaStore, digest: str, image: Image.Image) -> Image.Image:
    for number, size_px in enumerate(_THUMBNAILS_PX):
        image = scaled_down(image, size_px, reducing_gap=1.0 if number else 2.0)
        media.put_thumbnail(DEFAULT_TENANT, digest, size_px, to_webp(image))
    return image
