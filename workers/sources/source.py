"""What every source offers: its lines one after the other, from any place on; and what it may use for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from services.common.errors import ImageragError
from services.common.jobs.records import NO_OPTIONS, JobOptions, ManifestLine
from services.common.media.images import ImageLimits, read_header
from services.common.media.store import MediaStore
from workers.fetching.fetcher import Fetcher
from workers.fetching.pictures import PictureFetcher, pictures_of_the_web, switched_on
from workers.opening.archives.limits import ArchiveLimits
from workers.opening.recordings.limits import VideoLimits
from workers.sandbox.runner import SandboxLimits
from workers.sources.text_tower import USUAL_LIMIT_TOKENS


@dataclass(frozen=True)
class Listed:
    """One thing that a source holds.

    Attributes:
        line: What is to be ingested; of something that cannot be, its name alone.
        cursor: Where the source goes on behind it, in the source's own words.
        error: Why it cannot be ingested.
    """

    line: ManifestLine
    cursor: str
    error: ImageragError | None = None


class Source(Protocol):
    """Something with many lines. None of it is held in memory as a whole."""

    def lines(self, after: str) -> Iterator[Listed]:
        """What it holds, always in the same order.

        Args:
            after: The cursor of the last thing that is known already; empty: from the beginning.

        Raises:
            ImageragError: It cannot be read, or not any further. A retryable one: not now.
        """


@dataclass(frozen=True)
class SourceTools:
    """What the sources of one job may use.

    Attributes:
        media: Keeps the pictures that are found inside of something.
        tenant: Whose job it is.
        roots: Folders of the server that may be read.
        limits: What pictures are accepted.
        options: Of the job.
        sandbox: What opening one container may take.
        archives: What archives are accepted.
        video: How closely videos are looked at.
        passage_tokens: Asks how long a passage may be; see `TextTower`.
        prefixes: URLs below which objects may be read with the server's own credentials.
        fetcher: Fetches from the web; None: that is switched off.
        asked: The list that came with the job: a URL a line.
    """

    media: MediaStore
    tenant: str
    roots: Sequence[Path]
    limits: ImageLimits = field(default_factory=ImageLimits)
    options: JobOptions = NO_OPTIONS
    sandbox: SandboxLimits = field(default_factory=SandboxLimits)
    archives: ArchiveLimits = field(default_factory=ArchiveLimits)
    video: VideoLimits = field(default_factory=VideoLimits)
    passage_tokens: Callable[[], int] = lambda: USUAL_LIMIT_TOKENS
    prefixes: Sequence[str] = ()
    fetcher: Fetcher | None = None
    asked: Callable[[], bytes] = bytes

    def keep(self, data: bytes) -> str:
        """Keep a picture that was found inside of something, so that its line can name it.

        Returns:
            Its SHA-256 in hex.

        Raises:
            ImageError: It is not accepted; nothing is kept.
        """
        read_header(data, self.limits)
        return self.media.put(self.tenant, data)

    def web(self) -> Fetcher:
        """What fetches from the web.

        Raises:
            UrlForbiddenError: That is switched off.
        """
        return switched_on(self.fetcher)

    def pictures_of_the_web(self) -> PictureFetcher:
        """Fetches pictures and keeps them; several threads may use it, `web().policy.at_once` are meant to.

        Raises:
            UrlForbiddenError: Fetching is switched off.
        """
        return pictures_of_the_web(self.fetcher, self.limits, partial(self.media.put, self.tenant))
