"""Writing and removing files so that a crash leaves the old state or the new one."""

from __future__ import annotations

import os
from pathlib import Path


def write_durably(path: Path, content: bytes) -> None:
    """Replace `path` with `content`: temporary file, fsync, rename, fsync of the folder."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_path(path.parent)


def remove_durably(path: Path) -> None:
    """Unlink `path` and make that last."""
    path.unlink()
    sync_path(path.parent)


def make_folder(path: Path) -> None:
    """Make `path` and, if it is missing, its parent; make that last."""
    path.mkdir(parents=True)
    sync_path(path.parent)
    sync_path(path.parent.parent)


def sync_path(path: Path) -> None:
    """Flush a folder's own entries, or a file, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
