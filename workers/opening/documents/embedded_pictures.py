"""The pictures that stand on a PDF's page."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_raw
from PIL import Image

from services.common.domain import Box
from services.common.errors import ImageError, ImageTooLargeError
from services.common.media.images import PILLOW_ALARM_PIXELS
from workers.opening.documents.page_frame import PageFrame
from workers.opening.documents.page_images import encode_picture

MIN_SIDE_PX = 64
MIN_PIXELS = 10_000
"""Below are bullets, rules and signs."""
MIN_SHOWN_PT = 8.0
"""A picture that is shown smaller (1/72 inch) is a trick of the layout: a shadow, a line."""
WHOLE_PAGE_SHARE = 0.85
"""A picture that covers more of its page is the page: a scan."""
MAX_PAGE_PICTURES = 1_000
_MOST_UNEVEN = 2.0
"""Shown more stretched than this, a picture is taken as it lies in the file."""


@dataclass(frozen=True)
class Embedded:
    """A picture on a page; its pixels are not read yet.

    Attributes:
        digest: Of its data in the file; the same picture on another page has the same.
        box: Where it is shown.
    """

    digest: str
    box: Box
    image: pdfium.PdfImage

    def encoded(self, max_pixels: int) -> bytes:
        """Its bytes: a JPEG as it lies in the file, others as they are shown.

        Raises:
            ImageError: It cannot be read.
        """
        width, height = self.image.get_px_size()
        if width * height > min(max_pixels, PILLOW_ALARM_PIXELS):
            raise ImageTooLargeError(
                f"The picture is {width} x {height} pixels; at most {max_pixels:,} pixels are accepted."
            )
        try:
            return _jpeg(self.image) or encode_picture(_bitmap(self.image).to_pil())
        except (pdfium.PdfiumError, ValueError, OSError) as error:
            raise ImageError("The picture is damaged or of a kind that cannot be read.") from error


def embedded(page: pdfium.PdfPage, frame: PageFrame) -> Iterator[Embedded]:
    """Pictures of a page that are worth an item, in the order of the file; the same one perhaps several times.

    Args:
        page: Open, and kept open as long as the pictures.
        frame: Its own.
    """
    found = page.get_objects(filter=[pdfium_raw.FPDF_PAGEOBJ_IMAGE])
    for _, image in zip(range(MAX_PAGE_PICTURES), found, strict=False):
        width, height = image.get_px_size()
        if min(width, height) < MIN_SIDE_PX or width * height < MIN_PIXELS:
            continue
        box = _place(image, frame)
        if box is not None:
            yield Embedded(_digest(image, width, height), box, image)


def _place(image: pdfium.PdfImage, frame: PageFrame) -> Box | None:
    """Where it is shown; None if it is hardly seen or is the whole page."""
    left, bottom, right, top = _bounds(image)
    if not all(map(math.isfinite, (left, bottom, right, top))):
        return None
    if min(right - left, top - bottom) < MIN_SHOWN_PT:
        return None
    box = frame.box(left, bottom, right, top)
    share = (box.x1 - box.x0) * (box.y1 - box.y0)
    return box if 0 < share <= WHOLE_PAGE_SHARE else None


def _bounds(image: pdfium.PdfImage) -> tuple[float, float, float, float]:
    """Left, bottom, right and top on the page; within a form PDFium tells those in the form."""
    left, bottom, right, top = image.get_bounds()
    corners = [(x, y) for x in (left, right) for y in (bottom, top)]
    container = image.container
    while container is not None:
        matrix = container.get_matrix()
        corners = [matrix.on_point(x, y) for x, y in corners]
        container = container.container
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def _digest(image: pdfium.PdfImage, width: int, height: int) -> str:
    digest = hashlib.sha256(f"{width}x{height}:".encode())
    digest.update(image.get_data(decode_simple=False))
    return digest.hexdigest()


def _jpeg(image: pdfium.PdfImage) -> bytes | None:
    """The JPEG that lies in the file; None if there is none, or one for printers (CMYK)."""
    if image.get_filters(skip_simple=True) != ["DCTDecode"]:
        return None
    data = bytes(image.get_data(decode_simple=True))
    with Image.open(BytesIO(data), formats=["JPEG"]) as opened:
        return data if opened.mode in {"RGB", "L"} else None


def _bitmap(image: pdfium.PdfImage) -> pdfium.PdfBitmap:
    """As it is shown, with its mask: without it, what is transparent would be black."""
    width, height = image.get_px_size()
    left, bottom, right, top = image.get_bounds()
    across, down = sorted((width, height)), sorted((right - left, top - bottom))
    scales = sorted(pixels / max(shown, 1e-6) for pixels, shown in zip(across, down, strict=True))
    evenly = scales[1] <= scales[0] * _MOST_UNEVEN
    return image.get_bitmap(render=evenly)
