"""The model called as transformers shows it: no service, no queue. What everything else is measured against."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer, CLIPModel

from services.common.domain import Vector
from services.common.media.preprocessing import CLIP, Pixels
from services.encoder.backends.backend import unit

_SEED = 32
_BATCHES = {"cpu": (1, 8, 16, 32, 64), "cuda": (32, 64, 128, 256, 512)}
_TRIAL_IMAGES = 32


class BareModel:
    """Both towers.

    Args:
        folder: Of the model.
        device: "cpu" or "cuda".
        precision: "float32" or "bfloat16".
    """

    def __init__(self, folder: Path, device: str, precision: str) -> None:
        self._dtype = getattr(torch, precision)
        self._device = torch.device(device)
        loaded: Any = CLIPModel.from_pretrained(str(folder), dtype=self._dtype, attn_implementation="sdpa")
        self._model: Any = loaded.to(self._device).eval()
        self._tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
        self._mean = torch.tensor(CLIP.mean).view(1, 3, 1, 1)
        self._std = torch.tensor(CLIP.std).view(1, 3, 1, 1)

    def prepare(self, pixels: Pixels) -> torch.Tensor:
        """uint8 [n, 3, 224, 224] to the model's input."""
        return ((torch.from_numpy(pixels).float() - self._mean) / self._std).to(self._device, self._dtype)

    def encode(self, prepared: torch.Tensor) -> Vector:
        """Unit vectors, float32 [n, dim]."""
        rows: Vector = self.forward(prepared).float().cpu().numpy()
        return unit(rows)

    @torch.inference_mode()
    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        """Image features, on the device and in its precision, [n, dim]."""
        features = self._model.get_image_features(pixel_values=prepared)
        tensor: torch.Tensor = getattr(features, "pooler_output", features)
        return tensor

    def prepare_texts(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """Tokens, filled up to the longest text."""
        tokens = self._tokenizer(list(texts), padding=True, return_tensors="pt")
        return {name: tokens[name].to(self._device) for name in ("input_ids", "attention_mask")}

    @torch.inference_mode()
    def forward_texts(self, prepared: dict[str, torch.Tensor]) -> torch.Tensor:
        """Text features, as `forward`."""
        features = self._model.get_text_features(**prepared)
        tensor: torch.Tensor = getattr(features, "pooler_output", features)
        return tensor

    def blank(self, batch: int) -> torch.Tensor:
        """Some pictures, ready."""
        return self.prepare(np.random.default_rng(_SEED).integers(0, 256, (batch, 3, 224, 224), np.uint8))

    def rate(self, batch: int, images: int, threads: int) -> float:
        """img/s of forward passes over input that lies ready on the device.

        Args:
            batch: Pictures a pass.
            images: At least so many.
            threads: Of torch, while this runs.
        """
        prepared, passes = self.blank(batch), max(1, images // batch)
        with torch_threads(threads):
            return passes * batch / self._seconds(passes, lambda: self.forward(prepared))

    def text_rate(self, texts: Sequence[str], count: int, threads: int) -> float:
        """Texts a second: batches of all of `texts`, whose tokens lie ready."""
        prepared, passes = self.prepare_texts(texts), max(1, count // len(texts))
        with torch_threads(threads):
            return passes * len(texts) / self._seconds(passes, lambda: self.forward_texts(prepared))

    def latencies_s(self, count: int, threads: int) -> list[float]:
        """Of passes with one picture each."""
        prepared = self.blank(1)
        with torch_threads(threads):
            return [self._seconds(1, lambda: self.forward(prepared)) for _ in range(count)]

    def best_batch(self, threads: int) -> int:
        """The batch with the most img/s, by a short trial of each."""
        batches = _BATCHES[self._device.type]
        self.rate(batches[-1], 1, threads)
        return max(batches, key=lambda batch: self.rate(batch, max(_TRIAL_IMAGES, batch), threads))

    def _seconds(self, passes: int, once: Callable[[], object]) -> float:
        self._finish()
        started = time.perf_counter()
        for _ in range(passes):
            once()
        self._finish()
        return time.perf_counter() - started

    def _finish(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize()


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """So many threads in torch, for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
