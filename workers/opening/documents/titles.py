"""What a document is called, and how much of a tower's limit its title leaves. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from workers.opening.documents.clean import one_line
from workers.opening.documents.passages import SMALLEST_LIMIT_TOKENS
from workers.opening.documents.tokens import SPECIAL_TOKENS, count_tokens, shorten

MAX_TITLE_CHARS = 300
_TITLE_SHARE = 4
"""A title may take one part in so many of what a tower takes: it is embedded with each passage."""
_BETWEEN = " › "
# What programs write by themselves: the name of a file, or of nothing at all.
_MADE_UP = re.compile(
    r"\.(docx?|xlsx?|pptx?|odt|rtf|indd|pdf|tex|dvi|ps|txt|html?)$"
    r"|^(microsoft \w+ - .*|untitled.*|document ?\d*|slide \d+)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Titled:
    """A title that fits, with the passages under it, into a text tower.

    Attributes:
        title: As it is stored.
        passage_tokens: Left for a passage.
    """

    title: str
    passage_tokens: int

    @classmethod
    def of(cls, title: str, limit_tokens: int) -> Titled:
        """Shorten `title` for a tower that takes `limit_tokens`."""
        short = shorten(title, limit_tokens // _TITLE_SHARE)
        left = limit_tokens - SPECIAL_TOKENS - count_tokens(short)
        return cls(short, max(SMALLEST_LIMIT_TOKENS, left))


def file_title(name: str) -> str:
    """The title of a file that has none of its own: its name without folders and suffix."""
    return one_line(PurePosixPath(name).stem)[:MAX_TITLE_CHARS]


def pdf_title(metadata: str, name: str) -> str:
    """The title that a PDF states, unless a program made it up; else its file's."""
    stated = one_line(metadata)[:MAX_TITLE_CHARS]
    return stated if stated and not _MADE_UP.search(stated) else file_title(name)


def section_title(document: str, headings: Sequence[str]) -> str:
    """The headings above a passage, outermost first, behind the document's title."""
    path = list(headings) if headings and headings[0] == document else [document, *headings]
    return _BETWEEN.join(part[:MAX_TITLE_CHARS] for part in path if part)
