"""A CLIP of the shape of ViT-B/32 with random weights: as much work as the real one, and nothing to download."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import CLIPConfig, CLIPModel

from benchmarks.words import WORDS
from services.common.domain import Vector
from services.common.media.preprocessing import CLIP, Pixels
from services.encoder.backends.backend import unit
from services.encoder.backends.devices import Placement

FOLDER = "clip-vit-b32-random-1"
"""Counts up when what is written changes."""
_SEED = 32
_START, _END = "<|startoftext|>", "<|endoftext|>"
_BATCHES = (8, 16, 32)


def build(cache: Path) -> Path:
    """The model's folder, made on the first call (600 MB).

    Args:
        cache: Where it is kept for the next time.
    """
    folder = cache / FOLDER
    if folder.is_dir():
        return folder
    part = cache / f"{FOLDER}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    vocabulary, merges = whole_words(WORDS)
    torch.manual_seed(_SEED)
    # The configuration's own defaults are those of ViT-B/32.
    config: Any = CLIPConfig(
        text_config={"bos_token_id": vocabulary[_START], "eos_token_id": vocabulary[_END], "pad_token_id": 0}
    )
    CLIPModel(config).save_pretrained(part)
    _write(part / "vocab.json", json.dumps(vocabulary))
    _write(part / "merges.txt", "\n".join(["#version: 0.2", *merges]) + "\n")
    _write(part / "tokenizer_config.json", json.dumps({"tokenizer_class": "CLIPTokenizer"}))
    constants = {
        "image_mean": [value / 255 for value in CLIP.mean],
        "image_std": [value / 255 for value in CLIP.std],
    }
    _write(
        part / "preprocessor_config.json", json.dumps({"image_processor_type": "CLIPImageProcessor", **constants})
    )
    return part.rename(folder)


def whole_words(words: tuple[str, ...]) -> tuple[dict[str, int], list[str]]:
    """A byte-pair vocabulary in which each of these words is one token, as frequent words are in the real one.

    Returns:
        Ids by token, and merges in their order, as the tokenizer's files hold them.
    """
    tokens = {chr(code): None for code in range(ord("!"), ord("~") + 1)}
    tokens |= {f"{token}</w>": None for token in list(tokens)}
    merges: dict[tuple[str, str], None] = {}
    for word in words:
        # The end comes first: a merge from the left would be taken for a word that only begins like this one.
        right = f"{word[-1]}</w>"
        for letter in reversed(word[:-1]):
            merges[letter, right] = None
            right = letter + right
            tokens[right] = None
    ordered = [*tokens, _START, _END]
    return {token: number for number, token in enumerate(ordered)}, [" ".join(pair) for pair in merges]


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


class BareModel:
    """The vision tower alone, called as transformers shows it: no service, no queue.

    Args:
        folder: Of the model.
        placement: The same as the service's.
    """

    def __init__(self, folder: Path, placement: Placement) -> None:
        self._dtype = getattr(torch, placement.precision)
        self._device = torch.device(placement.device)
        loaded: Any = CLIPModel.from_pretrained(str(folder), dtype=self._dtype, attn_implementation="sdpa")
        self._model: Any = loaded.to(self._device).eval()
        self._mean = torch.tensor(CLIP.mean).view(1, 3, 1, 1)
        self._std = torch.tensor(CLIP.std).view(1, 3, 1, 1)

    def prepare(self, pixels: Pixels) -> torch.Tensor:
        """uint8 [n, 3, 224, 224] to the model's input."""
        return ((torch.from_numpy(pixels).float() - self._mean) / self._std).to(self._device, self._dtype)

    @torch.inference_mode()
    def encode(self, prepared: torch.Tensor) -> Vector:
        """Unit vectors, float32 [n, dim]."""
        features = self._model.get_image_features(pixel_values=prepared)
        tensor: torch.Tensor = getattr(features, "pooler_output", features)
        rows: Vector = tensor.float().cpu().numpy()
        return unit(rows)

    def rate(self, batch: int, images: int, threads: int) -> float:
        """img/s of forward passes over input that lies ready.

        Args:
            batch: Pictures a pass.
            images: At least so many.
            threads: Of torch, while this runs.
        """
        prepared = self.prepare(np.random.default_rng(_SEED).integers(0, 256, (batch, 3, 224, 224), np.uint8))
        passes = max(1, images // batch)
        return with_threads(threads, lambda: _per_second(passes * batch, passes, lambda: self.encode(prepared)))

    def best_batch(self, threads: int) -> int:
        """The batch with the most img/s, by a short trial of each."""
        self.rate(_BATCHES[-1], 1, threads)
        return max(_BATCHES, key=lambda batch: self.rate(batch, 32, threads))


def with_threads(threads: int, measure: Callable[[], float]) -> float:
    """Call `measure` with so many threads in torch."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return measure()
    finally:
        torch.set_num_threads(before)


def _per_second(images: int, passes: int, once: Callable[[], object]) -> float:
    started = time.perf_counter()
    for _ in range(passes):
        once()
    return images / (time.perf_counter() - started)
