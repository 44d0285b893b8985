"""Durable objects under one URL (`file://`, `s3://`, any fsspec scheme): media and job ledgers live here."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import fsspec
from fsspec.implementations.local import LocalFileSystem

from services.common.durable import sync_path
from services.common.errors import NotFoundError
from services.common.object_files import (
    ObjectWriter,
    fetch,
    local_writer,
    remote_writer,
    storage_errors,
    storage_unavailable,
)

_S3_SCHEMES = ("s3://", "s3a://")
_S3_OPTIONS: dict[str, Any] = {
    # Other processes write here too: a listing that this one remembers would hide what they wrote.
    "use_listings_cache": False,
    "config_kwargs": {
        "connect_timeout": 3,
        "read_timeout": 8,
        "retries": {"total_max_attempts": 2, "mode": "standard"},
    },
}


class ObjectStore(Protocol):
    """Named byte strings. Every name is a relative `/`-separated path. All calls block."""

    def put(self, name: str, data: bytes) -> None:
        """Store `data` under `name`, replacing what was there. On return it survives a crash."""

    def put_remade(self, name: str, data: bytes) -> None:
        """As `put`, for what can be made again: a crash of the machine may take it, or leave a part of it."""

    def create(self, name: str, data: bytes) -> bool:
        """As `put`, unless there is something under `name`; of several at once, one succeeds.

        Returns:
            False if there was something: it stays as it is.
        """

    def get(self, name: str) -> bytes:
        """The bytes under `name`.

        Raises:
            NotFoundError: There are none.
        """

    def exists(self, name: str) -> bool:
        """Whether there are bytes under `name`."""

    def list(self, prefix: str) -> list[str]:
        """The names directly below the folder `prefix`, sorted, each relative to it; none if it is not there."""

    def delete(self, name: str) -> None:
        """Forget `name`; nothing happens if it is not there."""

    def delete_folder(self, prefix: str) -> None:
        """Forget what is directly below the folder `prefix`, and the folder. No one may write there meanwhile."""

    def writing(self, name: str) -> AbstractContextManager[ObjectWriter]:
        """Store bytes as they come, under a name that was never used. On leaving the block they survive a crash.

        Before that, others may find a part of them under `name`: tell no one of it. If an error ends the block
        there is nothing. A crash may leave some.
        """

    def as_file(self, name: str) -> AbstractContextManager[Path]:
        """The bytes as a file of this machine, until the block ends; it must not be changed.

        Raises:
            NotFoundError: There are none.
        """


def open_objects(url: str) -> ObjectStore:
    """The store behind `url`; a bare path counts as `file://`.

    Endpoint and credentials of `s3://` are botocore's own: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, AWS_REGION, or the machine's role.

    Raises:
        ValueError: fsspec knows no such scheme or its package is not installed.
    """
    filesystem, root = open_filesystem(url)
    if isinstance(filesystem, LocalFileSystem):
        return LocalObjects(Path(root))
    return RemoteObjects(filesystem, root)


def open_filesystem(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """fsspec's filesystem for `url` with short waits, and the path in it.

    Raises:
        ValueError: fsspec knows no such scheme.
        ImportError: Its package is not installed.
    """
    in_s3 = url.startswith(_S3_SCHEMES)
    filesystem, root = fsspec.core.url_to_fs(url, **(_S3_OPTIONS if in_s3 else {}))
    if in_s3:
        # s3fs would repeat, five times, what botocore below it has tried again already: 11 s for one refused call.
        filesystem.retries = 1
    return filesystem, root


class LocalObjects:
    """Objects as files: temporary file, fsync, rename, fsync of the folder.

    A crash leaves the old bytes or the new ones, at worst beside a `.part` file that no one reads.

    Args:
        root: Folder of the store; made if it is not there.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def put(self, name: str, data: bytes) -> None:
        """See `ObjectStore.put`."""
        path = self._path(name)
        temporary = self._written_beside(path, data)
        os.replace(temporary, path)
        sync_path(path.parent)

    def put_remade(self, name: str, data: bytes) -> None:
        """See `ObjectStore.put_remade`: without waiting for the disk."""
        path = self._path(name)
        os.replace(self._written_beside(path, data, durable=False), path)

    def create(self, name: str, data: bytes) -> bool:
        """See `ObjectStore.create`."""
        path = self._path(name)
        temporary = self._written_beside(path, data)
        try:
            os.link(temporary, path)
        except FileExistsError:
            # Over NFS a link that was made may be answered with an error, sent again as it was: the count tells.
            return temporary.stat().st_nlink > 1
        else:
            sync_path(path.parent)
            return True
        finally:
            temporary.unlink()

    def get(self, name: str) -> bytes:
        """See `ObjectStore.get`."""
        try:
            return self._path(name).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFoundError(f"There is no stored object {name!r}.") from None

    def exists(self, name: str) -> bool:
        """See `ObjectStore.exists`."""
        return self._path(name).is_file()

    def list(self, prefix: str) -> list[str]:
        """See `ObjectStore.list`."""
        try:
            return sorted(entry for entry in os.listdir(self._path(prefix)) if not entry.endswith(".part"))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def delete(self, name: str) -> None:
        """See `ObjectStore.delete`."""
        self._path(name).unlink(missing_ok=True)

    def delete_folder(self, prefix: str) -> None:
        """See `ObjectStore.delete_folder`."""
        shutil.rmtree(self._path(prefix), ignore_errors=True)

    @contextmanager
    def writing(self, name: str) -> Iterator[ObjectWriter]:
        """See `ObjectStore.writing`."""
        path = self._path(name)
        self._make_folder(path.parent)
        with local_writer(path) as writer:
            yield writer

    @contextmanager
    def as_file(self, name: str) -> Iterator[Path]:
        """See `ObjectStore.as_file`: the file itself."""
        if not self.exists(name):
            raise NotFoundError(f"There is no stored object {name!r}.")
        yield self._path(name)

    def _path(self, name: str) -> Path:
        return self._root.joinpath(*_parts(name))

    def _written_beside(self, path: Path, data: bytes, *, durable: bool = True) -> Path:
        self._make_folder(path.parent)
        temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
        with temporary.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        return temporary

    def _make_folder(self, folder: Path) -> None:
        missing = []
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            sync_path(path.parent)


