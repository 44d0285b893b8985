"""Opens a PDF: of each page its image, its passages and the pictures on it. Runs in the sandbox.

Scripts, attachments and links are never followed: PDFium is built without an engine for scripts.

Records, by `kind`:
    document  title, pages
    page      page, text                       with the page's image
    passage   page, number, text, box
    picture   page, number, digest, box        with the picture
    error     page, what, code, message        instead of one of these
    end       page                             behind everything of a page
    passed    page                             instead of all of this: known already, or lost
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import Any, BinaryIO

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_raw

from services.common.errors import ImageragError, InvalidRequestError
from workers.opening.documents import page_words
from workers.opening.documents.embedded_pictures import embedded
from workers.opening.documents.layout import PlacedParagraph, paragraphs, region
from workers.opening.documents.page_frame import PageFrame
from workers.opening.documents.page_images import encode_picture
from workers.opening.documents.passages import cut
from workers.opening.documents.titles import Titled, pdf_title
from workers.sandbox.parts import Part

MAX_SCALE = 4.0
"""288 dots an inch: a small page is not blown up to a large picture."""
MAX_PAGE_TEXT_CHARS = 8_000
"""Of a page image's own text; its passages have all of it."""
_NO_PAGES = "The PDF has no pages, or the list of them is damaged. Export it anew."


@dataclass(frozen=True)
class _Reading:
    """How the pages are read.

    Attributes:
        titled: The document's title, and what it leaves to a passage.
        side_px: Longest side of a page's image.
        max_pixels: Of a picture on a page.
    """

    titled: Titled
    side_px: int
    max_pixels: int


def open_parts(file: BinaryIO, arguments: Mapping[str, Any]) -> Iterator[Part]:
    """See the module.

    Args:
        file: The PDF.
        arguments: `name` of the file, `tokens` of a passage, `first_page` (from 1; pages before it are left out),
            `lost_pages` (numbers of those that ended the process that read them), `side_px`, `max_pixels`.

    Raises:
        InvalidRequestError: It cannot be opened.
    """
    with _opened(file) as pdf:
        titled = Titled.of(pdf_title(_title(pdf), arguments["name"]), int(arguments["tokens"]))
        yield Part({"kind": "document", "title": titled.title, "pages": len(pdf)})
        reading = _Reading(titled, int(arguments["side_px"]), int(arguments["max_pixels"]))
        seen: set[str] = set()
        for number in range(1, len(pdf) + 1):
            if number < int(arguments["first_page"]):
                if number not in arguments["lost_pages"]:  # it would end this process as well
                    _note_pictures(pdf, number, seen)
                yield Part({"kind": "passed", "page": number})
            else:
                yield from _page_parts(pdf, number, reading, seen)
                yield Part({"kind": "end", "page": number})


@contextmanager
def _opened(file: BinaryIO) -> Iterator[pdfium.PdfDocument]:
    try:
        pdf = pdfium.PdfDocument(file)
    except pdfium.PdfiumError as error:
        raise _unopened(error.err_code) from error
    with pdf:
        if pdf.get_formtype() in {pdfium_raw.FORMTYPE_ACRO_FORM, pdfium_raw.FORMTYPE_XFA_FOREGROUND}:
            pdf.init_forms()  # what is filled in belongs to the page
        if not len(pdf):
            raise InvalidRequestError(_NO_PAGES)
        yield pdf


def _unopened(code: int | None) -> InvalidRequestError:
    if code == pdfium_raw.FPDF_ERR_PASSWORD:
        return InvalidRequestError("The PDF is encrypted. Save it without a password.")
    if code == pdfium_raw.FPDF_ERR_SECURITY:
        return InvalidRequestError(
            "The PDF is encrypted in a way that cannot be read. Save it without protection."
        )
    if code == pdfium_raw.FPDF_ERR_SUCCESS:
        return InvalidRequestError(_NO_PAGES)
    return InvalidRequestError("The PDF is damaged. Open it in a viewer and export it anew.")


def _title(pdf: pdfium.PdfDocument) -> str:
    try:
        return str(pdf.get_metadata_value("Title"))
    except (pdfium.PdfiumError, ValueError):
        return ""


