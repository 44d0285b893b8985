"""Small copies of pictures that are kept, for a closer look at two of them."""

from __future__ import annotations

import io

from PIL import Image

from services.common.errors import ImageError, NotFoundError
from services.common.jobs.cache import RecentlyUsed
from services.common.media.images import ImageLimits, decode_rgb, scaled_down
from services.common.media.store import THUMBNAIL_SIZES_PX, MediaStore
from workers.ingest.duplicates.closer_look import Cells, cells_of, shows_the_same

_SIZE_PX = THUMBNAIL_SIZES_PX[0]
_REMEMBERED = 512
"""Pictures of 12 kB each."""


class StoredLooks:
    """Compares pictures by their thumbnails. All calls block; thread-safe.

    Args:
        media: Has the pictures.
        limits: What pictures are accepted.
    """

    def __init__(self, media: MediaStore, limits: ImageLimits) -> None:
        self._media, self._limits = media, limits
        self._seen: RecentlyUsed[tuple[str, str], Cells] = RecentlyUsed(_REMEMBERED)

    def same(self, tenant: str, sha256: str, other_sha256: str) -> bool:
        """Whether two pictures show the same; False if one of them is not there any more.

        Raises:
            UnavailableError: The object storage does not answer.
        """
        try:
            return shows_the_same(self._cells(tenant, sha256), self._cells(tenant, other_sha256))
        except (NotFoundError, ImageError):
            return False

    def _cells(self, tenant: str, sha256: str) -> Cells:
        return self._seen.get((tenant, sha256), lambda: cells_of(self._small(tenant, sha256)))

    def _small(self, tenant: str, sha256: str) -> Image.Image:
        try:
            webp = self._media.get_thumbnail(tenant, sha256, _SIZE_PX)
        except NotFoundError:
            original = self._media.get(tenant, sha256)
            return scaled_down(decode_rgb(original, self._limits, at_least_px=_SIZE_PX), _SIZE_PX)
        with Image.open(io.BytesIO(webp), formats=["WEBP"]) as opened:
            return opened.convert("RGB")
