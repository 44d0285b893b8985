"""The tables of an archive that describe its pictures by path, as the image folders of Hugging Face have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.common.errors import ImageragError, InvalidRequestError
from workers.opening.archives import names
from workers.opening.archives.descriptions import Description, Row, joined, rows
from workers.opening.archives.member import Archive, Member

MAX_TROUBLES = 1000
"""Wrong rows of one table that are named one by one."""
Reason = dict[str, Any]


def reason(name: str, error: ImageragError) -> Reason:
    """Why something is left out, as it leaves the sandbox."""
    return {"name": name, "code": error.code, "message": error.message}


class Tables:
    """What the tables say, held in memory; read before any picture is.

    Args:
        archive: Looked through already.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._known = {member.name for member in archive.members}
        self._said: dict[str, Description] = {}
        self._troubles: dict[int, list[Reason]] = {}
        for member in archive.members:
            if names.is_table(member.name) and not member.refusal:
                self._troubles[member.index] = self._read(member)

    def said_of(self, name: str) -> Description:
        """What they say about a member."""
        return self._said.get(name, {})

    def troubles_of(self, member: Member) -> Sequence[Reason] | None:
        """What is wrong with a table; None if the member is none."""
        return self._troubles.get(member.index)

    def _read(self, table: Member) -> list[Reason]:
        wrong: list[Reason] = []
        more = 0
        try:
            for row in rows(table.name, self._archive.read(table)):
                error = self._take(row)
                if error and len(wrong) < MAX_TROUBLES:
                    wrong.append(reason(f"{table.name}, line {row.line}", error))
                elif error:
                    more += 1
        except ImageragError as error:
            wrong.append(reason(table.name, error))
        if more:
            wrong.append(reason(table.name, InvalidRequestError(f"{more:,} more of its lines are wrong.")))
        return wrong

    def _take(self, row: Row) -> ImageragError | None:
        if row.wrong:
            return InvalidRequestError(row.wrong)
        if row.name not in self._known:
            return InvalidRequestError(f"The archive holds no {row.name[:200]!r}.")
        self._said[row.name] = joined(self.said_of(row.name), row.said)
        return None
