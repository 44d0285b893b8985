"""From a page's own coordinates to the page as it is shown."""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_raw

from services.common.domain import Box
from services.common.errors import InvalidRequestError

_FINE = 1_000_000
"""PDFium places in whole device units; with so many of them nothing is lost by rounding."""


@dataclass(frozen=True)
class PageFrame:
    """How a page is shown.

    Attributes:
        width_pt: Shown, in 1/72 inch.
        height_pt: Shown.
        origin: Where its lower left corner (in its own coordinates) is shown.
        across: What one unit to the right adds.
        up: What one unit up adds.
    """

    width_pt: float
    height_pt: float
    corner: tuple[float, float]
    origin: tuple[float, float]
    across: tuple[float, float]
    up: tuple[float, float]

    @classmethod
    def of(cls, page: pdfium.PdfPage) -> PageFrame:
        """Read it from a page.

        Raises:
            InvalidRequestError: The page has no size.
        """
        width, height = page.get_size()
        left, bottom, right, top = page.get_bbox()
        sizes = (width, height, right - left, top - bottom)
        if not all(math.isfinite(size) and size > 0 for size in sizes):
            raise InvalidRequestError("The page has no size.")
        origin = _shown(page, left, bottom)
        across = _step(origin, _shown(page, right, bottom), right - left)
        up = _step(origin, _shown(page, left, top), top - bottom)
        return cls(width, height, (left, bottom), origin, across, up)

    def box(self, left: float, bottom: float, right: float, top: float) -> Box:
        """A rectangle as it is shown, cut to the page."""
        corners = [self._place(x, y) for x in (left, right) for y in (bottom, top)]
        xs, ys = [_on_page(x) for x, _ in corners], [_on_page(y) for _, y in corners]
        return Box(min(xs), min(ys), max(xs), max(ys))

    def _place(self, x: float, y: float) -> tuple[float, float]:
        right, up = x - self.corner[0], y - self.corner[1]
        return (
            self.origin[0] + right * self.across[0] + up * self.up[0],
            self.origin[1] + right * self.across[1] + up * self.up[1],
        )


def _shown(page: pdfium.PdfPage, x: float, y: float) -> tuple[float, float]:
    across, down = ctypes.c_int(), ctypes.c_int()
    pdfium_raw.FPDF_PageToDevice(page, 0, 0, _FINE, _FINE, 0, x, y, across, down)
    return across.value / _FINE, down.value / _FINE


def _step(start: tuple[float, float], end: tuple[float, float], distance: float) -> tuple[float, float]:
    return (end[0] - start[0]) / distance, (end[1] - start[1]) / distance


def _on_page(value: float) -> float:
    return round(min(1.0, max(0.0, value)), 4) if math.isfinite(value) else 0.0