class RemoteObjects:
    """Objects in a bucket through fsspec; a finished upload is durable and visible at once.

    Every call raises UnavailableError if the storage does not answer or refuses; its reason is in the log.

    Args:
        filesystem: An fsspec filesystem.
        root: Bucket and prefix.
    """

    def __init__(self, filesystem: fsspec.AbstractFileSystem, root: str) -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")

    def put(self, name: str, data: bytes) -> None:
        """See `ObjectStore.put`."""
        full = self._full(name)
        try:
            self._filesystem.pipe_file(full, data)
        except Exception as error:
            raise storage_unavailable(error) from None

    def put_remade(self, name: str, data: bytes) -> None:
        """See `ObjectStore.put_remade`: an upload is whole and lasts, or is not there."""
        self.put(name, data)

    def create(self, name: str, data: bytes) -> bool:
        """See `ObjectStore.create`. In a bucket it is a conditional write (`If-None-Match: *`)."""
        full = self._full(name)
        try:
            self._filesystem.pipe_file(full, data, mode="create")
        except FileExistsError:
            # The first try may have arrived although its answer did not.
            return self.get(name) == data
        except Exception as error:
            raise storage_unavailable(error) from None
        return True

    def get(self, name: str) -> bytes:
        """See `ObjectStore.get`."""
        full = self._full(name)
        try:
            with storage_errors():
                return bytes(self._filesystem.cat_file(full))
        except FileNotFoundError:
            raise NotFoundError(f"There is no stored object {name!r}.") from None

    def exists(self, name: str) -> bool:
        """See `ObjectStore.exists`."""
        full = self._full(name)
        try:
            with storage_errors():
                # fsspec's own `isfile` answers "no" to every error, an outage included.
                return bool(self._filesystem.info(full)["type"] == "file")
        except FileNotFoundError:
            return False

    def list(self, prefix: str) -> list[str]:
        """See `ObjectStore.list`."""
        folder = self._full(prefix)
        try:
            with storage_errors():
                self._filesystem.invalidate_cache(folder)
                found = self._filesystem.ls(folder, detail=False)
        except FileNotFoundError:
            return []
        return sorted(str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in found)

    def delete(self, name: str) -> None:
        """See `ObjectStore.delete`."""
        full = self._full(name)
        try:
            with storage_errors():
                self._filesystem.rm_file(full)
        except FileNotFoundError:
            pass

    def delete_folder(self, prefix: str) -> None:
        """See `ObjectStore.delete_folder`."""
        for name in self.list(prefix):
            self.delete(f"{prefix}/{name}")

    @contextmanager
    def writing(self, name: str) -> Iterator[ObjectWriter]:
        """See `ObjectStore.writing`; what is left of a crash in a bucket is an upload that nobody completed."""
        with remote_writer(self._filesystem, self._full(name)) as writer:
            yield writer

    @contextmanager
    def as_file(self, name: str) -> Iterator[Path]:
        """See `ObjectStore.as_file`: a copy, made in the folder for temporary files."""
        with tempfile.TemporaryDirectory(prefix="imagerag-object-") as folder:
            path = Path(folder, "object")
            try:
                fetch(self._filesystem, self._full(name), path)
            except FileNotFoundError:
                raise NotFoundError(f"There is no stored object {name!r}.") from None
            yield path

    def _full(self, name: str) -> str:
        return "/".join((self._root, *_parts(name)))


def _parts(name: str) -> list[str]:
    parts = [part for part in name.split("/") if part]
    if any(part in {".", ".."} or "\0" in part for part in parts):
        raise ValueError(f"not a plain object name: {name!r}")
    return parts
