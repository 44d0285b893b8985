"""The loop that everybody writes first: a picture, the processor, the model, the next picture."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from benchmarks.bare import torch_threads
from services.common.domain import Vector


class NaiveLoop:
    """As transformers' documentation shows it, one picture at a time: what a lock around the model comes to.

    It runs in this process, without transport and with no caller to wait for it: that is to its advantage.

    Args:
        folder: Of the model.
        precision: "float32" or "bfloat16".
    """

    def __init__(self, folder: Path, precision: str) -> None:
        self._dtype = getattr(torch, precision)
        loaded: Any = CLIPModel.from_pretrained(str(folder), dtype=self._dtype)
        self._model: Any = loaded.eval()
        self._processor: Any = CLIPImageProcessorPil.from_pretrained(str(folder))

    @torch.inference_mode()
    def encode(self, data: bytes) -> Vector:
        """A unit vector, float32 [dim]."""
        image = Image.open(BytesIO(data)).convert("RGB")
        inputs = self._processor(images=image, return_tensors="pt")
        features = self._model.get_image_features(pixel_values=inputs["pixel_values"].to(self._dtype))
        row = getattr(features, "pooler_output", features)[0].float()
        vector: Vector = (row / row.norm()).numpy()
        return vector

    def rate(self, jpegs: Sequence[bytes], images: int, threads: int) -> float:
        """Pictures a second."""
        with torch_threads(threads):
            began = time.perf_counter()
            for data in itertools.islice(itertools.cycle(jpegs), images):
                self.encode(data)
            return images / (time.perf_counter() - began)
