"""The printed lines of a PDF's page, each with its place."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_raw

from workers.opening.documents.clean import clean
from workers.opening.documents.layout import Line
from workers.opening.documents.page_frame import PageFrame

MAX_PAGE_CHARS = 200_000
"""A page of a book has 3,000; what is beyond is not read."""
_HYPHEN = "\x02"
"""PDFium's sign for a hyphen at the end of a line, where it joins the two lines."""
_LINE_END = "\n\r"
_UNKNOWN = "\ufffd"


@dataclass
class _Open:
    """The line that is being read, with the corners of its characters in page coordinates."""

    text: list[str] = field(default_factory=list)
    left: float = float("inf")
    bottom: float = float("inf")
    right: float = float("-inf")
    top: float = float("-inf")

    def widen(self, rect: pdfium_raw.FS_RECTF) -> None:
        self.left, self.right = min(self.left, rect.left), max(self.right, rect.right)
        self.bottom, self.top = min(self.bottom, rect.bottom), max(self.top, rect.top)

    def close(self, frame: PageFrame, broken: bool) -> Iterator[Line]:
        text = " ".join(clean("".join(self.text)).split())
        if text:
            yield Line(text, frame.box(self.left, self.bottom, self.right, self.top), broken)


@dataclass(frozen=True)
class Words:
    """What is printed on a page.

    Attributes:
        lines: In the order in which the file has them, as a rule the one of reading.
        complete: Nothing was left out.
    """

    lines: list[Line]
    complete: bool


def read_words(page: pdfium.PdfPage, frame: PageFrame) -> Words:
    """The lines of a page.

    Args:
        page: Open.
        frame: Its own.
    """
    words = page.get_textpage()
    try:
        count = words.count_chars()
        return Words(list(_lines(words, min(count, MAX_PAGE_CHARS), frame)), count <= MAX_PAGE_CHARS)
    finally:
        words.close()


def _lines(words: pdfium.PdfTextPage, count: int, frame: PageFrame) -> Iterator[Line]:
    rect = pdfium_raw.FS_RECTF()
    place = ctypes.byref(rect)
    line = _Open()
    for index in range(count):
        character = _character(pdfium_raw.FPDFText_GetUnicode(words, index))
        if character in _LINE_END or character == _HYPHEN:
            yield from line.close(frame, character == _HYPHEN)
            line = _Open()
            continue
        line.text.append(character)
        if not character.isspace() and pdfium_raw.FPDFText_GetLooseCharBox(words, index, place):
            line.widen(rect)
    yield from line.close(frame, broken=False)


def _character(code: int) -> str:
    """Of a number that is no character (a font without a table of its letters) a sign that says so."""
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else _UNKNOWN
