"""One picture with a reader one can see through: turned, tall, large."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from workers.enrich.ocr.lines import TextLine
from workers.enrich.ocr.picture import Pixels, read_picture

COLOURS = {(200, 0, 0): "first line of it", (0, 160, 0): "second line of it", (0, 0, 220): "third line of it"}
WIDTH, HEIGHT = 400, 24


class BarReader:
    """Reads bars as lines: by their colour. A bar begins with a dark end; otherwise held, it is hardly legible."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    def lines(self, pixels: Pixels) -> list[TextLine]:
        """One line a bar."""
        self.sizes.append((pixels.shape[1], pixels.shape[0]))
        return [found for colour, text in COLOURS.items() for found in self._found(pixels, colour, text)]

    def _found(self, pixels: Pixels, colour: tuple[int, int, int], text: str) -> list[TextLine]:
        rows, columns = np.nonzero((np.abs(pixels.astype(int) - colour) < 60).all(2))
        if not len(rows):
            return []
        left, right, top, bottom = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
        before = pixels[(top + bottom) // 2, max(left - 6, 0)]
        score = 0.95 if right - left > bottom - top and before.max() < 90 else 0.4
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        return [TextLine(text, score, tuple((float(x), float(y)) for x, y in corners))]  # type: ignore[arg-type]


def page(width: int = 600, height: int = 400, tops: tuple[int, ...] = (40, 80, 120)) -> Image.Image:
    picture = Image.new("RGB", (width, height), "white")
    for top, colour in zip(tops, COLOURS, strict=False):
        picture.paste((20, 20, 20), (100 - 30, top, 100, top + HEIGHT))
        picture.paste(colour, (100, top, 100 + WIDTH, top + HEIGHT))
    return picture


TEXT = "first line of it second line of it third line of it"


def test_an_upright_picture_is_read_once() -> None:
    reader = BarReader()
    found = read_picture(reader, page())
    assert (found.text, found.turned_deg, found.scripts) == (TEXT, 0, ("LATIN",))
    assert reader.sizes == [(600, 400)]
    box = found.lines[0].box
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((1 / 6, 0.1, 5 / 6, 0.16))


@pytest.mark.parametrize(
    ("turned", "deg"),
    [
        (Image.Transpose.ROTATE_90, 90),
        (Image.Transpose.ROTATE_180, 180),
        (Image.Transpose.ROTATE_270, 270),
    ],
)
def test_a_picture_that_was_held_otherwise_is_turned(turned: Image.Transpose, deg: int) -> None:
    picture = page().transpose(turned)
    found = read_picture(BarReader(), picture)
    assert (found.text, found.turned_deg) == (TEXT, deg)
    for line, colour in zip(found.lines, COLOURS, strict=True):
        x = round((line.box.x0 + line.box.x1) / 2 * picture.width)
        y = round((line.box.y0 + line.box.y1) / 2 * picture.height)
        assert picture.getpixel((x, y)) == colour, "the box is elsewhere in the picture as it is stored"


def test_a_tall_picture_is_read_in_pieces_and_each_line_once() -> None:
    reader = BarReader()
    found = read_picture(reader, page(1000, 5000, (1815, 2000, 4900)))
    assert found.text.replace("\n", " ") == TEXT
    assert len(reader.sizes) == 3
    assert found.lines[-1].box.y0 == pytest.approx(0.98)


def test_without_time_what_was_read_so_far_is_the_answer() -> None:
    reader = BarReader()
    found = read_picture(reader, page(1000, 5000, (40, 2000, 4900)), has_time=lambda: not reader.sizes)
    assert (found.text, found.complete, len(reader.sizes)) == ("first line of it", False, 1)
    assert read_picture(BarReader(), page(1000, 5000, (40, 2000, 4900))).complete


def test_a_large_picture_is_scaled_and_its_boxes_are_those_of_the_whole() -> None:
    reader = BarReader()
    found = read_picture(reader, page().resize((3000, 2000), Image.Resampling.NEAREST))
    assert reader.sizes == [(2000, 1333)]
    assert found.text == TEXT
    assert found.lines[0].box.x0 == pytest.approx(1 / 6, abs=0.01)


def test_without_text_there_is_none() -> None:
    reader = BarReader()
    found = read_picture(reader, Image.new("RGB", (300, 300), "white"))
    assert (found.text, found.lines, found.scripts) == ("", (), ())
    assert len(reader.sizes) == 1, "a picture without text must not be read four times"
