"""Hashes and vectors of many pictures, as ingest makes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.duplicates.lookalikes import FAMILIES, family
from benchmarks.duplicates.variations import CHANGED, SAME
from services.common.domain import Vector
from services.common.media.images import decode_rgb, scaled_down
from services.common.media.perceptual import perceptual_hash
from services.encoder.backends.backend import Backend
from workers.ingest.duplicates.closer_look import Cells, cells_of

_HASHED_PX = 256
_LONGEST_PX = 640
"""Originals are brought down to this: a usual size on the web, and all of them fit into memory."""
_GROUP = 4


@dataclass(frozen=True)
class Seen:
    """Pictures as ingest sees them.

    Attributes:
        hashes: 64 bits each, shape (n,).
        plain: Pictures without a hash, shape (n,).
        vectors: Shape (n, dim).
        cells: For the closer look, shape (n, 64, 64, 3).
    """

    hashes: NDArray[np.uint64]
    plain: NDArray[np.bool_]
    vectors: Vector
    cells: NDArray[np.uint8]

    def bits_to(self, other: Seen) -> NDArray[np.int64]:
        """Differing bits of the pictures in the same places; 64 where one has no hash."""
        bits = np.bitwise_count(self.hashes ^ other.hashes).astype(np.int64)
        return np.where(self.plain | other.plain, 64, bits)

    def cosines_to(self, other: Seen) -> NDArray[np.float32]:
        """Of the pictures in the same places."""
        return np.asarray((self.vectors * other.vectors).sum(1), np.float32)

    def pairs_within(self, most_bits: int) -> NDArray[np.int64]:
        """Pairs of different pictures whose hashes are close, shape (pairs, 2)."""
        bits = np.bitwise_count(self.hashes[:, None] ^ self.hashes[None, :])
        close = (bits <= most_bits) & ~self.plain[:, None] & ~self.plain[None, :]
        return np.argwhere(np.triu(close, 1))


def originals(folders: Sequence[Path], most: int) -> list[Path]:
    """Pictures below folders, but for the mirrored and turned copies among the stamps; of many some, evenly."""
    found = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in {".png", ".jpg"}]
    different = [path for path in found if not path.stem.endswith(("_mirror", "_flip"))]
    return (
        [different[place * len(different) // most] for place in range(most)]
        if len(different) > most
        else different
    )


def opened(path: Path) -> Image.Image:
    """A picture as it is decoded, no larger than usual."""
    return scaled_down(decode_rgb(path.read_bytes()), _LONGEST_PX)


def see(backend: Backend, images: Iterable[Image.Image]) -> Seen:
    """Hash, encode and shrink pictures."""
    hashes: list[str] = []
    cells: list[Cells] = []
    vectors: list[Vector] = []
    following = iter(images)
    while group := list(islice(following, _GROUP)):
        small = [scaled_down(image, _HASHED_PX) for image in group]
        hashes += [perceptual_hash(image) for image in small]
        cells += [cells_of(image) for image in small]
        pixels = [backend.description.preprocessing(image) for image in group]
        vectors.append(backend.encode_images(pixels, 1))
    numbers = np.array([int(each, 16) if each else 0 for each in hashes], np.uint64)
    return Seen(numbers, np.array([not each for each in hashes]), np.concatenate(vectors), np.stack(cells))


def see_all(backend: Backend, paths: Sequence[Path], per_family: int) -> Iterator[tuple[str, str, Seen]]:
    """The originals, each change of all of them, and each family: group, name, what was seen."""
    images = [opened(path) for path in paths]
    yield "originals", "", see(backend, images)
    for group, changes in (("same", SAME), ("changed", CHANGED)):
        for name, change in changes.items():
            yield group, name, see(backend, map(change, images))
    for name in FAMILIES:
        yield "family", name, see(backend, family(name, per_family))
