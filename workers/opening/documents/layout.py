"""From the lines of a page to its paragraphs. Pure.

All measures are normalised to the page as it is shown: [0, 1], origin top left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from services.common.domain import Box
from workers.opening.documents.passages import Paragraph, Piece
from workers.opening.documents.tokens import UNSPACED

_GAP_SHARE = 0.5
"""Of a line's height: more space than that above a line sets it apart."""
_SIZE_RATIO = 1.3
"""Larger or smaller print begins a paragraph: a heading, a footnote."""
_SENTENCE_END = re.compile(r"[.!?。！？：:][\"'”’)」』]*$")
_UNSPACED = re.compile(rf"[{UNSPACED}，。、；：？！「」『』（）《》]")


@dataclass(frozen=True)
class Line:
    """A line of print.

    Attributes:
        broken: Its last word goes on in the next line, its hyphen is taken away.
    """

    text: str
    box: Box
    broken: bool = False


@dataclass(frozen=True)
class PlacedLine:
    """Where in its paragraph a line stands.

    Attributes:
        start: First character.
        end: Behind the last one.
    """

    start: int
    end: int
    box: Box


@dataclass
class PlacedParagraph:
    """Lines joined to one text."""

    text: str = ""
    lines: list[PlacedLine] = field(default_factory=list)

    def add(self, line: Line, previous: Line | None) -> None:
        """Append a line; `previous` is the one before it, if it is not the first."""
        if previous and not previous.broken:
            self.text += _joint(previous.text, line.text)
        start = len(self.text)
        self.text += line.text
        self.lines.append(PlacedLine(start, len(self.text), line.box))

    def paragraph(self) -> Paragraph:
        """For the splitter."""
        return Paragraph(self.text)


def paragraphs(lines: Iterable[Line], aspect: float) -> Iterator[PlacedParagraph]:
    """Group lines, in the order in which they come.

    Args:
        lines: Of one page.
        aspect: Height of the page by its width.
    """
    current, previous = PlacedParagraph(), None
    for line in lines:
        if previous and _starts_anew(previous, line, aspect):
            yield current
            current, previous = PlacedParagraph(), None
        current.add(line, previous)
        previous = line
    if previous:
        yield current


def region(placed: Sequence[PlacedParagraph], pieces: Sequence[Piece]) -> Box:
    """The smallest box around the lines that pieces of a passage touch; at least one line is touched."""
    boxes = [
        line.box
        for piece in pieces
        for line in placed[piece.paragraph].lines
        if line.start < piece.end and line.end > piece.start
    ]
    return around(boxes)


def around(boxes: Sequence[Box]) -> Box:
    """The smallest box around all of them, at least one."""
    return Box(
        min(box.x0 for box in boxes),
        min(box.y0 for box in boxes),
        max(box.x1 for box in boxes),
        max(box.y1 for box in boxes),
    )


def _starts_anew(above: Line, below: Line, aspect: float) -> bool:
    if above.broken:
        return False
    first, second = above.box.y1 - above.box.y0, below.box.y1 - below.box.y0
    smaller, larger = sorted((first, second))
    if larger > smaller * _SIZE_RATIO:
        return True
    if below.box.y1 <= above.box.y0:
        return True  # back up: another column
    overlaps = below.box.y0 < above.box.y1 - smaller * _GAP_SHARE
    if overlaps and below.box.x0 < above.box.x1:
        return True  # back up, a little: another column beside a heading
    if below.box.y0 - above.box.y1 > smaller * _GAP_SHARE:
        return True
    indent = below.box.x0 - above.box.x0
    return indent > smaller * aspect and not overlaps and bool(_SENTENCE_END.search(above.text))


def _joint(left: str, right: str) -> str:
    if left and right and _UNSPACED.match(left[-1]) and _UNSPACED.match(right[0]):
        return ""
    return " "
