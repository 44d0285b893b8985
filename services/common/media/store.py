"""The media store: received pictures by content, each tenant in a folder of its own."""

from __future__ import annotations

import hashlib
import re

from services.common.errors import InvalidRequestError, NotFoundError
from services.common.media.metadata import strip_metadata
from services.common.objects import ObjectStore

THUMBNAIL_SIZES_PX = (256, 512, 1024)
"""Longest sides that are kept."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RIFF_BYTES = 8


class MediaStore:
    """Keeps pictures under `media/<tenant>/<first two digits>/<sha256>`. All calls block.

    The digest is that of the bytes as received; what is kept has its metadata (GPS, camera, comments) removed
    and the same pixels. An item's delete leaves the bytes: other items may show the same picture.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def put(self, tenant: str, data: bytes) -> str:
        """Keep a picture that `read_header` has accepted.

        Returns:
            Its SHA-256 in hex.
        """
        digest = hashlib.sha256(data).hexdigest()
        name = _name(tenant, digest)
        if not self._objects.exists(name):
            self._objects.put(name, strip_metadata(data))
        return digest

    def get(self, tenant: str, sha256: str) -> bytes:
        """The kept bytes.

        Raises:
            NotFoundError: The tenant has no such picture.
            InvalidRequestError: Not a SHA-256 in hex.
        """
        return self._objects.get(_name(tenant, sha256))

    def exists(self, tenant: str, sha256: str) -> bool:
        """Whether the tenant has such a picture."""
        return self._objects.exists(_name(tenant, sha256))

    def put_thumbnail(self, tenant: str, sha256: str, size_px: int, webp: bytes) -> None:
        """Keep a thumbnail, WebP bytes with the longest side `size_px`; a crash may take it."""
        self._objects.put_remade(_thumbnail_name(tenant, sha256, size_px), webp)

    def has_thumbnail(self, tenant: str, sha256: str, size_px: int) -> bool:
        """Whether there is a thumbnail of that size; it may have been cut short by a crash."""
        return self._objects.exists(_thumbnail_name(tenant, sha256, size_px))

    def get_thumbnail(self, tenant: str, sha256: str, size_px: int) -> bytes:
        """The kept thumbnail, whole.

        Raises:
            NotFoundError: There is none of that size, or no more than a part of it.
        """
        name = _thumbnail_name(tenant, sha256, size_px)
        webp = self._objects.get(name)
        if not _is_whole(webp):
            raise NotFoundError(f"Of the thumbnail {name!r} only a part is there.")
        return webp


def _name(tenant: str, sha256: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise InvalidRequestError(f"{sha256[:80]!r} is not a SHA-256 digest: 64 lower-case hex digits.")
    return f"media/{tenant}/{sha256[:2]}/{sha256}"


def _is_whole(webp: bytes) -> bool:
    """Whether a WebP file has the length that its RIFF header tells (the header itself is not counted there)."""
    told = webp[4:_RIFF_BYTES]
    return webp[:4] == b"RIFF" and len(webp) == _RIFF_BYTES + int.from_bytes(told, "little")


def _thumbnail_name(tenant: str, sha256: str, size_px: int) -> str:
    return f"{_name(tenant, sha256)}.{size_px}.webp"
