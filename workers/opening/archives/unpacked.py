"""A compressed or plain file as one long run of bytes, bounded while it is read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, Literal, cast

from services.common.errors import ArchiveError
from workers.opening.archives.limits import ArchiveLimits

_CHUNK_BYTES = 1024 * 1024
CUT_SHORT = "The archive ends too early: part of it is missing. Send it again."
_DAMAGED = "The archive's compressed data is damaged. Send it again, or pack it anew."
_OPENERS: dict[bytes, Callable[[BinaryIO, Literal["rb"]], object]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}


class Unpacked:
    """Reads forward, and backward too where nothing is compressed.

    Args:
        file: The archive; it is read from its beginning.
        limits: Held at every step, whatever the headers say.
    """

    def __init__(self, file: BinaryIO, limits: ArchiveLimits) -> None:
        self._file, self._limits = file, limits
        self._bytes = file.seek(0, 2)
        file.seek(0)
        start = file.read(8)
        file.seek(0)
        open_stream = next((each for mark, each in _OPENERS.items() if start.startswith(mark)), None)
        self._stream = cast(BinaryIO, open_stream(file, "rb")) if open_stream else file
        self._position = 0

    @property
    def is_compressed(self) -> bool:
        """Whether only the bytes that follow can be read."""
        return self._stream is not self._file

    @property
    def position(self) -> int:
        """Bytes behind us."""
        return self._position

    def take(self, count: int) -> bytes:
        """The next bytes, all of them or, at the end, as many as there are.

        Raises:
            ArchiveError: The compressed data is damaged or cut short.
            ArchiveTooLargeError: That would be more than may be unpacked.
            ArchiveUnsafeError: It is packed more tightly than pictures can be.
        """
        taken = bytearray()
        while len(taken) < count:
            piece = self._read(min(_CHUNK_BYTES, count - len(taken)))
            if not piece:
                break
            taken += piece
        return bytes(taken)

    def move_to(self, position: int) -> None:
        """Go on at `position`; errors as in `take`, and where the archive ends before.

        Raises:
            ValueError: It lies behind us and the archive is compressed.
        """
        if not self.is_compressed:
            if position > self._bytes:
                raise ArchiveError(CUT_SHORT)
            self._position = self._file.seek(position)
            return
        if position < self._position:
            raise ValueError("a compressed archive is read forward only")
        while self._position < position:
            if not self._read(min(_CHUNK_BYTES, position - self._position)):
                raise ArchiveError(CUT_SHORT)

    def _read(self, count: int) -> bytes:
        try:
            piece = self._stream.read(count)
        except EOFError:
            raise ArchiveError(CUT_SHORT) from None
        except (OSError, zlib.error, lzma.LZMAError):
            raise ArchiveError(_DAMAGED) from None
        self._position += len(piece)
        self._limits.check_unpacked(self._position, self._file.tell() if self.is_compressed else self._position)
        return piece
