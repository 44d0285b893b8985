"""What an archive offers to its opener, whatever its format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from services.common.errors import ArchiveUnsafeError, ImageragError
from workers.opening.archives import names
from workers.opening.archives.limits import ArchiveLimits


@dataclass(frozen=True)
class Member:
    """One file of an archive, or something that poses as one.

    Attributes:
        index: Its place in the archive, from 0.
        name: Its path, checked; of a refused one, as much of it as can be shown.
        size: Bytes, as the archive says.
        packed: Bytes that it takes up in the archive.
        refusal: Why it is not read.
    """

    index: int
    name: str
    size: int = 0
    packed: int = 0
    refusal: ImageragError | None = None


class Archive(Protocol):
    """An archive that is looked through as a whole before anything of it is given out."""

    def scan(self) -> None:
        """Look through it.

        Raises:
            ImageragError: Nothing of it may be used.
        """

    @property
    def members(self) -> Sequence[Member]:
        """Every member but folders and litter, once `scan` has ended."""

    def read(self, member: Member) -> bytes:
        """The bytes of a member that is not refused.

        Texts and tables can be read in any order, the others in the archive's own.

        Raises:
            ImageragError: It is not what the archive says it is.
        """


def limit_bytes(name: str, limits: ArchiveLimits) -> int:
    """Most bytes that a member of this name may have."""
    if names.is_table(name):
        return limits.max_table_bytes
    return limits.max_text_bytes if names.is_text(name) else limits.max_member_bytes


def judge(index: int, raw: bytes, size: int, packed: int, limits: ArchiveLimits) -> Member:
    """A member, refused if its name or its sizes are not acceptable.

    Args:
        index: Its place.
        raw: Its name as it stands in the archive.
        size: Bytes, as the archive says.
        packed: Bytes that it takes up in the archive.
        limits: What is accepted.
    """
    try:
        name = names.safe_name(raw, limits.max_depth)
    except ImageragError as error:
        return Member(index, names.as_text(raw[:512]), size, packed, error)
    try:
        limits.check_member(size, packed, limit_bytes(name, limits))
    except ImageragError as error:
        return Member(index, name, size, packed, error)
    return Member(index, name, size, packed)


def refuse(member: Member, error: ImageragError) -> Member:
    """The member with a reason why it is not read, unless it has one."""
    return member if member.refusal else replace(member, refusal=error)


def refuse_repeated(members: Sequence[Member]) -> list[Member]:
    """Of members with one name the first stays: which of them the name means is anyone's guess."""
    seen: set[str] = set()
    kept = []
    for member in members:
        repeated = member.name in seen
        seen.add(member.name)
        error = ArchiveUnsafeError("Another member before it has the same name.")
        kept.append(refuse(member, error) if repeated else member)
    return kept
