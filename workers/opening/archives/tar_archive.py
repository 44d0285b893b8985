"""A TAR archive, plain or compressed: looked through from end to end before a byte of it is given out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from services.common.errors import (
    ArchiveError,
    ArchiveTooLargeError,
    ArchiveUnsafeError,
    ImageragError,
    UnsupportedMediaTypeError,
)
from workers.opening.archives import names
from workers.opening.archives.limits import ArchiveLimits
from workers.opening.archives.member import Member, judge, refuse, refuse_repeated
from workers.opening.archives.tar_headers import Header, read_headers
from workers.opening.archives.unpacked import CUT_SHORT, Unpacked

MAX_HELD_BYTES = 256 * 1024 * 1024
"""Of the texts in a compressed archive: they are needed before and beside the pictures, and it is read forward."""


class TarArchive:
    """See `Archive`. A compressed one is unpacked twice: to look through it, and to read it.

    Args:
        file: The archive; `.gz`, `.bz2` and `.xz` are known by their first bytes.
        limits: What is accepted.
    """

    def __init__(self, file: BinaryIO, limits: ArchiveLimits) -> None:
        self._file, self._limits = file, limits
        self._stream = Unpacked(file, limits)
        self._offsets: dict[int, int] = {}
        self._members: list[Member] = []
        self._held: dict[int, bytes] = {}
        self._held_bytes = 0

    @property
    def members(self) -> Sequence[Member]:
        """See `Archive.members`."""
        return self._members

    def scan(self) -> None:
        """See `Archive.scan`."""
        found = []
        unpacked_bytes = 0
        for index, header in enumerate(read_headers(self._stream)):
            self._limits.check_members(index + 1)
            unpacked_bytes += header.size
            # What is announced counts, so that nothing is unpacked only to find that it is too much.
            self._limits.check_unpacked(unpacked_bytes, unpacked_bytes)
            if not header.is_folder:
                member = self._judge(index, header)
                found.append(member)
                self._offsets[index] = header.offset
                self._hold(member)
        self._members = [each for each in refuse_repeated(found) if each.refusal or not names.is_litter(each.name)]
        self._stream = Unpacked(self._file, self._limits)

    def _judge(self, index: int, header: Header) -> Member:
        member = judge(index, header.raw, header.size, header.size, self._limits)
        reason = _unreadable(header)
        return refuse(member, reason) if reason else member

    def _hold(self, member: Member) -> None:
        if not self._stream.is_compressed or member.refusal or not _is_words(member.name):
            return
        self._held_bytes += member.size
        if self._held_bytes > MAX_HELD_BYTES:
            raise ArchiveTooLargeError(
                f"The texts in the compressed archive have more than {MAX_HELD_BYTES:,} bytes. Pack it as "
                "plain .tar."
            )
        self._held[member.index] = self._take(self._stream, member)

    def read(self, member: Member) -> bytes:
        """See `Archive.read`."""
        if member.index in self._held:
            return self._held[member.index]
        self._stream.move_to(self._offsets[member.index])
        return self._take(self._stream, member)

    def _take(self, stream: Unpacked, member: Member) -> bytes:
        data = stream.take(member.size)
        if len(data) < member.size:
            raise ArchiveError(CUT_SHORT)
        return data


def _is_words(name: str) -> bool:
    return names.is_text(name) or names.is_table(name)


def _unreadable(header: Header) -> ImageragError | None:
    if header.is_link:
        return ArchiveUnsafeError("It is a link. Pack the file that it leads to ('tar --dereference').")
    if header.is_sparse:
        return UnsupportedMediaTypeError("It is a sparse file. Pack the archive without '--sparse'.")
    if not header.is_file:
        return ArchiveUnsafeError("It is not a file.")
    return None
