"""Pictures from the web, many at a time within little memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile

from services.common.errors import UnsupportedMediaTypeError, UrlError, UrlForbiddenError
from services.common.media.images import ImageLimits, read_header
from services.common.media.signatures import container_type, sniff
from workers.fetching.fetcher import Fetched, Fetcher

_IN_MEMORY_BYTES = 2 * 1024 * 1024
"""What is larger waits on disk: 16 pictures of 32 MiB at a time would be half of what a worker may have."""
_large_ones = threading.BoundedSemaphore(2)


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
        keep: Keeps a picture that was found to be accepted; returns its SHA-256 in hex.
    """

    def __init__(self, fetcher: Fetcher, limits: ImageLimits, keep: Callable[[bytes], str]) -> None:
        self._fetcher, self._limits, self._keep = fetcher, limits, keep

    def keep_from(self, url: str, within_s: float | None = None) -> str:
        """Fetch a picture and keep it.

        Args:
            url: From a caller.
            within_s: See `Fetcher.fetch`.

        Returns:
            Its SHA-256 in hex.

        Raises:
            ImageragError: As in `Fetcher.fetch`.
            ImageError: What lies there is no picture, or not accepted.
        """
        found = self.look(url, within_s)
        if not found.sha256:
            if container_type(found.fetched.head):
                raise UnsupportedMediaTypeError(
                    "There is no picture but a file to be opened. Take its URL in by a job of the type 'urls'."
                )
            read_header(found.fetched.head, self._limits)  # says what it looks like instead
            raise UrlError("There is no picture.")
        return found.sha256

    def look(self, url: str, within_s: float | None = None) -> FetchedPicture:
        """Fetch a picture and keep it; of anything else, its beginning alone. Arguments as in `keep_from`.

        Raises:
            ImageragError: As in `keep_from`.
        """
        with closing(SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)) as file:
            fetched = self._fetcher.fetch(url, file, self._limit_of, within_s)
            if not fetched.whole:
                return FetchedPicture(fetched, "")
            is_large = file.tell() > _IN_MEMORY_BYTES
            file.seek(0)
            with _large_ones if is_large else nullcontext():
                data = file.read()
                read_header(data, self._limits)
                return FetchedPicture(fetched, self._keep(data))

    def _limit_of(self, head: bytes) -> int:
        return self._limits.max_bytes if sniff(head) else 0


def pictures_of_the_web(
    fetcher: Fetcher | None, limits: ImageLimits, keep: Callable[[bytes], str]
) -> PictureFetcher:
    """What fetches pictures, if that is allowed; the arguments are those of `PictureFetcher`.

    Raises:
        UrlForbiddenError: Fetching is switched off.
    """
    return PictureFetcher(switched_on(fetcher), limits, keep)


def switched_on(fetcher: Fetcher | None) -> Fetcher:
    """The fetcher.

    Raises:
        UrlForbiddenError: There is none.
    """
    if fetcher is None:
        raise UrlForbiddenError(
            "Fetching from the web is switched off. Set IMAGERAG_WORKERS_URL_HOSTS to the hosts that may be "
            "fetched from, and IMAGERAG_WORKERS_URL_FETCH to true."
        )
    return fetcher
