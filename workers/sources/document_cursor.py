"""How far a document was read. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

FIRST_PAGE = 1


@dataclass(frozen=True)
class DocumentCursor:
    """A place in a document, as text for the ledger.

    Attributes:
        document_id: Hex SHA-256 of the file, so that another file under its name is noticed.
        tokens: What the text tower took when the reading began: passages are cut the same all the way.
        page: The one that is being read, from 1.
        parts: Of that page, told already.
        lost: Pages that ended the process that read them.
    """

    document_id: str
    tokens: int
    page: int = FIRST_PAGE
    parts: int = 0
    lost: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> DocumentCursor:
        """Read what `text` wrote."""
        told = json.loads(text)
        return cls(**told | {"lost": tuple(told["lost"])})

    def text(self) -> str:
        """For the ledger."""
        return json.dumps(asdict(self), separators=(",", ":"))

    def behind_part(self) -> DocumentCursor:
        """One part further."""
        return replace(self, parts=self.parts + 1)

    def next_page(self) -> DocumentCursor:
        """Behind everything of the page."""
        return replace(self, page=self.page + 1, parts=0)

    def without_page(self) -> DocumentCursor:
        """Behind a page that could not be read to its end."""
        return replace(self.next_page(), lost=(*self.lost, self.page))
