"""What a script without this system does: every stage for one picture, then the next picture."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from qdrant_client import QdrantClient
from transformers import CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from benchmarks.bare import torch_threads
from services.common.domain import DEFAULT_TENANT, IndexedItem, Item, ItemKind, ItemVectors, Media, Vector
from services.common.index.contract import EmbeddingContract
from services.common.index.ids import content_key, item_id
from services.common.index.payload import to_point
from services.common.index.schema import collection_arguments
from services.common.media.perceptual import perceptual_hash
from services.common.revision import RevisionClock

_THUMBNAILS_PX = (256, 512)


class NaiveLoop:
    """As the documentation of Pillow, transformers and Qdrant shows it, with the same sizes, hash and payload.

    Thumbnails are written as files without waiting for the disk, as WebP of Pillow's usual quality, which is ours;
    originals stay where they are. Nothing is noted, retried or read back.

    Args:
        model: Folder of a CLIP.
        precision: "float32", as transformers loads it, or "bfloat16".
        contract: Shapes the collection.
        store_url: Takes the points, in a collection of their own.
        folder: For thumbnails; made.
        cpus: Cores for the model.
    """

    def __init__(
        self, model: Path, precision: str, contract: EmbeddingContract, store_url: str, folder: Path, cpus: int
    ) -> None:
        self._dtype = getattr(torch, precision)
        loaded: Any = CLIPModel.from_pretrained(str(model), dtype=self._dtype)
        self._model: Any = loaded.eval()
        self._processor: Any = CLIPImageProcessorPil.from_pretrained(str(model))
        self._clock, self._folder, self._cpus = RevisionClock(), folder, cpus
        folder.mkdir(parents=True)
        self._store = QdrantClient(url=store_url, check_compatibility=False, trust_env=False, timeout=60)
        self._collection = f"benchmark-naive-{precision}"
        self._store.create_collection(self._collection, **collection_arguments(contract))

    def close(self) -> None:
        """Delete the collection."""
        self._store.delete_collection(self._collection)
        self._store.close()

    def rate(self, files: Sequence[Path]) -> float:
        """img/s over these files."""
        with torch_threads(self._cpus):
            began = time.perf_counter()
            for path in files:
                self._ingest(path)
            return len(files) / (time.perf_counter() - began)

    def _ingest(self, path: Path) -> None:
        data = path.read_bytes()
        image = Image.open(BytesIO(data)).convert("RGB")
        digest = hashlib.sha256(data).hexdigest()
        for size_px in _THUMBNAILS_PX:
            small = image.copy()
            small.thumbnail((size_px, size_px))
            small.save(self._folder / f"{digest}.{size_px}.webp")
        media = Media(digest, "image/jpeg", image.width, image.height, perceptual_hash(image))
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
        point = to_point(IndexedItem(item, ItemVectors(image=self._vector(image)), job_id="naive", line=0))
        self._store.upsert(self._collection, [point], wait=True)

    @torch.inference_mode()
    def _vector(self, image: Image.Image) -> Vector:
        inputs = self._processor(images=image, return_tensors="pt")
        features = self._model.get_image_features(pixel_values=inputs["pixel_values"].to(self._dtype))
        row = getattr(features, "pooler_output", features)[0].float()
        vector: Vector = (row / row.norm()).numpy()
        return vector
