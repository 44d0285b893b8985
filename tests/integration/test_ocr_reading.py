"""The real model in its own process: print, photographs, signs, held in any way; and what is no use to it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from PIL import Image

from services.common.errors import ImageError, ImageTooLargeError
from services.common.media.images import ImageLimits
from tests.fixtures.photos import CAT, COFFEE
from tests.fixtures.signs import HAS_CHINESE_FONT, PAGE, SIGN, menu, png, printed, running_down, turned
from workers.enrich.ocr.reader import PictureReader
from workers.sandbox.resident import ResidentLimits

pytest.importorskip("rapidocr", reason="needs the extra `ocr`")
ROWS = ["The ferry leaves at half past seven", "and comes back before it is dark.", "No dogs on deck."]


@pytest.fixture(scope="module")
def reader() -> Iterator[PictureReader]:
    with closing(PictureReader(ImageLimits(max_pixels=60_000_000), ResidentLimits())) as opened:
        yield opened


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def test_a_photographed_page_is_read_in_order(reader: PictureReader) -> None:
    found = reader.read(PAGE)
    assert "Region-based segmentation" in found.text
    assert "markers are pixels that we can label unambiguously as either object or background" in found.text
    assert (found.turned_deg, found.scripts) == (0, ("LATIN",))
    assert all(0 <= line.box.x0 < line.box.x1 <= 1 and 0 <= line.box.y0 < line.box.y1 <= 1 for line in found.lines)


def test_a_chinese_sign_seen_from_the_side(reader: PictureReader) -> None:
    found = reader.read(SIGN)
    assert found.text.split() == ["小心地滑", "请勿奔跑"]
    assert found.scripts == ("CJK",)


@pytest.mark.parametrize(("degrees", "deg"), [(0, 0), (90, 90), (180, 180), (270, 270)])
def test_print_is_read_however_it_was_held(reader: PictureReader, degrees: int, deg: int) -> None:
    found = reader.read(turned(png(printed(ROWS)), degrees))
    assert words(found.text) == words(" ".join(ROWS))
    assert found.turned_deg == deg


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_sign_is_read_however_it_was_held(reader: PictureReader, degrees: int) -> None:
    assert reader.read(turned(SIGN, degrees)).text.split()[0] == "小心地滑"


def test_a_long_screenshot_is_read_to_its_end(reader: PictureReader) -> None:
    rows = [f"Message number {number} of the conversation" for number in range(120)]
    found = reader.read(png(printed(rows, size_px=32)))
    assert words(found.text) == words(" ".join(rows))


def test_a_long_row_on_a_banner(reader: PictureReader) -> None:
    row = "Welcome to the annual meeting of lighthouse keepers"
    assert words(reader.read(png(printed([row], width=2600, size_px=90))).text) == words(row)


@pytest.mark.skipif(not HAS_CHINESE_FONT, reason="needs the font WenQuanYi Micro Hei")
def test_chinese_that_runs_down_and_a_menu_are_read_as_a_person_does(reader: PictureReader) -> None:
    poem = ["床前明月光", "疑是地上霜", "举头望明月"]
    assert reader.read(png(running_down(poem))).text == "".join(poem)
    dishes = [("红烧牛肉面", "28"), ("Espresso", "18"), ("番茄炒蛋", "22"), ("Green tea", "9.50")]
    assert reader.read(png(menu(dishes))).text.split("\n") == [f"{name} {price}" for name, price in dishes]


@pytest.mark.parametrize("data", [CAT, COFFEE], ids=["cat", "coffee"])
def test_photographs_without_text_have_none(reader: PictureReader, data: bytes) -> None:
    assert reader.read(data).text == ""


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 3), (40, 40)])
def test_pictures_of_odd_sizes(reader: PictureReader, size: tuple[int, int]) -> None:
    assert reader.read(png(Image.new("RGB", size, "white"))).text == ""


def test_what_is_no_picture_is_told_and_the_next_one_is_read(reader: PictureReader) -> None:
    with pytest.raises(ImageError):
        reader.read(b"\x89PNG\r\n\x1a\n" + bytes(40))
    with pytest.raises(ImageTooLargeError):
        reader.read(png(Image.new("L", (9000, 9000))))
    buffer = io.BytesIO()
    printed(["Still here"]).convert("CMYK").save(buffer, "JPEG")
    assert reader.read(buffer.getvalue()).text == "Still here"
