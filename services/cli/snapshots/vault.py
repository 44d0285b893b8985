"""Where snapshots are kept: a folder or a bucket, by fsspec URL. Files are passed through, never held whole.

<url>/<alias>-<time>/shard-0.snapshot ...
<url>/<alias>-<time>/manifest.json        written last, removed first
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
from fsspec.implementations.local import LocalFileSystem

from services.cli.errors import CliError
from services.cli.snapshots.manifest import FILE_NAME, Manifest, moment_of
from services.common.durable import sync_path

_PIECE_BYTES = 1 << 20
_ABANDONED_AFTER = timedelta(days=1)


class Vault:
    """Snapshots under one URL.

    Args:
        url: `file://`, a path, `s3://bucket/prefix`, any scheme of fsspec.

    Raises:
        CliError: fsspec knows no such scheme, or its package is not installed.
    """

    def __init__(self, url: str) -> None:
        # Others write here too: a listing that is remembered would hide what they wrote.
        options: dict[str, Any] = {"use_listings_cache": False} if url.startswith(("s3://", "s3a://")) else {}
        try:
            self._files, root = fsspec.core.url_to_fs(url, **options)
        except (ImportError, ValueError) as error:
            raise CliError(f"{url} cannot be used: {error}", code="wrong_url") from None
        self._root = str(root).rstrip("/")
        self.url = url

    def names(self) -> list[str]:
        """Complete snapshots, oldest first of each alias."""
        return [name for name in self._folders() if self._files.isfile(self._path(name, FILE_NAME))]

    def manifest(self, name: str) -> Manifest:
        """The manifest of a snapshot.

        Raises:
            CliError: There is no such snapshot, or its manifest is damaged.
        """
        if moment_of(name) is None or "/" in name:
            raise CliError(f"{name!r} is no name of a snapshot.", code="no_such_snapshot")
        try:
            return Manifest.from_document(json.loads(self._files.cat_file(self._path(name, FILE_NAME))))
        except FileNotFoundError:
            raise CliError(f"There is no snapshot {name!r} at {self.url}.", code="no_such_snapshot") from None
        except ValueError:
            raise CliError(f"The manifest of {name!r} is damaged.", code="damaged_snapshot") from None

    def write(self, name: str, file: str, pieces: Iterable[bytes]) -> tuple[int, str]:
        """Write one file of a snapshot.

        Returns:
            Its length in bytes and its SHA-256.
        """
        digest, size = hashlib.sha256(), 0
        with self._writing(name, file) as target:
            for piece in pieces:
                digest.update(piece)
                size += target.write(piece)
        return size, digest.hexdigest()

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest: from here on the snapshot is there."""
        content = json.dumps(manifest.to_document(), indent=2, ensure_ascii=False).encode()
        if not isinstance(self._files, LocalFileSystem):
            self._files.pipe_file(self._path(manifest.name, FILE_NAME), content)
            return
        self.write(manifest.name, f"{FILE_NAME}.part", [content])
        os.replace(self._path(manifest.name, f"{FILE_NAME}.part"), self._path(manifest.name, FILE_NAME))
        for folder in (self._path(manifest.name), self._root):
            sync_path(Path(folder))

    @contextmanager
    def open(self, name: str, file: str) -> Iterator[BinaryIO]:
        """Read a file of a snapshot."""
        with self._files.open(self._path(name, file), "rb") as opened:
            yield opened

    def sha256(self, name: str, file: str) -> str:
        """Of a file as it stands there now."""
        digest = hashlib.sha256()
        with self.open(name, file) as opened:
            while piece := opened.read(_PIECE_BYTES):
                digest.update(piece)
        return digest.hexdigest()

    def remove(self, name: str) -> None:
        """Delete a snapshot, the manifest first."""
        with suppress(FileNotFoundError):
            self._files.rm_file(self._path(name, FILE_NAME))
        with suppress(FileNotFoundError):
            self._files.rm(self._path(name), recursive=True)

    def abandoned(self) -> list[str]:
        """What a crash left: begun more than a day ago, and without a manifest."""
        before = datetime.now(UTC) - _ABANDONED_AFTER
        complete = set(self.names())
        return [
            name
            for name in self._folders()
            if name not in complete and (moment := moment_of(name)) is not None and moment < before
        ]

    def _folders(self) -> list[str]:
        try:
            found = self._files.ls(self._root, detail=False)
        except FileNotFoundError:
            return []
        names = (str(path).rstrip("/").rsplit("/", 1)[-1] for path in found)
        return sorted(name for name in names if moment_of(name) is not None)

    @contextmanager
    def _writing(self, name: str, file: str) -> Iterator[Any]:
        path = self._path(name, file)
        self._files.makedirs(self._path(name), exist_ok=True)
        target = self._files.open(path, "wb")
        try:
            yield target
            if isinstance(self._files, LocalFileSystem):
                target.flush()
                os.fsync(target.fileno())
        except BaseException:
            self._give_up(target)
            raise
        target.close()

    def _give_up(self, target: Any) -> None:
        """Close a file without finishing it: closing an upload would make the part look like the whole."""
        if isinstance(self._files, LocalFileSystem):
            target.close()
            return
        with suppress(Exception):  # what stays of the upload is invisible, and the first error is the one to tell
            target.discard()
        target.closed = True

    def _path(self, name: str, *rest: str) -> str:
        return "/".join((self._root, name, *rest))
