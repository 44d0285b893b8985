"""From what an opener finds in a document to the lines of a job. Pure, but for the pictures that are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.common.domain import Box, Position
from services.common.errors import ImageragError, rebuild
from services.common.jobs.records import ManifestLine
from workers.sandbox.parts import Part
from workers.sources.source import SourceTools


@dataclass(frozen=True)
class DocumentName:
    """What a document is known by.

    Attributes:
        document_id: Hex SHA-256 of its bytes.
        name: Its file's, for a person.
        uri: Where it was read; empty if it has no address.
    """

    document_id: str
    name: str
    uri: str


@dataclass(frozen=True)
class DocumentLines:
    """Makes lines.

    The key of a line is its place in the document and not its content: reading the same file again, with another
    text tower or another version of the reader, writes the same items anew.

    Attributes:
        document: Its name.
        title: Its title, shortened to fit beside its passages.
        pages: 0: it has none.
        tools: Keep the pictures.
    """

    document: DocumentName
    title: str
    pages: int
    tools: SourceTools

    def line(self, part: Part) -> ManifestLine:
        """The line of a part.

        Raises:
            ImageError: Its picture is not accepted.
        """
        record = part.record
        what = _what(record)
        return ManifestLine(
            name=self.name(record),
            key=f"{self.document.document_id}#{what}",
            sha256=self.tools.keep(part.data) if part.data else "",
            title=str(record.get("title", self.title)),
            text=str(record.get("text", "")),
            source_uri=self._uri(int(record["page"])),
            document_id=self.document.document_id,
            position=self._position(record),
        )

    def name(self, record: dict[str, Any]) -> str:
        """E.g. "report.pdf, page 3, passage 2"."""
        page = [f"page {record['page']}"] if self.pages else []
        kind = record["kind"] if record["kind"] != "error" else record["what"]
        within = [] if kind == "page" else [f"{kind} {record['number']}" if "number" in record else str(kind)]
        return ", ".join([self.document.name, *page, *within])

    def _uri(self, page: int) -> str:
        """Viewers open a PDF at the page that its fragment names (RFC 8118)."""
        return f"{self.document.uri}#page={page}" if self.document.uri and self.pages else self.document.uri

    def _position(self, record: dict[str, Any]) -> Position | None:
        if not self.pages:
            return None
        box = Box(*map(float, record["box"])) if "box" in record else None
        return Position(page=int(record["page"]), box=box)


def error_of(record: dict[str, Any]) -> ImageragError:
    """What an opener said about one part."""
    return rebuild(str(record["code"]), str(record["message"]))


def _what(record: dict[str, Any]) -> str:
    match record["kind"]:
        case "page":
            return f"page={record['page']}"
        case "picture":
            return f"picture={record['digest'][:32]}"
    return f"page={record['page']}&passage={record['number']}"
