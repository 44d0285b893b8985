"""Objects too large for memory: written as they come, and read as a file of this machine."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import fsspec
import structlog

from services.common.durable import sync_path
from services.common.errors import UnavailableError

log = structlog.get_logger(__name__)
_PART_BYTES = 16 * 1024 * 1024
"""Of an upload to a bucket: its 10,000 parts make 156 GiB."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_RETRY_AFTER_S = 2.0
_RETRY_AFTER_FULL_S = 60.0


class ObjectWriter(Protocol):
    """Takes the bytes of one object, in order."""

    def write(self, data: bytes, /) -> Any:
        """Take some more; blocks."""


@contextmanager
def local_writer(path: Path) -> Iterator[ObjectWriter]:
    """Write a file that is durable once the block ends, and gone if an error ends it.

    Raises:
        UnavailableError: The disk is full.
    """
    try:
        with path.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        sync_path(path.parent)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _FULL:
            raise UnavailableError(
                "The disk that keeps the data is full.", retry_after_s=_RETRY_AFTER_FULL_S
            ) from None
        raise


@contextmanager
def remote_writer(filesystem: fsspec.AbstractFileSystem, full: str) -> Iterator[ObjectWriter]:
    """As `local_writer`, for a bucket.

    Raises:
        UnavailableError: The storage does not answer.
    """
    writer = _RemoteWriter(filesystem, full)
    try:
        yield writer
    except BaseException:
        writer.discard()
        raise
    writer.complete()


def fetch(filesystem: fsspec.AbstractFileSystem, full: str, path: Path) -> None:
    """Copy an object into a file; every copy has the same time stamp.

    Raises:
        FileNotFoundError: There is no such object.
        UnavailableError: The storage does not answer.
    """
    with storage_errors():
        filesystem.get_file(full, str(path))
    os.utime(path, ns=(0, 0))


@contextmanager
def storage_errors() -> Iterator[None]:
    """Let FileNotFoundError pass; whatever else the client of the storage raises means: not now."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:
        raise storage_unavailable(error) from None


def storage_unavailable(error: Exception) -> UnavailableError:
    """The error for a storage that does not answer or refuses; its own reason goes to the log."""
    # Each filesystem has error classes of its own, not all of them OSError (botocore's are not).
    log.warning("object_storage_failed", exc_info=error)
    return UnavailableError("The object storage does not answer.", retry_after_s=_RETRY_AFTER_S)


class _RemoteWriter:
    def __init__(self, filesystem: fsspec.AbstractFileSystem, full: str) -> None:
        self._filesystem, self._full = filesystem, full
        self._file = self._call(lambda: filesystem.open(full, "wb", block_size=_PART_BYTES))

    def write(self, data: bytes) -> None:
        """See `ObjectWriter.write`."""
        self._call(lambda: self._file.write(data))

    def complete(self) -> None:
        """Make it an object."""
        self._call(self._file.close)

    def discard(self) -> None:
        """Leave nothing. What has arrived is made an object and removed: not every client can break off."""
        with suppress(Exception):
            self._file.close()
        with suppress(Exception):
            self._filesystem.rm_file(self._full)

    def _call(self, call: Any) -> Any:
        try:
            return call()
        except Exception as error:  # FileNotFoundError too: there is no such bucket
            raise storage_unavailable(error) from None
