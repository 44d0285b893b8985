"""Folders full of JPEGs, no two the same, drawn by all cores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from benchmarks import pictures

_SEEDS_A_SIZE = 10_000_000
_AT_ONCE = 32


@dataclass(frozen=True)
class Size:
    """Of pictures.

    Attributes:
        width: Pixels.
        height: Pixels.
    """

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"


WEB = Size(500, 375)
"""What a photo on the web has."""
CAMERA = Size(1280, 960)
"""1.2 megapixels."""


def write_pictures(folder: Path, count: int, size: Size = WEB, *, first: int = 0) -> list[Path]:
    """Draw pictures.

    Args:
        folder: Made.
        count: How many.
        size: Of each.
        first: Number of the first one; the same number and size is the same picture.
    """
    folder.mkdir(parents=True)
    draw = partial(_draw, folder, size)
    # Not forked: the caller may have threads of gRPC and torch.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return list(pool.map(draw, range(first, first + count), chunksize=_AT_ONCE))


def _draw(folder: Path, size: Size, number: int) -> Path:
    seed = number + _SEEDS_A_SIZE * size.width
    path = folder / f"{number:07}.jpg"
    path.write_bytes(pictures.encoded(seed, size.width, size.height, "JPEG"))
    return path


def total_bytes(files: Sequence[Path]) -> int:
    """Of all of them."""
    return sum(path.stat().st_size for path in files)
