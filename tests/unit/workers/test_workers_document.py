"""Documents as sources: real sandboxes, a real media store, and going on from any cursor."""

from __future__ import annotations

import hashlib
from itertools import islice
from pathlib import Path

import pytest

from services.common.domain import Box, Position
from services.common.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
    UnsupportedMediaTypeError,
)
from services.common.jobs.records import JobSource, ManifestLine
from services.common.media.images import read_header
from services.common.media.store import MediaStore
from services.common.objects import open_objects
from tests.fixtures.pdf_writer import PdfPage, PlacedPicture, jpeg, write_pdf
from workers.sandbox.runner import SandboxLimits
from workers.sources import document
from workers.sources.registry import open_source
from workers.sources.source import Listed, SourceTools

SENTENCE = "This is a sentence of a few words."
ENDLESS = b"q 5 w 0 0 m 100 700 600 0 300 300 c 10 500 600 600 5 5 c S Q\n" * 2_000_000


@pytest.fixture
def tools(tmp_path: Path) -> SourceTools:
    (tmp_path / "files").mkdir()
    return SourceTools(MediaStore(open_objects(str(tmp_path / "data"))), "t", [tmp_path / "files"])


def written(tools: SourceTools, name: str, data: bytes) -> Path:
    path = Path(tools.roots[0]) / name
    path.write_bytes(data)
    return path


def listed(tools: SourceTools, path: Path, after: str = "") -> list[Listed]:
    return list(open_source(JobSource("document", str(path)), tools).lines(after))


def report(pages: int) -> bytes:
    """Pages with a text of two passages, a photo of their own and a logo."""
    logo = PlacedPicture(jpeg(120, 120), (500, 700, 60, 60))
    return write_pdf(
        [
            PdfPage(
                [*[f"Page {number}. {SENTENCE}"] * 6, "", *[SENTENCE] * 6],
                [logo, PlacedPicture(jpeg(200 + number, 150, "blue"), (100, 100, 200, 150))],
            )
            for number in range(1, pages + 1)
        ],
        title="Annual report",
    )


def test_a_pdf_is_one_document_of_pages_passages_and_pictures(tools: SourceTools) -> None:
    data = report(2)
    path = written(tools, "r.pdf", data)
    lines = [each.line for each in listed(tools, path)]
    names = [line.name for line in lines]
    assert names[0] == "r.pdf, page 1"
    assert [name for name in names if "picture" in name] == [
        "r.pdf, page 1, picture 1",
        "r.pdf, page 1, picture 2",
        "r.pdf, page 2, picture 1",
    ]
    digest = hashlib.sha256(data).hexdigest()
    assert {line.document_id for line in lines} == {digest}
    assert {line.title for line in lines} == {"Annual report"}
    assert len({line.key for line in lines}) == len(lines)

    page, passage, picture = lines[0], lines[1], next(line for line in lines if "picture" in line.name)
    assert (page.position, page.key) == (Position(page=1), f"{digest}#page=1")
    assert page.source_uri == f"{path.as_uri()}#page=1"
    assert page.text.startswith(f"Page 1. {SENTENCE}")
    header = read_header(tools.media.get("t", page.sha256))
    assert max(header.width, header.height) == document.PAGE_SIDE_PX
    assert (passage.sha256, passage.key) == ("", f"{digest}#page=1&passage=1")
    assert passage.position is not None
    assert isinstance(passage.position.box, Box)
    assert picture.position is not None
    assert picture.position.box is not None
    assert tools.media.exists("t", picture.sha256)


@pytest.mark.parametrize("size", [1, 3, 7])
def test_a_document_is_read_on_from_any_cursor(tools: SourceTools, size: int) -> None:
    path = written(tools, "r.pdf", report(3))
    whole = [each.line for each in listed(tools, path)]
    parts: list[ManifestLine] = []
    cursor = ""
    source = open_source(JobSource("document", str(path)), tools)
    while part := list(islice(source.lines(cursor), size)):
        parts.extend(each.line for each in part)
        cursor = part[-1].cursor
    assert parts == whole


