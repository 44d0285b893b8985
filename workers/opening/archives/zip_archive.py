"""A ZIP archive: everything is judged by its directory before a byte of a member is unpacked."""

from __future__ import annotations

import stat
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from services.common.errors import (
    ArchiveError,
    ArchiveUnsafeError,
    ImageragError,
    UnsupportedMediaTypeError,
)
from workers.opening.archives import names, zip_directory
from workers.opening.archives.limits import ArchiveLimits
from workers.opening.archives.member import Member, judge, refuse, refuse_repeated
from workers.opening.archives.zip_directory import DAMAGED, Entry

STORED, DEFLATED = 0, 8
_LOCAL_HEADER_BYTES = 30
_CHUNK_BYTES = 64 * 1024
_LIES = "It does not unpack to what the archive says. Send the archive again, or pack it anew."


@dataclass(frozen=True)
class _Place:
    """Where the data of a member lies."""

    entry: Entry
    start: int

    @property
    def end(self) -> int:
        return self.start + self.entry.packed


class ZipArchive:
    """See `Archive`. Members are stored or deflated; any can be read at any time.

    Args:
        file: The archive.
        limits: What is accepted.
    """

    def __init__(self, file: BinaryIO, limits: ArchiveLimits) -> None:
        self._file, self._limits = file, limits
        self._places: dict[int, _Place] = {}
        self._members: list[Member] = []

    @property
    def members(self) -> Sequence[Member]:
        """See `Archive.members`."""
        return self._members

    def scan(self) -> None:
        """See `Archive.scan`."""
        directory = zip_directory.find_directory(self._file)
        entries = list(zip_directory.read_entries(self._file, directory, self._limits))
        archive_bytes = self._file.seek(0, 2)
        self._limits.check_unpacked(sum(entry.size for entry in entries), archive_bytes)
        found, extents = [], []
        for index, entry in enumerate(entries):
            start, refusal = self._start_of(entry)
            extents.append((entry.offset, start + entry.packed))
            self._places[index] = _Place(entry, start)
            if not _is_folder(entry):
                found.append(self._judge(index, entry, refusal))
        _check_apart(extents, directory.offset)
        self._members = [each for each in refuse_repeated(found) if each.refusal or not names.is_litter(each.name)]

    def _start_of(self, entry: Entry) -> tuple[int, ImageragError | None]:
        try:
            return zip_directory.data_offset(self._file, entry), None
        except ImageragError as error:
            return entry.offset + _LOCAL_HEADER_BYTES, error

    def _judge(self, index: int, entry: Entry, refusal: ImageragError | None) -> Member:
        member = judge(index, entry.name, entry.size, entry.packed, self._limits)
        reason = refusal or _unreadable(entry)
        return refuse(member, reason) if reason else member

    def read(self, member: Member) -> bytes:
        """See `Archive.read`."""
        place = self._places[member.index]
        self._file.seek(place.start)
        data = _unpack(self._file, place.entry)
        if zlib.crc32(data) != place.entry.crc:
            raise ArchiveError("Its checksum is wrong: it is damaged. Send the archive again.")
        return data


def _is_folder(entry: Entry) -> bool:
    return entry.raw.endswith(b"/") and not entry.size


def _unreadable(entry: Entry) -> ImageragError | None:
    if entry.is_encrypted:
        return UnsupportedMediaTypeError("It is encrypted. Pack the archive without a password.")
    kind = stat.S_IFMT(entry.mode)
    if kind == stat.S_IFLNK:
        return ArchiveUnsafeError("It is a link. Pack the file that it leads to.")
    if kind not in {0, stat.S_IFREG}:
        return ArchiveUnsafeError("It is not a file.")
    if entry.method not in {STORED, DEFLATED}:
        return UnsupportedMediaTypeError(
            f"It is compressed by method {entry.method}, which is not read here. Pack the archive with 'deflate'."
        )
    if entry.method == STORED and entry.packed != entry.size:
        return ArchiveUnsafeError(_LIES)
    return None


def _check_apart(extents: list[tuple[int, int]], directory_offset: int) -> None:
    """Refuse members that share bytes: that is how 46 MB unpack to 4.5 PB.

    Source: David Fifield, "A better zip bomb", WOOT 2019.
    """
    reached = 0
    for start, end in sorted(extents):
        if start < reached:
            raise ArchiveUnsafeError(
                "Members of the archive share bytes, as they do in bombs; nothing of it is taken in. Pack it anew."
            )
        reached = end
    if reached > directory_offset:
        raise ArchiveError(DAMAGED)


def _unpack(file: BinaryIO, entry: Entry) -> bytes:
    """Never more than one byte above what the directory says, whatever the data would unpack to."""
    if entry.method == STORED:
        stored = file.read(entry.size)
        if len(stored) != entry.size:
            raise ArchiveError(DAMAGED)
        return stored
    inflater, data, left = zlib.decompressobj(-zlib.MAX_WBITS), bytearray(), entry.packed
    try:
        while not inflater.eof:
            packed = inflater.unconsumed_tail
            if not packed:
                packed = file.read(min(_CHUNK_BYTES, left))
                left -= len(packed)
            if not packed:
                raise ArchiveError(_LIES)
            data += inflater.decompress(packed, entry.size + 1 - len(data))
            if len(data) > entry.size:
                raise ArchiveUnsafeError(_LIES)
    except zlib.error:
        raise ArchiveError("Its data is damaged. Send the archive again.") from None
    if len(data) != entry.size or left or inflater.unused_data:
        raise ArchiveUnsafeError(_LIES)
    return bytes(data)