def _note_pictures(pdf: pdfium.PdfDocument, number: int, seen: set[str]) -> None:
    """Which pictures an earlier page had: they were told when it was read."""
    try:
        with _page(pdf, number) as (page, frame):
            seen.update(picture.digest for picture in embedded(page, frame))
    except (ImageragError, pdfium.PdfiumError, ValueError):
        return  # was told as well


@contextmanager
def _page(pdf: pdfium.PdfDocument, number: int) -> Iterator[tuple[pdfium.PdfPage, PageFrame]]:
    try:
        page = pdf[number - 1]
    except pdfium.PdfiumError as error:
        raise InvalidRequestError("The page is damaged.") from error
    try:
        yield page, PageFrame.of(page)
    finally:
        page.close()


def _page_parts(pdf: pdfium.PdfDocument, number: int, reading: _Reading, seen: set[str]) -> Iterator[Part]:
    try:
        with _page(pdf, number) as (page, frame):
            placed, wrong = _read_words(page, number, frame)
            text = "\n\n".join(paragraph.text for paragraph in placed)
            drawn = _drawn(page, number, frame, text, reading)
            yield drawn
            yield from _passages(number, placed, reading, alone=drawn.record["kind"] == "error")
            yield from wrong
            yield from _pictures(page, number, frame, reading, seen)
    except Exception as error:  # the other pages still go in
        yield _error(number, "page", error)


def _read_words(page: pdfium.PdfPage, number: int, frame: PageFrame) -> tuple[list[PlacedParagraph], list[Part]]:
    """Paragraphs of a page, and what is wrong with them."""
    try:
        found = page_words.read_words(page, frame)
    except Exception as error:  # the image may still be good
        return [], [_error(number, "text", error)]
    placed = list(paragraphs(found.lines, frame.height_pt / frame.width_pt))
    if found.complete:
        return placed, []
    most = f"The page has more than {page_words.MAX_PAGE_CHARS:,} characters; the others are left out."
    return placed, [_error(number, "text", InvalidRequestError(most))]


def _drawn(page: pdfium.PdfPage, number: int, frame: PageFrame, text: str, reading: _Reading) -> Part:
    try:
        scale = min(reading.side_px / max(frame.width_pt, frame.height_pt), MAX_SCALE)
        bitmap = page.render(scale=scale)
        try:
            data = encode_picture(bitmap.to_pil())
        finally:
            bitmap.close()
    except Exception as error:  # its words may still be good
        return _error(number, "page", error)
    return Part({"kind": "page", "page": number, "text": text[:MAX_PAGE_TEXT_CHARS]}, data)


def _passages(number: int, placed: Sequence[PlacedParagraph], reading: _Reading, alone: bool) -> Iterator[Part]:
    """Passages of a page; a single one is what the page's image carries, unless it stands alone."""
    found = list(cut((each.paragraph() for each in placed), reading.titled.passage_tokens))
    if len(found) == 1 and not alone:
        return
    for count, passage in enumerate(found, start=1):
        box = astuple(region(placed, passage.pieces))
        yield Part({"kind": "passage", "page": number, "number": count, "text": passage.text, "box": box})


def _pictures(
    page: pdfium.PdfPage, number: int, frame: PageFrame, reading: _Reading, seen: set[str]
) -> Iterator[Part]:
    count = 0
    for picture in embedded(page, frame):
        if picture.digest in seen:
            continue
        seen.add(picture.digest)
        count += 1
        try:
            data = picture.encoded(reading.max_pixels)
        except Exception as error:  # the others still go in
            yield _error(number, f"picture {count}", error)
            continue
        record = {"kind": "picture", "page": number, "number": count, "digest": picture.digest}
        yield Part(record | {"box": astuple(picture.box)}, data)


def _error(number: int, what: str, error: Exception) -> Part:
    """What was left out, and why; what is not foreseen stays in the log."""
    if isinstance(error, ImageragError):
        code, message = error.code, error.message
    else:
        sys.excepthook(type(error), error, error.__traceback__)
        code, message = InvalidRequestError.code, "It is damaged or takes too much memory. Export the PDF anew."
    return Part({"kind": "error", "page": number, "what": what, "code": code, "message": message})
