"""The first phase, on the CPU: read a line's picture, check it, keep it, make everything of it in one decode."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PIL import Image

from services.common.clients.encoder_inputs import EncoderInput, PictureInput, PixelsInput
from services.common.clients.encoder_preparer import Preparer
from services.common.domain import Media
from services.common.jobs.records import ManifestLine
from services.common.jobs.roots import read_allowed
from services.common.media.images import (
    ImageHeader,
    ImageLimits,
    decode_rgb,
    read_header,
    scaled_down,
    to_webp,
)
from services.common.media.perceptual import perceptual_hash
from services.common.media.store import MediaStore
from workers.fetching.fetcher import Fetcher
from workers.fetching.pictures import pictures_of_the_web

_LARGE_PIXELS = 16_000_000
"""Above this one picture is decoded at a time: the largest takes 200 MB."""
_ONE_URL_S = 20.0
"""It was tried for longer when it was listed, and others of its message wait for the same thread."""


@dataclass(frozen=True)
class Picture:
    """A checked and kept picture.

    Attributes:
        data: Encoded bytes.
        media: What the item says about it.
        content: What the encoder is given.
    """

    data: bytes
    media: Media
    content: EncoderInput


class PictureIntake:
    """Takes pictures in. Blocks; thread-safe.

    Args:
        media: Where they are kept.
        roots: Folders that a line's path may lie in.
        limits: What is accepted.
        thumbnails_px: Longest sides of the thumbnails that are made.
        fetcher: Fetches from the web; None: that is switched off.
    """

    def __init__(
        self,
        media: MediaStore,
        roots: Sequence[Path],
        limits: ImageLimits,
        thumbnails_px: Sequence[int],
        fetcher: Fetcher | None = None,
    ) -> None:
        self._media, self._roots, self._limits, self._fetcher = media, roots, limits, fetcher
        self._thumbnails_px = sorted(thumbnails_px, reverse=True)
        self._large = threading.Lock()

    def take(self, tenant: str, line: ManifestLine, preparer: Preparer | None = None) -> Picture | None:
        """The line's picture; None if it has none.

        Args:
            tenant: Whose it is.
            line: Names it.
            preparer: Makes the encoder's input of it; None: the encoder decodes it once more.

        Raises:
            ImageError: The picture cannot be used.
            NotFoundError: Neither stored nor at its path.
            ForbiddenError: The path is outside the allowed folders.
            ImageragError: The URL cannot be had; see `Fetcher.fetch`.
        """
        if line.url and not (line.sha256 or line.path):
            line = replace(line, sha256=self._fetched(tenant, line.url))
        if not (line.sha256 or line.path):
            return None
        data = self._read(tenant, line)
        header = read_header(data, self._limits)
        with self._room_for(header):
            image = decode_rgb(data, self._limits, at_least_px=self._at_least_px(preparer))
            digest = line.sha256 or self._media.put(tenant, data)
            small = self._keep_thumbnails(tenant, digest, self._large_enough(image, data, header))
            content = _content(data, image, preparer)
        media = Media(digest, header.mime, header.width, header.height, perceptual_hash(small))
        return Picture(data, media, content)

    def _read(self, tenant: str, line: ManifestLine) -> bytes:
        if line.sha256:
            return self._media.get(tenant, line.sha256)
        return read_allowed(line.path, self._roots, self._limits.max_bytes)

    def _fetched(self, tenant: str, url: str) -> str:
        return pictures_of_the_web(self._fetcher, self._limits, partial(self._media.put, tenant)).keep_from(
            url, _ONE_URL_S
        )

    @contextmanager
    def _room_for(self, header: ImageHeader) -> Iterator[None]:
        if header.width * header.height <= _LARGE_PIXELS:
            yield
            return
        with self._large:
            yield

    def _at_least_px(self, preparer: Preparer | None) -> int:
        # As the encoder itself would decode it: the vector does not depend on who did.
        return preparer.preprocessing.decode_px if preparer else self._thumbnails_px[0]

    def _large_enough(self, image: Image.Image, data: bytes, header: ImageHeader) -> Image.Image:
        """What thumbnails are made from; of some near-square pictures the model needs less than they do."""
        largest_px = self._thumbnails_px[0]
        if max(image.size) >= min(largest_px, max(header.width, header.height)):
            return image
        return decode_rgb(data, self._limits, at_least_px=largest_px)

    def _keep_thumbnails(self, tenant: str, digest: str, image: Image.Image) -> Image.Image:
        """Make each from the one before it, unless a former job has; the smallest one's pixels."""
        made: dict[int, Image.Image] = {}
        for size_px in self._thumbnails_px:
            image = made[size_px] = scaled_down(image, size_px, reducing_gap=1.0 if made else 2.0)
        # The largest is written last: where it is, the others are.
        if not self._media.has_thumbnail(tenant, digest, self._thumbnails_px[0]):
            for size_px in reversed(self._thumbnails_px):
                self._media.put_thumbnail(tenant, digest, size_px, to_webp(made[size_px]))
        return image


def _content(data: bytes, image: Image.Image, preparer: Preparer | None) -> EncoderInput:
    if preparer is None:
        return PictureInput(data)
    return PixelsInput(preparer.preprocessing(image), preparer.digest)
