"""Which headings each paragraph stands under. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workers.opening.documents.blocks import Block, Heading
from workers.opening.documents.clean import one_line
from workers.opening.documents.passages import Paragraph


@dataclass(frozen=True)
class Section:
    """A place in a document.

    Attributes:
        number: Counts up, so that two sections of the same name are told apart.
        headings: Outermost first.
    """

    number: int
    headings: tuple[str, ...]


def sections(blocks: Iterable[Block]) -> Iterator[tuple[Section, Paragraph]]:
    """Each paragraph with its section; of a heading with nothing below it the heading itself."""
    path: list[Heading] = []
    number, is_empty = 0, False
    for block in blocks:
        here = Section(number, _names(path))
        if isinstance(block, Paragraph):
            is_empty = False
            yield here, block
            continue
        if is_empty and block.level <= path[-1].level:
            yield here, Paragraph(path[-1].text)
        path = [above for above in path if above.level < block.level] + [block]
        number, is_empty = number + 1, bool(block.text.strip())
    if is_empty:
        yield Section(number, _names(path)), Paragraph(path[-1].text)


def _names(path: Iterable[Heading]) -> tuple[str, ...]:
    return tuple(name for heading in path if (name := one_line(heading.text)))
