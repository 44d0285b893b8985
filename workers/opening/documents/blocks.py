"""The blocks of a plain text or of a Markdown text, read as a stream. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from workers.opening.documents.passages import Paragraph

MAX_PARAGRAPH_CHARS = 65_536
"""A longer one is taken as several, so that a text without an empty line is not held as a whole."""
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r"^ {0,3}(=+|-{2,})[ \t]*$")
_INDENTED = re.compile(r"^(?: {4}|\t)")
_ROW = re.compile(r"^ {0,3}\|")


@dataclass(frozen=True)
class Heading:
    """A heading.

    Attributes:
        level: 1 is the outermost.
    """

    level: int
    text: str


Block = Heading | Paragraph


def plain_blocks(lines: Iterable[str]) -> Iterator[Paragraph]:
    """Paragraphs of a plain text: what stands between empty lines."""
    reading = _Paragraphs()
    for line in lines:
        yield from reading.add(line) if line.strip() else reading.close()
    yield from reading.close()


def markdown_blocks(lines: Iterable[str]) -> Iterator[Block]:
    """Headings, paragraphs, code and tables of a Markdown text (CommonMark 0.31; markup within lines stays)."""
    reading, fence = _Paragraphs(), ""
    for line in lines:
        if fence:
            yield from reading.add(line, verbatim=True)
            if _closes(line, fence):
                fence = ""
                yield from reading.close()
        elif opening := _FENCE.match(line):
            fence = opening[1]
            yield from reading.close()
            yield from reading.add(line, verbatim=True)
        else:
            yield from _outside_code(reading, line)
    yield from reading.close()


def _outside_code(reading: _Paragraphs, line: str) -> Iterator[Block]:
    underline = _UNDERLINE.match(line)
    if underline and reading.is_one_line:
        yield Heading(1 if underline[1].startswith("=") else 2, reading.take().strip())
    elif heading := _HEADING.match(line):
        yield from reading.close()
        yield Heading(len(heading[1]), heading[2] or "")
    elif not line.strip():
        yield from reading.close_unless_code()
    else:
        yield from reading.add(line, verbatim=_is_verbatim(reading, line))


def _is_verbatim(reading: _Paragraphs, line: str) -> bool:
    if _ROW.match(line):
        return True
    # Within a paragraph an indented line is just a line.
    return bool(_INDENTED.match(line)) and (not reading.lines or reading.verbatim)


def _closes(line: str, fence: str) -> bool:
    text = line.strip()
    return text.startswith(fence) and not text.strip(fence[0])


@dataclass
class _Paragraphs:
    """The block that is being read."""

    lines: list[str] = field(default_factory=list)
    chars: int = 0
    verbatim: bool = False

    @property
    def is_one_line(self) -> bool:
        """Whether it may be a heading, if it is underlined."""
        return len(self.lines) == 1 and not self.verbatim

    def add(self, line: str, verbatim: bool = False) -> Iterator[Paragraph]:
        if self.lines and (verbatim != self.verbatim or self.chars + len(line) > MAX_PARAGRAPH_CHARS):
            yield from self.close()
        self.verbatim = verbatim
        self.lines.append(line)
        self.chars += len(line)

    def close(self) -> Iterator[Paragraph]:
        verbatim = self.verbatim
        text = self.take()
        if text.strip():
            yield Paragraph(text, verbatim)

    def close_unless_code(self) -> Iterator[Paragraph]:
        """At an empty line: indented code goes on behind it."""
        if self.verbatim and self.lines and _INDENTED.match(self.lines[-1]):
            yield from self.add("", verbatim=True)
        else:
            yield from self.close()

    def take(self) -> str:
        text = "\n".join(self.lines)
        self.lines, self.chars, self.verbatim = [], 0, False
        return text if text.startswith((" ", "\t")) else text.strip()