def test_a_file_that_changes_meanwhile_is_not_mixed_up(tools: SourceTools) -> None:
    path = written(tools, "r.pdf", report(1))
    cursor = listed(tools, path)[0].cursor
    path.write_bytes(report(2))
    with pytest.raises(InvalidRequestError, match="changed while it was read"):
        listed(tools, path, cursor)


def test_passages_are_cut_alike_all_the_way(tools: SourceTools, tmp_path: Path) -> None:
    path = written(tools, "r.pdf", report(2))
    small = SourceTools(tools.media, "t", tools.roots, passage_tokens=lambda: 32)
    whole = [each.line for each in listed(small, path)]
    first = listed(small, path)[0]
    assert [each.line for each in listed(tools, path, first.cursor)] == whole[1:]
    assert len(whole) > len(listed(tools, path))


def test_an_encoder_that_is_down_is_waited_for(tools: SourceTools) -> None:
    def down() -> int:
        raise UnavailableError("The encoder does not answer.")

    path = written(tools, "a.txt", b"words")
    with pytest.raises(UnavailableError):
        listed(SourceTools(tools.media, "t", tools.roots, passage_tokens=down), path)


def test_a_page_that_takes_for_ever_is_left_out_and_the_next_one_goes_in(tools: SourceTools) -> None:
    pages = [PdfPage(["one"]), PdfPage(["two"], extra=ENDLESS), PdfPage(["three"])]
    path = written(tools, "slow.pdf", write_pdf(pages))
    patient = SourceTools(tools.media, "t", tools.roots, sandbox=SandboxLimits(silence_s=6.0))
    found = listed(patient, path)
    assert [(each.line.name, each.error is None) for each in found] == [
        ("slow.pdf, page 1", True),
        ("slow.pdf, page 2", False),
        ("slow.pdf, page 3", True),
    ]
    after = listed(patient, path, found[1].cursor)
    assert [each.line for each in after] == [found[2].line]


def test_markdown_is_passages_of_one_document(tools: SourceTools) -> None:
    path = written(tools, "guide.md", "# Guide\nIntro.\n## Install\n安装。".encode())
    first, second = (each.line for each in listed(tools, path))
    assert (first.title, first.text, first.name) == ("Guide", "Intro.", "guide.md, passage 1")
    assert (second.title, second.text, second.position) == ("Guide › Install", "安装。", None)
    assert first.document_id == second.document_id != ""
    assert second.source_uri == path.as_uri()


def test_a_text_is_read_on_from_its_cursor(tools: SourceTools) -> None:
    path = written(tools, "a.txt", b"\n\n".join(f"{SENTENCE} {number} ".encode() * 9 for number in range(9)))
    whole = listed(tools, path)
    assert len(whole) > 8
    assert [each.line for each in listed(tools, path, whole[4].cursor)] == [each.line for each in whole[5:]]


@pytest.mark.parametrize(
    ("name", "data", "error", "words"),
    [
        ("a.txt", b"\x89PNG\r\n\x1a\n....", UnsupportedMediaTypeError, "a picture"),
        ("a.docx", b"PK\x03\x04....", UnsupportedMediaTypeError, "office document"),
        ("a.pdf", b"%PDF-1.4 nothing", InvalidRequestError, "damaged"),
        ("a.pdf", write_pdf([]), InvalidRequestError, "no pages"),
        ("a.pdf", write_pdf([PdfPage()], encrypted=True), InvalidRequestError, "encrypted"),
        ("a.txt", b"", InvalidRequestError, "no words"),
        ("a.txt", b"\x7fELF\x00\x01", InvalidRequestError, "Save it as UTF-8"),
    ],
)
def test_what_is_no_document_says_what_it_is(
    tools: SourceTools, name: str, data: bytes, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        listed(tools, written(tools, name, data))


def test_documents_lie_below_the_allowed_folders(tools: SourceTools, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    with pytest.raises(ForbiddenError):
        listed(tools, tmp_path / "secret.txt")
    with pytest.raises(NotFoundError):
        listed(tools, Path(tools.roots[0]) / "missing.pdf")
