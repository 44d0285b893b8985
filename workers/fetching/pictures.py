"""Pictures from the web, many at a time within little memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import cast

from services.common.media.images import ImageLimits, read_header
from services.common.media.signatures import sniff
from workers.fetching.fetcher import Fetched, Fetcher

_IN_MEMORY_BYTES = 2 * 1024 * 1024
"""What is larger waits on disk: 16 pictures of 32 MiB at a time would be half of what a worker may have."""
_AT_ONCE_IN_MEMORY = 2
_in_memory = threading.BoundedSemaphore(_AT_ONCE_IN_MEMORY)


@dataclass(frozen=True)
class FetchedPicture:
    """What lay at a URL.

    Attributes:
        fetched: What is known of it.
        sha256: Of the picture, which is kept; empty: it is none.
    """

    fetched: Fetched
    sha256: str


class PictureFetcher:
    """Fetches pictures and keeps them. Blocks; thread-safe.

    Args:
        fetcher: Fetches.
        limits: What pictures are accepted.
        keep: Keeps a picture; returns its SHA-256 in hex.
    """

    def __init__(self, fetcher: Fetcher, limits: ImageLimits, keep: Callable[[bytes], str]) -> None:
        self._fetcher, self._limits, self._keep = fetcher, limits, keep

    def keep_from(self, url: str) -> str:
        """Fetch a picture and keep it.

        Returns:
            Its SHA-256 in hex.

        Raises:
            ImageragError: As in `Fetcher.fetch`.
            ImageError: What lies there is no picture, or not accepted.
        """
        found = self.look(url)
        if not found.sha256:
            read_header(found.fetched.head, self._limits)  # says what it looks like instead
        return found.sha256

    def look(self, url: str) -> FetchedPicture:
        """Fetch a picture and keep it; of anything else, its beginning alone.

        Raises:
            ImageragError: As in `keep_from`.
        """
        with closing(SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)) as file:
            fetched = self._fetcher.fetch(url, file, self._limit_of)
            if not fetched.whole:
                return FetchedPicture(fetched, "")
            file.seek(0)
            with _in_memory:
                return FetchedPicture(fetched, self._keep(cast(bytes, file.read())))

    def _limit_of(self, head: bytes) -> int:
        return self._limits.max_bytes if sniff(head) else 0
