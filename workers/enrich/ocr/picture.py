"""One picture to the text inside it: scaled, cut, read, turned if need be, put in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.common.domain import Box
from workers.enrich.ocr.found import FoundLine, FoundText
from workers.enrich.ocr.lines import TextLine
from workers.enrich.ocr.text import scripts_of, text_of
from workers.enrich.ocr.tiles import merged, tiling

Pixels = NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""
READING = "1"
"""Counts changes of what is read or how it is put in order: what was kept by an older one is read anew."""
MIN_SCORE = 0.5
"""What the model is less sure of is noise: leaves, brickwork, fabric."""
MIN_LONE_SCORE = 0.95
"""Of a single character: a cat's eye is a 0 (0.73), the swirl in a cup an 8 (0.90); a printed one has 0.99."""
_SURE_SCORE = 0.8
_SURE_SHARE = 0.5
"""Of the room for characters: with fewer that are sure and level, the picture may have been held otherwise."""
_LITTLE_ROOM = 6.0
"""Says nothing about how a picture was held, and is not worth reading it four times."""
_LEAST_EVIDENCE = 3.0
_BETTER_BY = 1.3
"""How much more text must be there before another turn is believed."""
_STRIP = 4
"""Longer side by shorter one, at most, of what is read."""
_TURNS = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}
"""By degrees clockwise; Pillow's names go the other way."""


class LineReader(Protocol):
    """Finds and reads lines of text."""

    def lines(self, pixels: Pixels) -> list[TextLine]:
        """Every line in a picture, in any order, however unsure; corners in its pixels."""


@dataclass(frozen=True)
class _Reading:
    """What one turn of a picture came to.

    Attributes:
        lines: With their corners in pixels of the turned and scaled picture.
        width: Of that picture.
        height: Of that picture.
        complete: All of it was looked at.
    """

    lines: Sequence[TextLine]
    width: int
    height: int
    turned_deg: int
    complete: bool

    @property
    def room(self) -> float:
        """For how many characters there is room in the lines that were found, if one is as wide as it is high."""
        return sum(max(len(line.text), _proportion(line)) for line in self.lines)

    @property
    def evidence(self) -> float:
        """How much of it is text: characters in level lines, by how sure they are."""
        return sum(len(line.text) * line.score for line in self.lines if _is_sure(line))


def read_picture(
    reader: LineReader, picture: Image.Image, has_time: Callable[[], bool] = lambda: True
) -> FoundText:
    """The text inside a picture.

    Args:
        reader: Reads lines.
        picture: RGB, upright by its metadata; how the page in it was held is another matter.
        has_time: Asked before each further piece; without time what was read so far is the answer.
    """
    best = _read(reader, picture, 0, has_time)
    if _may_be_turned(best) and has_time():
        needed = max(best.evidence * _BETTER_BY, _LEAST_EVIDENCE)
        turned = max(
            (_read(reader, picture, turn, has_time) for turn in _TURNS), key=lambda reading: reading.evidence
        )
        best = turned if turned.evidence > needed else best
    lines = [line for line in best.lines if _is_text(line)]
    text = text_of(lines)
    found = tuple(FoundLine(line.text, round(line.score, 3), _box(line, best)) for line in lines)
    return FoundText(text, best.turned_deg if text else 0, scripts_of(text), found, best.complete)


def _read(reader: LineReader, picture: Image.Image, turn_deg: int, has_time: Callable[[], bool]) -> _Reading:
    turned = picture.transpose(_TURNS[turn_deg]) if turn_deg else picture
    plan = tiling(*turned.size)
    size = (plan.width, plan.height)
    pixels = np.asarray(turned if turned.size == size else turned.resize(size, Image.Resampling.LANCZOS))
    found: list[list[TextLine]] = []
    for tile in plan.tiles:
        if found and not has_time():
            break
        found.append(reader.lines(_stocky(pixels[tile.top : tile.bottom])))
    lines = merged(plan.tiles[: len(found)], found)
    return _Reading(lines, plan.width, plan.height, turn_deg, complete=len(found) == len(plan.tiles))


def _stocky(pixels: Pixels) -> Pixels:
    """A strip with more of its ground beside it: the model scales the shorter side, and would make it huge."""
    height, width = pixels.shape[:2]
    size = (max(height, width // _STRIP), max(width, height // _STRIP))
    if size == (height, width):
        return np.ascontiguousarray(pixels)
    ground = np.median(np.concatenate([pixels[0], pixels[-1]]), axis=0).astype(np.uint8)
    padded = np.broadcast_to(ground, (*size, 3)).copy()
    padded[:height, :width] = pixels
    return padded


def _may_be_turned(reading: _Reading) -> bool:
    sure = sum(len(line.text) for line in reading.lines if _is_sure(line))
    return reading.room >= _LITTLE_ROOM and sure < reading.room * _SURE_SHARE


def _proportion(line: TextLine) -> float:
    return max(line.width, line.height) / max(min(line.width, line.height), 1.0)


def _is_text(line: TextLine) -> bool:
    characters = len(line.text.strip())
    return characters > 0 and line.score >= (MIN_LONE_SCORE if characters == 1 else MIN_SCORE)


def _is_sure(line: TextLine) -> bool:
    is_level = line.width >= line.height or len(line.text) == 1
    return is_level and line.score >= _SURE_SCORE


def _box(line: TextLine, reading: _Reading) -> Box:
    """Where the line stands in the picture as it is stored, in [0, 1]."""
    box = line.box()
    x0, x1 = (_clamped(x / reading.width) for x in (box.x0, box.x1))
    y0, y1 = (_clamped(y / reading.height) for y in (box.y0, box.y1))
    match reading.turned_deg:
        case 90:
            return Box(y0, 1 - x1, y1, 1 - x0)
        case 180:
            return Box(1 - x1, 1 - y1, 1 - x0, 1 - y0)
        case 270:
            return Box(1 - y1, x0, 1 - y0, x1)
    return Box(x0, y0, x1, y1)


def _clamped(share: float) -> float:
    return min(max(share, 0.0), 1.0)
