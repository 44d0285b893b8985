"""Writing and removing files so that a crash leaves the old state or the new one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def write_durably(path: Path, content: bytes) -> None:
    """Replace `path` with `content`: temporary file, fsync, rename, fsync of the folder."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_folder(path.parent)


def remove_durably(path: Path) -> None:
    """Unlink `path` and make that last."""
    path.unlink()
    sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make `path` and, if it is missing, its parent; make that last."""
    path.mkdir(parents=True)
    sync_folder(path.parent)
    sync_folder(path.parent.parent)


def sync_folder(path: Path) -> None:
    """Flush the folder's own entries to the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def copy_sparse(source: Path, target: Path) -> None:
    """Copy a folder and keep the holes of its files.

    The engine preallocates: a shard with one point shows 181 MB and holds 0.3 MB, so a plain copy would write 600
    times too much.
    """
    shutil.copytree(source, target, copy_function=_copy_file_sparse)


def _copy_file_sparse(source: str, target: str) -> None:
    with open(source, "rb") as reader, open(target, "wb") as writer:
        size = os.fstat(reader.fileno()).st_size
        os.ftruncate(writer.fileno(), size)
        position = 0
        while (start := _next_data(reader.fileno(), position, size)) < size:
            position = os.lseek(reader.fileno(), start, os.SEEK_HOLE)
            _copy_range(reader.fileno(), writer.fileno(), start, position)


def _next_data(handle: int, position: int, size: int) -> int:
    if position >= size:
        return size
    try:
        return os.lseek(handle, position, os.SEEK_DATA)
    except OSError:  # ENXIO: nothing but a hole up to the end
        return size


def _copy_range(reader: int, writer: int, start: int, end: int) -> None:
    position = start
    while position < end:
        block = os.pread(reader, min(end - position, 1 << 20), position)
        if not block:
            return
        os.pwrite(writer, block, position)
        position += len(block)
