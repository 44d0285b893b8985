"""Lines of text in a picture, as they were read. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from services.common.domain import Box

Corner = tuple[float, float]
_LONG = 3.0
"""Width by height: the direction of shorter lines says little about that of the page."""


@dataclass(frozen=True)
class TextLine:
    """A line of text.

    Attributes:
        score: How sure the model is of the characters, in [0, 1].
        corners: Of the line's rectangle, in pixels of the picture: top left, top right, bottom right, bottom left.
            A line that leans has a rectangle that leans.
    """

    text: str
    score: float
    corners: tuple[Corner, Corner, Corner, Corner]

    @property
    def width(self) -> float:
        """Along the text, in pixels."""
        return math.dist(self.corners[0], self.corners[1])

    @property
    def height(self) -> float:
        """Across the text, in pixels."""
        return math.dist(self.corners[0], self.corners[3])

    def box(self) -> Box:
        """The upright rectangle around it, in pixels."""
        xs, ys = zip(*self.corners, strict=True)
        return Box(min(xs), min(ys), max(xs), max(ys))

    def moved(self, right: float, down: float) -> TextLine:
        """The line elsewhere."""
        return self._mapped([(x + right, y + down) for x, y in self.corners])

    def scaled(self, factor: float) -> TextLine:
        """The line in a picture of another size."""
        return self._mapped([(x * factor, y * factor) for x, y in self.corners])

    def turned(self, angle: float) -> TextLine:
        """The line in a picture turned around its origin by an angle in radians, from x towards y."""
        cos, sin = math.cos(angle), math.sin(angle)
        return self._mapped([(x * cos - y * sin, x * sin + y * cos) for x, y in self.corners])

    def _mapped(self, corners: Sequence[Corner]) -> TextLine:
        first, second, third, fourth = corners
        return TextLine(self.text, self.score, (first, second, third, fourth))


def straightened(lines: Sequence[TextLine]) -> list[TextLine]:
    """The lines of a page that was photographed at an angle, turned so that most of them are level."""
    long = [line for line in lines if line.width > _LONG * line.height]
    if not long:
        return list(lines)
    lean = median(_direction(line) for line in long)
    return [line.turned(-lean) for line in lines]


def _direction(line: TextLine) -> float:
    (x0, y0), (x1, y1) = line.corners[:2]
    return math.atan2(y1 - y0, x1 - x0)
