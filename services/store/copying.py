"""Copying folders with the holes of their files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


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
