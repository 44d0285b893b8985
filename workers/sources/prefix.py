"""Every picture below a URL of object storage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import quote

from services.common.errors import (
    ImageragError,
    ImageTooLargeError,
    InvalidRequestError,
)
from services.common.jobs.prefixes import allowed_url
from services.common.jobs.records import ManifestLine
from services.common.jobs.roots import source_path
from services.common.media.images import read_header
from services.common.media.kinds import PICTURE_SUFFIXES
from services.common.media.signatures import sniff
from workers.opening.archives.names import is_litter
from workers.sources.folder import FolderSource
from workers.sources.in_order import in_order
from workers.sources.remote import RemoteFolder, RemoteObject, open_remote
from workers.sources.source import Listed, Source, SourceTools

_AT_ONCE = 8
"""Objects that are fetched at a time."""
_LOOK_BYTES = 512


def open_prefix(url: str, tools: SourceTools) -> Source:
    """The reader of a prefix; nothing is opened yet. `file://` is a folder of the server."""
    if url.startswith("file:"):
        return FolderSource(source_path(url), tools.roots)
    return PrefixSource(url, tools)


class PrefixSource:
    """Every object below a prefix, as an item or with the reason why it is none.

    Objects are fetched into the media store before they are listed, several at once, so what is deleted in the
    bucket afterwards is not lost. Hidden names are left out. Of a name that is no picture's, the beginning alone
    is fetched unless that is a picture.

    Args:
        url: Such as s3://bucket/photos.
        tools: What it may use.
    """

    def __init__(self, url: str, tools: SourceTools) -> None:
        self._url, self._tools = url, tools

    def lines(self, after: str) -> Iterator[Listed]:
        """See `Source.lines`; a cursor is a key below the prefix.

        Raises:
            ForbiddenError: The URL is not allowed, or the storage refuses.
            UnavailableError: The storage does not answer.
        """
        url = allowed_url(self._url, self._tools.prefixes)
        folder = open_remote(url)
        found = (each for each in folder.objects(after) if not is_litter(each.key))
        yield from in_order(lambda each: self._listed(url, folder, each), found, _AT_ONCE)

    def _listed(self, url: str, folder: RemoteFolder, found: RemoteObject) -> Listed:
        try:
            digest = self._tools.keep(self._fetch(folder, found))
        except ImageragError as error:
            if error.retryable:
                raise
            return Listed(ManifestLine(found.key), found.key, error)
        line = ManifestLine(found.key, sha256=digest, source_uri=f"{url}/{quote(found.key)}")
        return Listed(line, found.key)

    def _fetch(self, folder: RemoteFolder, found: RemoteObject) -> bytes:
        limit_bytes = self._tools.limits.max_bytes
        if any(part in {"", ".", ".."} for part in found.key.split("/")):
            raise InvalidRequestError("Its name is no plain path. Rename it.")
        if not found.size:
            return b""
        if PurePosixPath(found.key).suffix.lower() not in PICTURE_SUFFIXES:
            head = folder.read(found.key, _LOOK_BYTES)
            if sniff(head) is None:
                read_header(head, self._tools.limits)  # says what it looks like instead
        data = folder.read(found.key, limit_bytes + 1) if found.size <= limit_bytes else b""
        if found.size > limit_bytes or len(data) > limit_bytes:
            raise ImageTooLargeError(f"It has more than {limit_bytes:,} bytes. Save it smaller.")
        return data
