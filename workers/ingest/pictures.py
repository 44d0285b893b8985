"""The first phase, on the CPU: read a line's picture, check it, keep it, make its thumbnail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imagehash
from PIL import Image

from services.common.domain import Media
from services.common.jobs.records import ManifestLine
from services.common.jobs.roots import read_allowed
from services.common.media.images import ImageHeader, ImageLimits, decode_rgb, read_header, thumbnail_webp
from services.common.media.store import MediaStore


@dataclass(frozen=True)
class Picture:
    """A checked and kept picture.

    Attributes:
        data: Encoded bytes, for the encoder.
        media: What the item says about it.
    """

    data: bytes
    media: Media


class PictureIntake:
    """Takes pictures in. Blocks; thread-safe.

    Args:
        media: Where they are kept.
        roots: Folders that a line's path may lie in.
        limits: What is accepted.
        thumbnail_px: Longest side of the thumbnail that is made.
    """

    def __init__(self, media: MediaStore, roots: Sequence[Path], limits: ImageLimits, thumbnail_px: int) -> None:
        self._media, self._roots, self._limits = media, roots, limits
        self._thumbnail_px = thumbnail_px

    def take(self, tenant: str, line: ManifestLine) -> Picture | None:
        """The line's picture; None if it has none.

        Raises:
            ImageError: The picture cannot be used.
            NotFoundError: Neither stored nor at its path.
            ForbiddenError: The path is outside the allowed folders.
        """
        if not (line.sha256 or line.path):
            return None
        data = self._read(tenant, line)
        header = read_header(data, self._limits)
        image = decode_rgb(data, self._limits, at_least_px=self._thumbnail_px)
        digest = line.sha256 or self._media.put(tenant, data)
        self._media.put_thumbnail(tenant, digest, self._thumbnail_px, thumbnail_webp(image, self._thumbnail_px))
        return Picture(data, _media(digest, header, image))

    def _read(self, tenant: str, line: ManifestLine) -> bytes:
        if line.sha256:
            return self._media.get(tenant, line.sha256)
        return read_allowed(line.path, self._roots, self._limits.max_bytes)


def _media(digest: str, header: ImageHeader, image: Image.Image) -> Media:
    return Media(digest, header.mime, header.width, header.height, str(imagehash.phash(image)))
