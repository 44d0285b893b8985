"""What an archive may hold."""

from __future__ import annotations

from dataclasses import dataclass

from services.common.errors import ArchiveTooLargeError, ArchiveUnsafeError

_MIB = 1024 * 1024
HARMLESS_BYTES = 64 * _MIB
"""An archive that unpacks to less may be packed as tightly as it likes."""
HARMLESS_MEMBER_BYTES = _MIB
"""So may a member: a page of one colour, or a long list in JSON."""


@dataclass(frozen=True)
class ArchiveLimits:
    """Bounds, checked while an archive is looked through and again while it is read.

    Attributes:
        max_bytes: Of the archive itself; checked by who opens it.
        scan_s: Longest time to look through it; kept by who opens it.
        max_members: Most members of any kind, folders too.
        max_unpacked_bytes: Most bytes of all members together.
        max_member_bytes: Largest member that is read.
        max_text_bytes: Largest description beside a picture.
        max_table_bytes: Largest table of descriptions.
        max_ratio: Most bytes that one byte of the archive may unpack to.
        max_depth: Most folders above a member.
    """

    max_bytes: int = 64 * 1024 * _MIB
    scan_s: float = 180.0
    max_members: int = 50_000
    max_unpacked_bytes: int = 16 * 1024 * _MIB
    max_member_bytes: int = 32 * _MIB
    max_text_bytes: int = _MIB
    max_table_bytes: int = 32 * _MIB
    max_ratio: int = 200
    max_depth: int = 16

    def check_members(self, count: int) -> None:
        """Raise ArchiveTooLargeError if there are too many members."""
        if count > self.max_members:
            raise ArchiveTooLargeError(
                f"The archive holds more than {self.max_members:,} members; nothing of it is taken in. Split it."
            )

    def check_unpacked(self, unpacked_bytes: int, packed_bytes: int) -> None:
        """Look at the archive as a whole.

        Args:
            unpacked_bytes: Of all members, as far as they are known.
            packed_bytes: What they take up in the archive.

        Raises:
            ArchiveTooLargeError: More than may be unpacked.
            ArchiveUnsafeError: Packed more tightly than pictures can be.
        """
        if unpacked_bytes > self.max_unpacked_bytes:
            raise ArchiveTooLargeError(
                f"The archive unpacks to more than {self.max_unpacked_bytes:,} bytes; nothing of it is "
                "taken in. Split it."
            )
        if unpacked_bytes > HARMLESS_BYTES and unpacked_bytes > self.max_ratio * packed_bytes:
            raise ArchiveUnsafeError(
                f"The archive unpacks to more than {self.max_ratio} times its size, as bombs do and pictures do "
                "not; nothing of it is taken in."
            )

    def check_member(self, size: int, packed_bytes: int, max_bytes: int) -> None:
        """Look at one member.

        Args:
            size: Unpacked.
            packed_bytes: What it takes up in the archive.
            max_bytes: What it may have.

        Raises:
            ArchiveTooLargeError: Larger than it may be.
            ArchiveUnsafeError: Packed more tightly than pictures can be.
        """
        if size > max_bytes:
            raise ArchiveTooLargeError(f"It has {size:,} bytes; at most {max_bytes:,} are read from an archive.")
        if size > HARMLESS_MEMBER_BYTES and size > self.max_ratio * packed_bytes:
            raise ArchiveUnsafeError(
                f"It unpacks to more than {self.max_ratio} times its size. Save it in a compressed "
                "format, such as PNG."
            )
