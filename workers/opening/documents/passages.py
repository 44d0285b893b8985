"""Cuts paragraphs into passages that a text tower can take as a whole. Pure.

A passage ends, if it can, with a paragraph, else with a sentence. A sentence that is too long by itself is cut
between words, and the next passage repeats a few of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from workers.opening.documents.tokens import UNSPACED, count_tokens

SMALLEST_LIMIT_TOKENS = 8
_OVERLAP_SHARE = 8
"""A cut sentence is repeated by one part in so many of the limit."""
# A new entry of a list ends what stands before it, too.
_SENTENCE_END = re.compile(
    r"[.!?…]+[\"'”’)\]]*(?=\s)|[。！？；…]+[」』”’）》】]*|\n(?=[ \t]*(?:[-*+•·]|\d{1,3}[.)])[ \t])"
)
_LINE_END = re.compile(r"\n")
_UNIT = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")


@dataclass(frozen=True)
class Paragraph:
    """Text that belongs together.

    Attributes:
        verbatim: Code or a table: it is cut between lines, for it has no sentences.
    """

    text: str
    verbatim: bool = False


@dataclass(frozen=True)
class Piece:
    """The part of a paragraph that stands in a passage.

    Attributes:
        paragraph: Its number, from 0.
        start: First character, within the paragraph.
        end: Behind the last one.
    """

    paragraph: int
    start: int
    end: int


@dataclass(frozen=True)
class Passage:
    """What is embedded as one text.

    Attributes:
        text: Its pieces, with an empty line between two paragraphs.
        pieces: Where it stands, one for each paragraph.
    """

    text: str
    pieces: tuple[Piece, ...]


def cut(paragraphs: Iterable[Paragraph], limit_tokens: int) -> Iterator[Passage]:
    """Cut a text; one paragraph at a time is held in memory.

    Args:
        paragraphs: In order. Empty ones are passed over, and keep their number.
        limit_tokens: Most tokens of a passage by `count_tokens`; at least `SMALLEST_LIMIT_TOKENS` is taken.

    Returns:
        Passages in order. Every word is in one of them; only words of a cut sentence are in two.
    """
    packing = _Packing(max(limit_tokens, SMALLEST_LIMIT_TOKENS))
    for number, paragraph in enumerate(paragraphs):
        yield from packing.add(number, paragraph)
    yield from packing.finish()


@dataclass(frozen=True)
class _Atom:
    """What is not cut any more: as a rule a sentence.

    Attributes:
        resumes: It goes on in the middle of a sentence, so a passage begins with it.
    """

    start: int
    end: int
    tokens: int
    resumes: bool = False


@dataclass
class _Packing:
    """The passage that is being filled."""

    limit: int
    pieces: list[Piece] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    used: int = 0

    def add(self, number: int, paragraph: Paragraph) -> Iterator[Passage]:
        atoms = list(_atoms(paragraph, self.limit))
        whole = sum(atom.tokens for atom in atoms)
        better_apart = whole <= self.limit or 2 * self.used >= self.limit
        if self.used + whole > self.limit and better_apart:
            yield from self.finish()
        for atom in atoms:
            if atom.resumes or self.used + atom.tokens > self.limit:
                yield from self.finish()
            self._take(number, paragraph.text, atom)

    def finish(self) -> Iterator[Passage]:
        if self.pieces:
            yield Passage("\n\n".join(self.texts), tuple(self.pieces))
        self.pieces, self.texts, self.used = [], [], 0

    def _take(self, number: int, text: str, atom: _Atom) -> None:
        self.used += atom.tokens
        if self.pieces and self.pieces[-1].paragraph == number:
            start = self.pieces.pop().start
            self.texts.pop()
        else:
            start = atom.start
        self.pieces.append(Piece(number, start, atom.end))
        self.texts.append(text[start : atom.end])


def _atoms(paragraph: Paragraph, limit: int) -> Iterator[_Atom]:
    ends = _LINE_END if paragraph.verbatim else _SENTENCE_END
    for start, end in _between(paragraph.text, ends):
        tokens = count_tokens(paragraph.text[start:end])
        if tokens <= limit:
            yield _Atom(start, end, tokens)
        else:
            yield from _parts(paragraph.text, start, end, limit)


def _between(text: str, ends: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Spans that end where `ends` says, without blank space on either side; verbatim lines keep their indent."""
    start = 0
    for stop in [*(found.end() for found in ends.finditer(text)), len(text)]:
        part = text[start:stop]
        if part.strip():
            indent = 0 if ends is _LINE_END else len(part) - len(part.lstrip())
            yield start + indent, start + len(part.rstrip())
        start = stop


def _parts(text: str, start: int, end: int, limit: int) -> Iterator[_Atom]:
    """A sentence that is too long, in overlapping parts."""
    units = list(_units(text, start, end, limit))
    first, resumes = 0, False
    while first < len(units):
        used, last = 0, first
        while last < len(units) and used + units[last].tokens <= limit:
            used += units[last].tokens
            last += 1
        yield _Atom(units[first].start, units[last - 1].end, used, resumes)
        if last == len(units):
            return
        first, resumes = _step_back(units, first, last, limit), True


def _step_back(units: list[_Atom], first: int, last: int, limit: int) -> int:
    """Where the next part begins: some units before the end of this one, and behind its beginning."""
    spare = min(limit // _OVERLAP_SHARE, limit - units[last].tokens)
    while last - 1 > first and units[last - 1].tokens <= spare:
        last -= 1
        spare -= units[last].tokens
    return last


def _units(text: str, start: int, end: int, limit: int) -> Iterator[_Atom]:
    """Words, or characters where no spaces are written; of an endless word as much as surely fits."""
    for found in _UNIT.finditer(text, start, end):
        tokens = count_tokens(found.group())
        if tokens <= limit:
            yield _Atom(found.start(), found.end(), tokens)
            continue
        for begin in range(found.start(), found.end(), limit):
            stop = min(begin + limit, found.end())
            yield _Atom(begin, stop, count_tokens(text[begin:stop]))
