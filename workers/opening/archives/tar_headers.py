"""The headers of a TAR: ustar, GNU's long names and POSIX's extended headers; nothing else is guessed at.

Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; the manual of GNU tar, "Basic
Tar Format".
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace

from services.common.errors import ArchiveError, UnsupportedMediaTypeError
from workers.opening.archives.unpacked import CUT_SHORT, Unpacked

BLOCK_BYTES = tarfile.BLOCKSIZE
_MAX_EXTENDED_BYTES = 1024 * 1024
_LONG_NAME, _LONG_LINK, _EXTENDED, _GLOBAL = b"L", b"K", b"x", b"g"
_ABOUT_THE_NEXT = frozenset({_LONG_NAME, _LONG_LINK, _EXTENDED})
_FILE_TYPES = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE})
_LINK_TYPES = frozenset({tarfile.LNKTYPE, tarfile.SYMTYPE})
_NO_HEADER = "The archive is damaged: there is no header where a member should begin. Send it again."

_SPARSE = "The archive holds sparse files. Pack it without '--sparse'."


@dataclass(frozen=True)
class Header:
    """One member.

    Attributes:
        raw: The name as it stands there.
        type: The format's own letter.
        size: Bytes of its data.
        offset: Of its data.
        is_sparse: Its data leaves out runs of zeros.
    """

    raw: bytes
    type: bytes
    size: int
    offset: int = 0
    is_sparse: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether it stands for a folder."""
        return self.type == tarfile.DIRTYPE

    @property
    def is_link(self) -> bool:
        """Whether it stands for another file."""
        return self.type in _LINK_TYPES

    @property
    def is_file(self) -> bool:
        """Whether it has bytes of its own."""
        return self.type in _FILE_TYPES

    @property
    def next_offset(self) -> int:
        """Where the next header begins."""
        return self.offset + -(-self.size // BLOCK_BYTES) * BLOCK_BYTES


def is_header(block: bytes) -> bool:
    """Whether an archive may begin with these bytes; the checksum decides, as old archives bear no mark."""
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return len(block) == BLOCK_BYTES and not any(block)  # an archive without members
    return True


def read_headers(stream: Unpacked) -> Iterator[Header]:
    """The members one after the other; the data of each may be taken before the next is asked for.

    Runs of zeros between members are passed over, as in archives that were put one behind the other.

    Raises:
        ArchiveError: The archive is damaged, or ends without the zeros that mark its end.
    """
    extended: dict[bytes, bytes] = {}
    ended = False
    while block := stream.take(BLOCK_BYTES):
        if len(block) < BLOCK_BYTES:
            raise ArchiveError(CUT_SHORT)
        ended = not any(block)
        if ended:
            continue
        header = _parse(block, stream.position)
        if header.type in _ABOUT_THE_NEXT:
            extended |= _read_extended(stream, header)
        elif header.type != _GLOBAL:
            header = _extend(header, extended)
            extended = {}
            yield header
        stream.move_to(header.next_offset)
    if not ended:
        raise ArchiveError(CUT_SHORT)


def _parse(block: bytes, offset: int) -> Header:
    try:
        found = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        raise ArchiveError(_NO_HEADER) from None
    if found.size < 0:
        raise ArchiveError(_NO_HEADER)
    if found.type == tarfile.GNUTYPE_SPARSE:
        raise UnsupportedMediaTypeError(_SPARSE)  # more headers follow it, and its size does not count them
    # A folder, a link and a device have no data, whatever their headers say.
    size = 0 if found.type in tarfile.SUPPORTED_TYPES and not _has_data(found.type) else found.size
    raw = found.name.encode("utf-8", "surrogateescape")
    return Header(raw, found.type, size, offset)


def _has_data(kind: bytes) -> bool:
    return kind in _FILE_TYPES or kind in _ABOUT_THE_NEXT


def _read_extended(stream: Unpacked, header: Header) -> dict[bytes, bytes]:
    if header.size > _MAX_EXTENDED_BYTES:
        raise ArchiveError(_NO_HEADER)
    data = stream.take(header.size)
    if header.type == _LONG_NAME:
        return {b"path": data.rstrip(b"\0")}
    return dict(_records(data)) if header.type == _EXTENDED else {}


def _records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """`LENGTH KEY=VALUE\\n`, where the length counts the whole record."""
    at = 0
    while at < len(data) and data[at]:
        digits, _, _ = data[at : at + 20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = data[at : at + length]
        key, equals, value = record[len(digits) + 1 :].partition(b"=")
        if len(record) != length or not equals or not value.endswith(b"\n"):
            raise ArchiveError(_NO_HEADER)
        yield key, value[:-1]
        at += length


def _extend(header: Header, extended: dict[bytes, bytes]) -> Header:
    size = extended.get(b"size", b"")
    if size and not (size.isdigit() and len(size) < 20):
        raise ArchiveError(_NO_HEADER)
    return replace(
        header,
        raw=extended.get(b"path", header.raw),
        size=int(size) if size and header.is_file else header.size,
        is_sparse=any(key.startswith(b"GNU.sparse.") for key in extended),
    )
