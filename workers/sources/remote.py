"""Objects of a storage: listed page by page in a fixed order, read with a bound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from services.common.errors import (
    ForbiddenError,
    ImageragError,
    NotFoundError,
    UnavailableError,
    UnimplementedError,
)
from services.common.objects import open_filesystem

log = structlog.get_logger(__name__)
_RETRY_AFTER_S = 5.0
_PAGE_KEYS = 1000


@dataclass(frozen=True)
class RemoteObject:
    """One object.

    Attributes:
        key: Below the prefix.
        size: Bytes, as the listing says.
    """

    key: str
    size: int


class RemoteFolder(Protocol):
    """Everything below a prefix. Calls block; reading is thread-safe.

    Every call raises UnavailableError if the storage does not answer, ForbiddenError if it refuses, and
    NotFoundError if there is no such thing in it.
    """

    def objects(self, after: str) -> Iterator[RemoteObject]:
        """The objects behind the key `after`, always in the same order, no more than one page in memory."""

    def read(self, key: str, limit_bytes: int) -> bytes:
        """The first bytes of an object."""


def open_remote(url: str) -> RemoteFolder:
    """The objects below a URL.

    Raises:
        UnimplementedError: The package for its scheme is not installed.
    """
    try:
        filesystem, root = open_filesystem(url)
    except (ValueError, ImportError):
        scheme = url.split("://", 1)[0]
        raise UnimplementedError(
            f"The workers cannot read {scheme}://: its fsspec package is not installed."
        ) from None
    # Of fsspec's filesystems this one alone can list a folder page by page, from any key on.
    return BucketFolder(filesystem, root) if hasattr(filesystem, "call_s3") else FilesystemFolder(filesystem, root)


class FilesystemFolder:
    """A folder of any fsspec filesystem, one folder's names at a time. See `RemoteFolder`.

    Args:
        filesystem: fsspec's.
        root: Path in it.
    """

    def __init__(self, filesystem: Any, root: str) -> None:
        self._filesystem, self._root = filesystem, root.rstrip("/")

    def objects(self, after: str) -> Iterator[RemoteObject]:
        """See `RemoteFolder.objects`; keys are ordered by their parts."""
        yield from self._below("", after.split("/") if after else [])

    def _below(self, folder: str, after: list[str]) -> Iterator[RemoteObject]:
        with _typed_errors(f"{self._root}/{folder}"):
            entries = self._filesystem.ls(f"{self._root}/{folder}".rstrip("/"), detail=True)
        named = sorted((str(entry["name"]).rstrip("/").rsplit("/", 1)[-1], entry) for entry in entries)
        for name, entry in named:
            reached = bool(after) and name == after[0]
            if after and name < after[0]:
                continue
            if entry["type"] == "directory":
                yield from self._below(f"{folder}{name}/", after[1:] if reached else [])
            elif not reached:
                yield RemoteObject(f"{folder}{name}", int(entry["size"] or 0))

    def read(self, key: str, limit_bytes: int) -> bytes:
        """See `RemoteFolder.read`."""
        with _typed_errors(key):
            return bytes(self._filesystem.cat_file(f"{self._root}/{key}", start=0, end=limit_bytes))


class BucketFolder(FilesystemFolder):
    """A prefix of an S3 bucket. See `RemoteFolder`."""

    def objects(self, after: str) -> Iterator[RemoteObject]:
        """See `RemoteFolder.objects`; keys are ordered by their UTF-8 bytes, as S3 lists them."""
        bucket, _, prefix = self._root.partition("/")
        prefix = f"{prefix}/" if prefix else ""
        start_after, more = f"{prefix}{after}", True
        while more:
            with _typed_errors(self._root):
                page = self._filesystem.call_s3(
                    "list_objects_v2",
                    Bucket=bucket,
                    Prefix=prefix,
                    StartAfter=start_after,
                    MaxKeys=_PAGE_KEYS,
                )
            for found in page.get("Contents", ()):
                start_after = str(found["Key"])
                if not start_after.endswith("/"):
                    yield RemoteObject(start_after.removeprefix(prefix), int(found["Size"]))
            more = bool(page.get("IsTruncated"))


@contextmanager
def _typed_errors(what: str) -> Iterator[None]:
    try:
        yield
    except ImageragError:
        raise
    except FileNotFoundError:
        raise NotFoundError(f"There is no {what[:200]!r} in the storage.") from None
    except PermissionError:
        raise ForbiddenError(f"The storage does not let the server read {what[:200]!r}.") from None
    except Exception as error:
        # Each filesystem has error classes of its own, not all of them OSError.
        log.warning("source_storage_failed", exc_info=error)
        raise UnavailableError("The storage does not answer.", retry_after_s=_RETRY_AFTER_S) from None
