"""Pictures on their way out: thumbnails, made once and kept, and the kept originals."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from services.common.domain import Item
from services.common.errors import InvalidRequestError, NotFoundError
from services.common.media.images import ImageLimits, decode_rgb, thumbnail_webp
from services.common.media.signatures import MIME, sniff
from services.common.media.store import THUMBNAIL_SIZES_PX, MediaStore

_DECODES_AT_ONCE = 2
"""One decode of the largest picture takes about 200 MB."""


@dataclass(frozen=True)
class Picture:
    """Encoded bytes without metadata."""

    data: bytes
    mime: str


class Pictures:
    """Shows the pictures of items.

    Args:
        media: Where they are kept.
        limits: What is decoded at most.
    """

    def __init__(self, media: MediaStore, limits: ImageLimits) -> None:
        self._media, self._limits = media, limits
        self._decodes = asyncio.Semaphore(_DECODES_AT_ONCE)

    async def show(self, tenant: str, item: Item, size_px: int | None) -> Picture:
        """The picture of `item`.

        Args:
            tenant: Whose picture.
            item: What it belongs to.
            size_px: Longest side of a thumbnail, one of `THUMBNAIL_SIZES_PX`; None: the kept original.

        Raises:
            NotFoundError: The item has no picture.
            InvalidRequestError: No such size.
        """
        sha256 = digest_of(item)
        if size_px is None:
            data = await asyncio.to_thread(self._media.get, tenant, sha256)
            return Picture(data, MIME.get(sniff(data) or "", "application/octet-stream"))
        check_size(size_px)
        return Picture(await self._thumbnail(tenant, sha256, size_px), "image/webp")

    async def small(self, data: bytes, size_px: int) -> bytes:
        """A thumbnail of a picture that is kept nowhere, as WebP.

        Raises:
            ImageError: It cannot be decoded.
        """
        async with self._decodes:
            return await asyncio.to_thread(_scaled, data, self._limits, size_px)

    async def _thumbnail(self, tenant: str, sha256: str, size_px: int) -> bytes:
        try:
            return await asyncio.to_thread(self._media.get_thumbnail, tenant, sha256, size_px)
        except NotFoundError:
            async with self._decodes:
                return await asyncio.to_thread(self._make_thumbnail, tenant, sha256, size_px)

    def _make_thumbnail(self, tenant: str, sha256: str, size_px: int) -> bytes:
        original = self._media.get(tenant, sha256)
        webp = _scaled(original, self._limits, size_px)
        self._media.put_thumbnail(tenant, sha256, size_px, webp)
        return webp


def _scaled(data: bytes, limits: ImageLimits, size_px: int) -> bytes:
    return thumbnail_webp(decode_rgb(data, limits, at_least_px=size_px), size_px)


def digest_of(item: Item) -> str:
    """The digest of an item's picture.

    Raises:
        NotFoundError: It has none.
    """
    if item.media is None:
        raise NotFoundError("This item has no picture.")
    return item.media.sha256


def check_size(size_px: int) -> None:
    """Refuse sizes that are not kept: each would be one more file a picture.

    Raises:
        InvalidRequestError: Names the sizes there are.
    """
    if size_px not in THUMBNAIL_SIZES_PX:
        sizes = ", ".join(str(size) for size in THUMBNAIL_SIZES_PX)
        raise InvalidRequestError(f"size must be one of {sizes}; without it the picture comes in full.")
