"""The order in which a person reads the lines of a picture. Pure.

Recursive X-Y cut (Nagy and Seth, "Hierarchical representation of optically scanned documents", 1984): a page falls
into columns where white runs through it from top to bottom, else into blocks where it runs from side to side; what
cannot be cut is read row by row. Columns are only cut between running text: in a price list a name and the price
far to the right of it belong together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from services.common.domain import Box
from workers.enrich.ocr.lines import TextLine
from workers.opening.documents.tokens import UNSPACED

_COLUMN_ROWS = 3
"""Fewer rows make no column."""
_COLUMN_WIDTH = 6.0
"""Of running text, by the height of a line."""
_HEAD_ROWS = 3
"""Rows over the whole width, above columns, without much white below them: a headline and who wrote it."""
_GAP = 1.0
"""White between columns and between blocks, by the height of a line."""
_SAME_ROW = 0.5
"""Of the lower one's height: lines that share more stand in one row."""
_UPRIGHT = 1.5
"""Height by width of a line that runs from top to bottom."""
_UNSPACED = re.compile(f"[{UNSPACED}]")

Row = Sequence[TextLine]
"""Lines beside one another, from left to right; of text that runs down, one line."""


@dataclass(frozen=True)
class Block:
    """Rows without much white between them.

    Attributes:
        rows: In reading order, at least one.
        runs_down: The lines run from top to bottom, the first one on the right.
    """

    rows: Sequence[Row]
    runs_down: bool = False


def blocks_of(lines: Sequence[TextLine]) -> list[Block]:
    """All lines in reading order.

    Args:
        lines: Level ones, see `workers.enrich.ocr.lines.straightened`.
    """
    if _is_vertical(lines):
        from_right = sorted(lines, key=lambda line: (-_middle(line.box().x0, line.box().x1), line.box().y0))
        return [Block([[line] for line in from_right], runs_down=True)]
    return list(_blocks(lines))


def _blocks(lines: Sequence[TextLine]) -> Iterator[Block]:
    if not lines:
        return
    high = median(line.box().y1 - line.box().y0 for line in lines)
    parts = _columns(lines, high) or _groups(lines, lambda box: (box.y0, box.y1), high * _GAP)
    if len(parts) == 1:
        rows = list(_rows(lines))
        head, parts = _headed(rows, high)
        yield Block(head)
    for part in parts:
        yield from _blocks(part)


def _headed(rows: Sequence[Row], high: float) -> tuple[Sequence[Row], Sequence[Sequence[TextLine]]]:
    """Rows, and the columns that stand below them; all rows if there are no columns."""
    for count in range(1, min(_HEAD_ROWS, len(rows) - _COLUMN_ROWS) + 1):
        columns = _columns([line for row in rows[count:] for line in row], high)
        if columns:
            return rows[:count], columns
    return rows, []


def _columns(lines: Sequence[TextLine], high: float) -> Sequence[Sequence[TextLine]]:
    """Two columns or more, from left to right; none if the lines do not stand in columns."""
    parts = _groups(lines, lambda box: (box.x0, box.x1), high * _GAP)
    return parts if len(parts) > 1 and all(_is_column(part, high) for part in parts) else []


def _groups(
    lines: Sequence[TextLine], extent: Callable[[Box], tuple[float, float]], gap: float
) -> list[list[TextLine]]:
    """Lines in groups between which there is more than `gap` of white, along one axis."""
    groups: list[list[TextLine]] = []
    reached = 0.0
    for line in sorted(lines, key=lambda line: extent(line.box())):
        start, stop = extent(line.box())
        if not groups or start - reached > gap:
            groups.append([])
            reached = stop
        groups[-1].append(line)
        reached = max(reached, stop)
    return groups


def _is_column(lines: Sequence[TextLine], high: float) -> bool:
    wide = median(line.box().x1 - line.box().x0 for line in lines)
    return wide >= high * _COLUMN_WIDTH and len(list(_rows(lines))) >= _COLUMN_ROWS


def _rows(lines: Sequence[TextLine]) -> Iterator[Row]:
    """Rows from top to bottom."""
    row: list[TextLine] = []
    for line in sorted(lines, key=lambda line: _middle(line.box().y0, line.box().y1)):
        if row and not _share_a_row(row[-1].box(), line.box()):
            yield _from_left(row)
            row = []
        row.append(line)
    yield _from_left(row)


def _share_a_row(above: Box, below: Box) -> bool:
    shared = min(above.y1, below.y1) - max(above.y0, below.y0)
    return shared > _SAME_ROW * min(above.y1 - above.y0, below.y1 - below.y0)


def _from_left(row: Sequence[TextLine]) -> Row:
    return sorted(row, key=lambda line: line.box().x0)


def _is_vertical(lines: Sequence[TextLine]) -> bool:
    """Most characters stand below one another, and are of a script that is written so."""
    downwards = sum(len(line.text) for line in lines if _runs_down(line))
    return downwards * 2 > sum(len(line.text) for line in lines)


def _runs_down(line: TextLine) -> bool:
    box = line.box()
    tall = box.y1 - box.y0 > _UPRIGHT * (box.x1 - box.x0)
    return tall and len(line.text) > 1 and len(_UNSPACED.findall(line.text)) * 2 > len(line.text)


def _middle(start: float, stop: float) -> float:
    return (start + stop) / 2
