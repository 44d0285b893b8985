"""Tall pictures in pieces: a screenshot of a whole page, scaled to what the model takes, is unreadable. Pure.

Wide ones are scaled: pieces side by side would cut lines of text in two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.common.domain import Box
from workers.enrich.ocr.lines import TextLine

SIDE_PX = 2000
"""Longest side of what is read at once: a page of A4 at 170 dots an inch."""
NARROW_PX = 1200
"""Width of a tall picture; phones and shops make them 750 to 1,200 pixels wide."""
OVERLAP_PX = 120
"""Pieces share so much, so that each line stands whole in one of them."""
MAX_TILES = 20
"""A taller picture is scaled down further: 1,080 x 32,768 pixels are 18."""
_CUT_PX = 2.0
_SAME = 0.5
"""Of the smaller one's area: lines that share more are the same one."""


@dataclass(frozen=True)
class Tile:
    """A piece of a scaled picture over its whole width.

    Attributes:
        top: First row of pixels.
        bottom: Behind the last one.
    """

    top: int
    bottom: int


@dataclass(frozen=True)
class Tiling:
    """How a picture is read.

    Attributes:
        width: Of the scaled picture, in pixels.
        height: Of the scaled picture, in pixels.
        tiles: From top to bottom.
    """

    width: int
    height: int
    tiles: tuple[Tile, ...]


def tiling(width: int, height: int) -> Tiling:
    """How a picture of this size is read.

    Args:
        width: In pixels, at least 1.
        height: In pixels, at least 1.
    """
    scale = min(1.0, SIDE_PX / max(width, height))
    if height > width:
        reach = MAX_TILES * (SIDE_PX - OVERLAP_PX) + OVERLAP_PX
        scale = min(1.0, max(scale, NARROW_PX / width), reach / height)
    high = max(1, round(height * scale))
    return Tiling(max(1, round(width * scale)), high, tuple(_tiles(high)))


def merged(tiles: Sequence[Tile], found: Sequence[Sequence[TextLine]]) -> list[TextLine]:
    """The lines of all tiles in pixels of the scaled picture, each once.

    Args:
        tiles: As `tiling` made them.
        found: Lines of each tile, in its own pixels.
    """
    kept: list[TextLine] = []
    for tile, lines in zip(tiles, found, strict=True):
        above = [line.box() for line in kept]
        for line in lines:
            moved = line.moved(0, tile.top)
            box = moved.box()
            if not _is_cut(box, tile, tiles) and not any(_is_same(box, other) for other in above):
                kept.append(moved)
    return kept


def _tiles(height: int) -> Iterator[Tile]:
    count = max(1, math.ceil((height - OVERLAP_PX) / (SIDE_PX - OVERLAP_PX)))
    step = (height - OVERLAP_PX) / count
    for number in range(count):
        yield Tile(round(step * number), min(height, round(step * (number + 1)) + OVERLAP_PX))


def _is_cut(box: Box, tile: Tile, tiles: Sequence[Tile]) -> bool:
    """Whether the line goes on in the next piece, or comes from the one before, and stands whole in that one."""
    if box.y1 - box.y0 > OVERLAP_PX - 2 * _CUT_PX:
        return False  # letters too large for that: a part of them is better than nothing
    from_above = tile != tiles[0] and box.y0 <= tile.top + _CUT_PX
    return from_above or (tile != tiles[-1] and box.y1 >= tile.bottom - _CUT_PX)


def _is_same(one: Box, other: Box) -> bool:
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    high = min(one.y1, other.y1) - max(one.y0, other.y0)
    return wide > 0 and high > 0 and wide * high > min(_area(one), _area(other)) * _SAME


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)
