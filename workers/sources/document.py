"""A document: a PDF, a plain text or a Markdown text. Its pages, passages and pictures share a document id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from services.common.errors import (
    ImageError,
    ImageragError,
    InvalidRequestError,
    UnsupportedMediaTypeError,
)
from services.common.jobs.records import ManifestLine
from services.common.jobs.roots import allowed, open_allowed, source_path
from services.common.media.signatures import likely_kind, sniff
from workers.sandbox.parts import Part
from workers.sandbox.runner import SandboxLimits, open_parts
from workers.sources.document_cursor import DocumentCursor
from workers.sources.document_lines import DocumentLines, DocumentName, error_of
from workers.sources.source import Listed, SourceTools

MAX_DOCUMENT_BYTES = 4 * 1024**3
MAX_LOST_PAGES = 5
"""Pages that may end the process that reads them; with more of them the rest is not read."""
PAGE_SIDE_PX = 1600
"""Longest side of a page's image: print of 8 points is still read at that size."""
DOCUMENT_SUFFIXES = frozenset({".pdf", ".txt", ".text", ".md", ".markdown"})
_MARKDOWN_SUFFIXES = frozenset({".md", ".markdown"})
_PDF_MARK = b"%PDF-"
_HEAD_BYTES = 1024
"""A PDF's mark may stand anywhere in so many (ISO 32000, annex H)."""
_PAGE_LIMIT_S = 60.0
"""Longest time without anything new of a page."""


class DocumentSource:
    """A document that lies on the server.

    Args:
        path: A path or a `file://` URI.
        tools: See `SourceTools`.
    """

    def __init__(self, path: str, tools: SourceTools) -> None:
        self._path, self._tools = path, tools

    def lines(self, after: str) -> Iterator[Listed]:
        """See `Source.lines`; a cursor is a `DocumentCursor`."""
        path = allowed(source_path(self._path), self._tools.roots)
        with open_allowed(str(path), self._tools.roots, MAX_DOCUMENT_BYTES) as file:
            yield from read_document(file, Path(source_path(self._path)).name, path.as_uri(), self._tools, after)


def read_document(file: BinaryIO, name: str, uri: str, tools: SourceTools, after: str = "") -> Iterator[Listed]:
    """What a document holds, wherever it came from.

    Args:
        file: With a file descriptor: of the server, or a temporary one.
        name: Its file name; the suffix tells Markdown from plain text.
        uri: Its address; empty if it has none.
        tools: See `SourceTools`.
        after: As in `Source.lines`.

    Raises:
        ImageragError: It cannot be read, or not any further.
        UnavailableError: The encoder does not tell how long a passage may be.
    """
    document_id = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # has `readinto`
    cursor = DocumentCursor.parse(after) if after else DocumentCursor(document_id, tools.passage_tokens())
    if cursor.document_id != document_id:
        raise InvalidRequestError("The file was changed while it was read. Start a new job for it.")
    yield from _Reading(file, DocumentName(document_id, name, uri), _format(file, name), tools).lines(cursor)


@dataclass(frozen=True)
class _Format:
    """How a document is opened."""

    opener: str
    arguments: Mapping[str, Any]


def _format(file: BinaryIO, name: str) -> _Format:
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if _PDF_MARK in head:
        return _Format("workers.opening.pdf", {"side_px": PAGE_SIDE_PX})
    known = "a picture" if sniff(head) else likely_kind(head)
    is_markdown = PurePosixPath(name).suffix.lower() in _MARKDOWN_SUFFIXES
    if known and not is_markdown:  # a Markdown text may begin with a web page's tag
        raise UnsupportedMediaTypeError(
            f"This looks like {known}, and is not read as a document. Those are PDF, plain text and Markdown."
        )
    return _Format("workers.opening.text", {"markdown": is_markdown})


@dataclass
class _Reading:
    """One reading of a document; a page that ends its process is told, and the next one is read by another."""

    file: BinaryIO
    document: DocumentName
    format: _Format
    tools: SourceTools
    pages: int = 0

    def lines(self, cursor: DocumentCursor) -> Iterator[Listed]:
        """What the document holds from a cursor on."""
        while True:
            try:
                for reached, listed in self._listed(cursor):
                    cursor = reached
                    if listed:
                        yield listed
                return
            except ImageragError as error:
                if error.retryable or not self.pages or len(cursor.lost) >= MAX_LOST_PAGES:
                    raise  # not now; or it cannot be opened, has no pages, or page after page is like that
                cursor = cursor.without_page()
                page = f"{self.document.name}, page {cursor.page - 1}"
                yield Listed(ManifestLine(page), cursor.text(), error)
            if cursor.page > self.pages:
                return

    def _listed(self, cursor: DocumentCursor) -> Iterator[tuple[DocumentCursor, Listed | None]]:
        """From a cursor on, each with the cursor behind it; None where a page ends."""
        told = cursor.parts
        cursor = replace(cursor, parts=0)
        with closing(open_parts(self.format.opener, self.file, self._arguments(cursor), self._limits())) as parts:
            lines = self._begin(next(parts))
            for part in parts:
                if part.record["kind"] == "passed":
                    continue
                if part.record["kind"] == "end":
                    cursor, told = cursor.next_page(), 0
                    yield cursor, None
                    continue
                cursor = cursor.behind_part()
                if cursor.parts > told:
                    yield cursor, _listed(lines, part, cursor)

    def _begin(self, part: Part) -> DocumentLines:
        self.pages = int(part.record["pages"])
        return DocumentLines(self.document, str(part.record["title"]), self.pages, self.tools)

    def _arguments(self, cursor: DocumentCursor) -> dict[str, Any]:
        return {
            **self.format.arguments,
            "name": self.document.name,
            "tokens": cursor.tokens,
            "first_page": cursor.page,
            "lost_pages": cursor.lost,
            "max_pixels": self.tools.limits.max_pixels,
        }

    def _limits(self) -> SandboxLimits:
        ours = self.tools.sandbox
        return replace(ours, silence_s=min(ours.silence_s, _PAGE_LIMIT_S))


def _listed(lines: DocumentLines, part: Part, cursor: DocumentCursor) -> Listed:
    if part.record["kind"] == "error":
        return Listed(ManifestLine(lines.name(part.record)), cursor.text(), error_of(part.record))
    try:
        return Listed(lines.line(part), cursor.text())
    except ImageError as error:
        return Listed(ManifestLine(lines.name(part.record)), cursor.text(), error)
