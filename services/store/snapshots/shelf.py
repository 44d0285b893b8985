"""The snapshots of one collection on the disk: `snapshots/NAME.snapshot` in its folder, the checksum beside it.

They go with the collection when it is deleted; what must outlive it is downloaded.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from services.common.durable import remove_durably, sync_path, write_durably
from services.common.errors import NotFoundError
from services.store.translate.results import Json

_FOLDER, _SUFFIX, _CHECKSUM, _PART = "snapshots", ".snapshot", ".checksum", ".part"


class Shelf:
    """Snapshots that are complete.

    Args:
        collection_folder: The collection's own folder.
    """

    def __init__(self, collection_folder: Path) -> None:
        self._folder = collection_folder / _FOLDER

    def put(self, collection: str, write: Callable[[Path], str]) -> Json:
        """Let `write` make a snapshot and keep it; a crash leaves none.

        Args:
            collection: Its name, for the file's.
            write: Writes the file and returns its SHA-256.
        """
        self._folder.mkdir(exist_ok=True)
        name = _new_name(collection)
        part = self._folder / f"{name}{_PART}"
        try:
            write_durably(self._folder / f"{name}{_CHECKSUM}", write(part).encode())
            part.rename(self._folder / name)
            sync_path(self._folder)
        finally:
            part.unlink(missing_ok=True)
        return self._describe(name)

    def list(self) -> list[Json]:
        """As `GET .../snapshots` answers, oldest first."""
        return sorted(map(self._describe, self._names()), key=lambda found: str(found["creation_time"]))

    def path(self, name: str) -> Path:
        """The file of a snapshot.

        Raises:
            NotFoundError: There is none of that name.
        """
        if name not in self._names():  # a name is never made into a path before it was seen in the folder
            raise NotFoundError(f"Snapshot {name} not found")
        return self._folder / name

    def remove(self, name: str) -> None:
        """Delete a snapshot; errors as in `path`."""
        remove_durably(self.path(name))
        (self._folder / f"{name}{_CHECKSUM}").unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what a crash left half-written."""
        for part in self._folder.glob(f"*{_PART}"):
            part.unlink()
        for checksum in self._folder.glob(f"*{_CHECKSUM}"):
            if not checksum.with_suffix("").exists():
                checksum.unlink()

    def _names(self) -> set[str]:
        return {path.name for path in self._folder.glob(f"*{_SUFFIX}")}

    def _describe(self, name: str) -> Json:
        status = (self._folder / name).stat()
        return {
            "name": name,
            "creation_time": datetime.fromtimestamp(status.st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f"),
            "size": status.st_size,
            "checksum": (self._folder / f"{name}{_CHECKSUM}").read_text(),
        }


def _new_name(collection: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", collection)[:100]
    return f"{plain}-{datetime.now(UTC):%Y-%m-%d-%H-%M-%S}-{secrets.token_hex(3)}{_SUFFIX}"
