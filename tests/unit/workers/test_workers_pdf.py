"""What is found in a PDF: pages, passages with their places, pictures, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from services.common.domain import Box
from services.common.errors import InvalidRequestError
from services.common.media.images import read_header
from tests.fixtures.pdf_writer import PdfPage, PlacedPicture, jpeg, write_pdf
from workers.opening.documents.layout import Line, PlacedParagraph, paragraphs, region
from workers.opening.documents.page_images import encode_picture
from workers.opening.documents.passages import Paragraph, cut
from workers.opening.pdf import open_parts
from workers.sandbox.parts import Part

SIDE_PX = 800
SENTENCE = "This is a sentence of a few words."


def opened(data: bytes, tokens: int = 77, first_page: int = 1, max_pixels: int = 50_000_000) -> list[Part]:
    arguments = {
        "name": "report.pdf",
        "tokens": tokens,
        "first_page": first_page,
        "lost_pages": [],
        "side_px": SIDE_PX,
        "max_pixels": max_pixels,
    }
    return list(open_parts(BytesIO(data), arguments))


def of_kind(parts: Sequence[Part], kind: str) -> list[dict[str, Any]]:
    return [part.record for part in parts if part.record["kind"] == kind]


def test_a_page_is_an_image_with_its_text() -> None:
    parts = opened(write_pdf([PdfPage(["Hello (world)", "", "Second paragraph"])], title="A Report"))
    assert parts[0].record == {"kind": "document", "title": "A Report", "pages": 1}
    (page,) = of_kind(parts, "page")
    assert page["text"] == "Hello (world)\n\nSecond paragraph"
    header = read_header(parts[1].data)
    assert (header.format, header.height, header.width) == ("PNG", SIDE_PX, 619)
    assert of_kind(parts, "passage") == [], "the page's image carries its one passage"


def test_passages_say_where_they_stand() -> None:
    lines = [*[SENTENCE] * 4, "", *[SENTENCE.upper()] * 4]
    found = of_kind(opened(write_pdf([PdfPage(lines)]), tokens=60), "passage")
    assert [passage["number"] for passage in found] == [1, 2]
    assert found[0]["text"] == " ".join([SENTENCE] * 4)
    first, second = (Box(*passage["box"]) for passage in found)
    assert 0.05 < first.y0 < 72 / 792 < first.y1 < second.y0 < second.y1 < 0.3
    assert first.x0 == pytest.approx(72 / 612, abs=0.01)


def test_a_word_that_is_hyphenated_at_the_end_of_a_line_is_whole_again() -> None:
    (page,) = of_kind(opened(write_pdf([PdfPage(["An exam-", "ple of it."])])), "page")
    assert page["text"] == "An example of it."


@pytest.mark.parametrize(
    ("rotate", "place"),
    [
        (0, (0.0, 0.875, 0.1634, 1.0)),
        (90, (0.0, 0.0, 0.125, 0.1634)),
        (180, (0.8366, 0.0, 1.0, 0.125)),
        (270, (0.875, 0.8366, 1.0, 1.0)),
    ],
)
def test_places_are_those_on_the_page_as_it_is_shown(rotate: int, place: tuple[float, ...]) -> None:
    page = PdfPage(pictures=[PlacedPicture(jpeg(200, 200), (0, 0, 100, 99))], rotate=rotate)
    parts = opened(write_pdf([page]))
    (picture,) = of_kind(parts, "picture")
    assert picture["box"] == pytest.approx(place, abs=0.001)
    with Image.open(BytesIO(parts[1].data)) as drawn:
        box = Box(*place)
        middle = ((box.x0 + box.x1) / 2 * drawn.width, (box.y0 + box.y1) / 2 * drawn.height)
        assert drawn.convert("RGB").getpixel((int(middle[0]), int(middle[1]))) == (254, 0, 0)


def test_a_page_that_begins_elsewhere_than_at_zero_is_placed_as_well() -> None:
    page = PdfPage(
        pictures=[PlacedPicture(jpeg(200, 200), (1000, 2000, 306, 396))], media_box="1000 2000 1612 2792"
    )
    (picture,) = of_kind(opened(write_pdf([page])), "picture")
    assert picture["box"] == pytest.approx((0, 0.5, 0.5, 1), abs=0.001)


def test_a_logo_on_each_page_is_told_once_and_tiny_pictures_never() -> None:
    logo = PlacedPicture(jpeg(120, 120), (500, 700, 60, 60))
    bullet = PlacedPicture(jpeg(16, 16, "blue"), (50, 700, 8, 8))
    hairline = PlacedPicture(jpeg(300, 300, "green"), (50, 600, 500, 1))
    photo = PlacedPicture(jpeg(640, 480, "yellow"), (100, 100, 320, 240))
    pages = [PdfPage(pictures=[logo, bullet]), PdfPage(pictures=[logo, hairline, photo])]
    parts = opened(write_pdf(pages))
    found = of_kind(parts, "picture")
    assert [(picture["page"], picture["number"]) for picture in found] == [(1, 1), (2, 1)]
    data = next(part.data for part in parts if part.record == found[1])
    assert data == photo.jpeg, "a JPEG comes as it lies in the file"
    assert of_kind(opened(write_pdf(pages), first_page=2), "picture") == found[1:], (
        "also when page 1 was read before"
    )


def test_a_scan_of_the_page_is_the_page() -> None:
    scan = PlacedPicture(jpeg(850, 1100), (0, 0, 612, 792))
    assert of_kind(opened(write_pdf([PdfPage(pictures=[scan])])), "picture") == []


def test_a_picture_in_a_form_is_placed_on_the_page() -> None:
    placed = PlacedPicture(jpeg(200, 200), (0, 0, 306, 396))
    page = PdfPage(pictures=[placed], form="0.5 0 0 0.5 306 396")
    (picture,) = of_kind(opened(write_pdf([page])), "picture")
    assert picture["box"] == pytest.approx((0.5, 0.25, 0.75, 0.5), abs=0.001)


def test_a_picture_with_too_many_pixels_fails_alone() -> None:
    pictures = [
        PlacedPicture(jpeg(400, 400), (0, 0, 100, 100)),
        PlacedPicture(jpeg(150, 150, "blue"), (200, 0, 100, 100)),
    ]
    parts = opened(write_pdf([PdfPage(pictures=pictures)]), max_pixels=40_000)
    (error,) = of_kind(parts, "error")
    assert (error["what"], error["code"]) == ("picture 1", "image_too_large")
    assert [picture["number"] for picture in of_kind(parts, "picture")] == [2]


def test_a_broken_page_leaves_the_others_alone() -> None:
    parts = opened(write_pdf([PdfPage(["one"]), PdfPage(broken=True), PdfPage(["three"])]))
    assert [page["text"] for page in of_kind(parts, "page")] == ["one", "three"]
    (error,) = of_kind(parts, "error")
    assert (error["page"], error["message"]) == (2, "The page is damaged.")
    assert [end["page"] for end in of_kind(parts, "end")] == [1, 2, 3]


@pytest.mark.parametrize(
    ("media_box", "size"),
    [
        ("0 0 14400 14400", (800, 800)),
        ("0 0 2000000 100", (800, 1)),
        ("0 0 10 10", (40, 40)),
        ("0 0 0 0", (619, 800)),
        ("0 0 -5 nonsense", (619, 800)),
    ],
)
def test_odd_page_sizes_are_drawn_or_said_to_be_odd(media_box: str, size: tuple[int, int]) -> None:
    data = write_pdf([PdfPage(media_box="0 0 612 792")]).replace(b"0 0 612 792", media_box.encode())
    parts = opened(data)
    (page,) = [part for part in parts if part.record["kind"] in {"page", "error"}]
    if page.record["kind"] == "page":
        header = read_header(page.data)
        assert (header.width, header.height) == size


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (write_pdf([PdfPage(["x"])], encrypted=True), "encrypted"),
        (b"%PDF-1.7 and nothing else", "damaged"),
        (b"", "damaged"),
    ],
)
def test_a_pdf_that_cannot_be_opened_says_what_to_do(data: bytes, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        opened(data)


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=40))
def test_a_damaged_pdf_gives_pages_or_a_reason(place: int, rubbish: bytes) -> None:
    whole = write_pdf([PdfPage([SENTENCE], [PlacedPicture(jpeg(120, 120), (10, 10, 90, 90))])])
    place %= len(whole)
    try:
        parts = opened(whole[:place] + rubbish + whole[place + len(rubbish) :])
    except InvalidRequestError as error:
        assert error.message  # noqa: PT017
        return
    assert all(record["message"] for record in of_kind(parts, "error"))


def test_scripts_and_attachments_are_left_alone() -> None:
    catalogue = "/OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>/Names<</EmbeddedFiles<</Names[]>>>>"
    (page,) = of_kind(opened(write_pdf([PdfPage(["safe"])], catalogue=catalogue)), "page")
    assert page["text"] == "safe"


def test_photographs_are_kept_as_jpeg_and_print_as_grey_png() -> None:
    gradient = Image.linear_gradient("L").resize((300, 300))
    photo = Image.merge("RGB", (gradient, gradient.rotate(90), gradient.rotate(45)))
    assert read_header(encode_picture(photo)).format == "JPEG"
    with Image.open(BytesIO(encode_picture(gradient))) as drawn:
        assert (drawn.format, drawn.mode) == ("PNG", "L")
    clear = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    with Image.open(BytesIO(encode_picture(clear))) as shown:
        assert shown.convert("RGB").getpixel((5, 5)) == (255, 255, 255)


def line(text: str, x: float, y: float, height: float = 0.02, width: float = 0.4, broken: bool = False) -> Line:
    return Line(text, Box(x, y, x + width, y + height), broken)


def grouped(lines: Sequence[Line]) -> list[str]:
    return [found.text for found in paragraphs(lines, 1.3)]


def test_lines_are_grouped_by_space_size_column_and_indent() -> None:
    lines = [
        line("Heading", 0.1, 0.1, height=0.04),
        line("One", 0.1, 0.2),
        line("two.", 0.1, 0.222),
        line("Three", 0.15, 0.244),
        line("four.", 0.1, 0.266),
        line("Five", 0.1, 0.32),
        line("next column", 0.6, 0.2),
        line("goes on", 0.6, 0.222),
    ]
    assert grouped(lines) == ["Heading", "One two.", "Three four.", "Five", "next column goes on"]


def test_lines_of_chinese_are_joined_without_a_space() -> None:
    assert grouped([line("北京是", 0.1, 0.1), line("首都。", 0.1, 0.122), line("and", 0.1, 0.144)]) == [
        "北京是首都。 and"
    ]


WORDS = st.text("abc 北。.", min_size=1, max_size=30).filter(lambda text: bool(text.strip()))
PLACES = st.floats(0, 0.5)


@given(st.lists(st.builds(line, WORDS.map(str.strip), PLACES, PLACES, broken=st.booleans()), max_size=20))
def test_no_line_is_lost_and_every_passage_lies_where_its_lines_do(lines: list[Line]) -> None:
    placed: list[PlacedParagraph] = list(paragraphs(lines, 1.3))
    kept = "".join(paragraph.text for paragraph in placed).replace(" ", "")
    assert kept == "".join(each.text for each in lines).replace(" ", "")
    every = [one.box for paragraph in placed for one in paragraph.lines]
    assert every == [each.box for each in lines]
    for passage in cut((Paragraph(paragraph.text) for paragraph in placed), 8):
        box = region(placed, passage.pieces)
        assert box.x0 <= box.x1
        assert box.y0 <= box.y1
