"""Files with holes as members of a tar file: GNU's sparse format, PAX 1.0.

The engine preallocates: a shard with one point shows 100 MB and holds 0.1 MB. `tarfile` reads this format and does
not write it, so the writing is here. Source: "GNU tar manual", appendix D.2 "Storing Sparse Files".
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_BLOCK = tarfile.BLOCKSIZE
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Extent:
    """A stretch of a file that holds data; between two of them it reads as zeros."""

    offset: int
    size: int


def data_extents(file: BinaryIO) -> list[Extent]:
    """The parts of a file that are on the disk, in order."""
    size = os.fstat(file.fileno()).st_size
    extents: list[Extent] = []
    position = 0
    while position < size:
        try:
            start = os.lseek(file.fileno(), position, os.SEEK_DATA)
        except OSError:  # ENXIO: nothing but a hole up to the end
            break
        position = min(size, os.lseek(file.fileno(), start, os.SEEK_HOLE))
        extents.append(Extent(start, position - start))
    if not extents or position < size:
        extents.append(Extent(size, 0))  # how the format tells the end of a file that ends with a hole
    return extents


def add_sparse(archive: tarfile.TarFile, source: Path, name: str) -> None:
    """Add a file to an archive that was opened with `tarfile.PAX_FORMAT`."""
    with source.open("rb") as file:
        extents = data_extents(file)
        table = _table(extents)
        # Short, for beyond 100 characters `tarfile` adds a header `path`, which readers take before the real name.
        member = tarfile.TarInfo(f"GNUSparseFile.0/{source.name[:64]}")
        member.size = len(table) + sum(extent.size for extent in extents)
        member.pax_headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": name,
            "GNU.sparse.realsize": str(os.fstat(file.fileno()).st_size),
        }
        archive.addfile(member, io.BufferedReader(_Chunks(_content(file, table, extents))))


def _table(extents: Sequence[Extent]) -> bytes:
    numbers = [len(extents), *(number for extent in extents for number in (extent.offset, extent.size))]
    text = "".join(f"{number}\n" for number in numbers).encode()
    return text + b"\0" * (-len(text) % _BLOCK)


def _content(file: BinaryIO, table: bytes, extents: Sequence[Extent]) -> Iterator[bytes]:
    yield table
    for extent in extents:
        position, end = extent.offset, extent.offset + extent.size
        while position < end:
            block = os.pread(file.fileno(), min(_CHUNK_BYTES, end - position), position)
            if not block:
                return
            yield block
            position += len(block)


class _Chunks(io.RawIOBase):
    """Byte strings one after the other, as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill the buffer as far as the current chunk goes; 0 at the end."""
        target = memoryview(buffer)  # type: ignore[arg-type]
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        taken = self._rest[: len(target)]
        target[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)
