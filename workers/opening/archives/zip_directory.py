"""The directory at the end of a ZIP, read strictly and one record at a time.

The standard library's reader takes what it finds: entries that share their data, directories that are not where
the archive's end says, sizes that differ between the two headers. Here these are reasons to refuse.

Source: PKWARE, APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to 4.3.16 (ends)
and 4.5.3 (ZIP64).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from services.common.errors import ArchiveError, ArchiveUnsafeError
from workers.opening.archives.limits import ArchiveLimits
from workers.opening.archives.names import utf8_of_zip

_END = struct.Struct("<4s4H2IH")
_END_64_PLACE = struct.Struct("<4sIQI")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_END_MARK, _END_64_PLACE_MARK, _END_64_MARK = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
_CENTRAL_MARK, _LOCAL_MARK = b"PK\x01\x02", b"PK\x03\x04"
_MAX_COMMENT_BYTES = 65_535
_ZIP64_FIELD = 1
_IN_ZIP64, _COUNT_IN_ZIP64 = 0xFFFFFFFF, 0xFFFF
_SIZES_FOLLOW = 1 << 3
_NAME_IS_UTF8 = 1 << 11
_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13
DAMAGED = "The archive is damaged, or ends too early. Send it again, or pack it anew."


@dataclass(frozen=True)
class Directory:
    """Where the directory lies and how much it lists."""

    offset: int
    size: int
    count: int


@dataclass(frozen=True)
class Entry:
    """One record of the directory.

    Attributes:
        raw: The name as it stands there.
        offset: Of its local header.
        mode: Unix mode, 0 if the packing system has none.
    """

    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int

    @property
    def name(self) -> bytes:
        """The name in UTF-8."""
        return utf8_of_zip(self.raw, is_utf8=bool(self.flags & _NAME_IS_UTF8))

    @property
    def is_encrypted(self) -> bool:
        """Whether a password is needed."""
        return bool(self.flags & _ENCRYPTED)


def find_directory(file: BinaryIO) -> Directory:
    """Find the directory.

    Raises:
        ArchiveError: There is none where the archive's end says.
        ArchiveUnsafeError: Something stands between it and the end.
    """
    total = file.seek(0, 2)
    tail_offset = max(0, total - _END.size - _MAX_COMMENT_BYTES)
    file.seek(tail_offset)
    tail = file.read(total - tail_offset)
    at = _find_end(tail)
    end = tail_offset + at
    _, disk, first_disk, _, count, size, offset, _ = _END.unpack_from(tail, at)
    if disk or first_disk:
        raise ArchiveError("The archive is one part of several. Pack it anew as a single file.")
    if _IN_ZIP64 in (size, offset) or count == _COUNT_IN_ZIP64:
        end, count, size, offset = _find_end_64(file, end) or (end, count, size, offset)
    if offset + size > end:
        raise ArchiveError(DAMAGED)
    if offset + size != end:
        raise ArchiveUnsafeError(
            "Something stands in front of the archive, or between its directory and its end. Pack it anew."
        )
    return Directory(offset, size, count)


def _find_end(tail: bytes) -> int:
    at = len(tail)
    while (at := tail.rfind(_END_MARK, 0, at)) >= 0:
        fits = len(tail) - at >= _END.size
        if fits and at + _END.size + _END.unpack_from(tail, at)[-1] == len(tail):
            return at
    raise ArchiveError(DAMAGED)


def _find_end_64(file: BinaryIO, end: int) -> tuple[int, int, int, int] | None:
    file.seek(max(0, end - _END_64_PLACE.size))
    place = file.read(_END_64_PLACE.size)
    if not place.startswith(_END_64_PLACE_MARK) or len(place) < _END_64_PLACE.size:
        return None
    _, _, offset_64, _ = _END_64_PLACE.unpack(place)
    if offset_64 + _END_64.size > end:
        raise ArchiveError(DAMAGED)
    file.seek(offset_64)
    found = _END_64.unpack(file.read(_END_64.size))
    if found[0] != _END_64_MARK or offset_64 + 12 + found[1] + _END_64_PLACE.size != end:
        raise ArchiveError(DAMAGED)
    return offset_64, found[7], found[8], found[9]


def read_entries(file: BinaryIO, directory: Directory, limits: ArchiveLimits) -> Iterator[Entry]:
    """The records of the directory, in its order.

    Raises:
        ArchiveError: The directory is not what its end says.
        ArchiveTooLargeError: Too many records.
    """
    limits.check_members(directory.count)
    position, end = directory.offset, directory.offset + directory.size
    file.seek(position)
    for _ in range(directory.count):
        head = file.read(_CENTRAL.size)
        if len(head) < _CENTRAL.size or not head.startswith(_CENTRAL_MARK):
            raise ArchiveError(DAMAGED)
        fields = _CENTRAL.unpack(head)
        names_bytes = sum(fields[10:13])
        rest = file.read(names_bytes)
        position += _CENTRAL.size + names_bytes
        if position > end or len(rest) < names_bytes:
            raise ArchiveError(DAMAGED)
        yield _entry(fields, rest)
    if position != end:
        raise ArchiveUnsafeError("The archive's directory holds more than its end says. Pack it anew.")


def _entry(fields: tuple[int, ...], rest: bytes) -> Entry:
    name_bytes, extra_bytes = fields[10], fields[11]
    extra = rest[name_bytes : name_bytes + extra_bytes]
    size, packed, offset = _wide(extra, fields[9], fields[8], fields[16])
    return Entry(
        raw=rest[:name_bytes],
        flags=fields[3],
        method=fields[4],
        crc=fields[7],
        packed=packed,
        size=size,
        offset=offset,
        mode=fields[15] >> 16,
    )


def _wide(extra: bytes, *narrow: int) -> list[int]:
    """The fields, those that do not fit 32 bits from the ZIP64 field, where they stand in this order."""
    at, wide = 0, b""
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == _ZIP64_FIELD:
            wide = extra[at + 4 : at + 4 + size]
        at += 4 + size
    values, taken = [], 0
    for value in narrow:
        if value != _IN_ZIP64:
            values.append(value)
            continue
        if taken + 8 > len(wide):
            raise ArchiveError(DAMAGED)
        values.extend(struct.unpack_from("<Q", wide, taken))
        taken += 8
    return values


def data_offset(file: BinaryIO, entry: Entry) -> int:
    """Where the data of an entry begins, by its local header.

    Raises:
        ArchiveError: There is no local header.
        ArchiveUnsafeError: The local header says something else than the directory.
    """
    file.seek(entry.offset)
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size or not head.startswith(_LOCAL_MARK):
        raise ArchiveError("It is not where the archive's directory says.")
    _, _, flags, method, _, _, _, packed, size, name_bytes, extra_bytes = _LOCAL.unpack(head)
    told = not flags & _SIZES_FOLLOW and _IN_ZIP64 not in (packed, size)
    sizes_differ = told and (packed, size) != (entry.packed, entry.size)
    same = file.read(name_bytes) == entry.raw and method == entry.method
    if not same or sizes_differ or (flags ^ entry.flags) & _ENCRYPTED:
        raise ArchiveUnsafeError("Its own header and the archive's directory disagree. Pack the archive anew.")
    return entry.offset + _LOCAL.size + int(name_bytes) + int(extra_bytes)
