"""From the lines of a picture to its text. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from workers.enrich.ocr.lines import TextLine, straightened
from workers.enrich.ocr.reading_order import Block, Row, blocks_of
from workers.opening.documents.clean import one_line
from workers.opening.documents.tokens import UNSPACED

MAX_TEXT_CHARS = 20_000
"""Of one picture. The densest page of a newspaper has about as many."""
_FULL = 0.15
"""Of a block's width: a row that ends within so much of its right edge goes on in the next row."""
_SIZE_RATIO = 1.6
"""Print that is so much larger or smaller is another paragraph; photographed from the side, a row is 1.4 times as
high as the next one."""
_CELLS_GAP = 2.0
"""White inside of a row, by its height: more sets the cells of a table apart, and a table's rows stay rows."""
_BROKEN = re.compile(r"[a-z]{2}-$")
_GOES_ON = re.compile(r"[a-z]")
_UNSPACED = re.compile(rf"[{UNSPACED}，。、；：？！「」『』（）《》]")
_SCRIPT_SHARE = 0.1


def text_of(lines: Sequence[TextLine]) -> str:
    """What stands in a picture, in the order in which one reads.

    Rows that fill their block are one paragraph and stand in one line, so that a word or a phrase that goes on in
    the next row is whole. Rows that do not (a list, a price tag) have a line each.

    Args:
        lines: In any order; corners in the picture's pixels.
    """
    blocks = blocks_of(straightened(lines))
    paragraphs = [paragraph for block in blocks for paragraph in _paragraphs(block)]
    return "\n".join(paragraph for paragraph in paragraphs if paragraph)[:MAX_TEXT_CHARS]


def scripts_of(text: str) -> tuple[str, ...]:
    """The scripts that a text is written in, the most frequent first: `CJK`, `LATIN`, `HIRAGANA`, ...

    The names are those that Unicode's names of characters begin with. A script that less than a tenth of the
    letters belong to is left out.
    """
    letters = [character for character in text if character.isalpha()]
    found = Counter(unicodedata.name(character, "").partition(" ")[0] for character in letters)
    return tuple(name for name, count in found.most_common() if name and count >= len(letters) * _SCRIPT_SHARE)


def _paragraphs(block: Block) -> Iterator[str]:
    boxes = [line.box() for row in block.rows for line in row]
    left, right = min(box.x0 for box in boxes), max(box.x1 for box in boxes)
    full = right - (right - left) * _FULL
    text = ""
    above: Row = ()
    for row in block.rows:
        words = " ".join(filter(None, (one_line(line.text) for line in row)))
        if above and (block.runs_down or _goes_on(above, row, full)):
            text = _joined(text, words)
        else:
            yield text
            text = words
        above = row
    yield text


def _goes_on(above: Row, row: Row, full: float) -> bool:
    if _has_cells(above) or _has_cells(row):
        return False
    smaller, larger = sorted((_height(above), _height(row)))
    return above[-1].box().x1 >= full and larger <= smaller * _SIZE_RATIO


def _has_cells(row: Row) -> bool:
    widest = _CELLS_GAP * _height(row)
    return any(right.box().x0 - left.box().x1 > widest for left, right in pairwise(row))


def _height(row: Row) -> float:
    return max(line.height for line in row)


def _joined(left: str, right: str) -> str:
    if _BROKEN.search(left) and _GOES_ON.match(right):
        return left.removesuffix("-") + right
    if left and right and not (_UNSPACED.match(left[-1]) and _UNSPACED.match(right[0])):
        return f"{left} {right}"
    return left + right
