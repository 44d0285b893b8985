"""What reading one picture came to."""

from __future__ import annotations

from dataclasses import dataclass

from services.common.domain import Box


@dataclass(frozen=True)
class FoundLine:
    """A line of text and where it stands.

    Attributes:
        score: How sure the model is of the characters, in [0, 1].
        box: In the picture as it is stored, before it was turned to be read.
    """

    text: str
    score: float
    box: Box


@dataclass(frozen=True)
class FoundText:
    """The text inside a picture. This is what is kept of it.

    Attributes:
        text: In reading order, a line for each paragraph; empty: there is none.
        turned_deg: How far clockwise the picture had to be turned to be read: 0, 90, 180 or 270.
        scripts: That it is written in, the most frequent first; see `workers.enrich.ocr.text.scripts_of`.
        lines: As they were found.
        complete: False: there was no time for the rest of a tall picture full of text.
    """

    text: str
    turned_deg: int = 0
    scripts: tuple[str, ...] = ()
    lines: tuple[FoundLine, ...] = ()
    complete: bool = True
