"""Opens a plain text or a Markdown text: its passages. Runs in the sandbox.

Records are those of `workers.opening.pdf`: one `document` without pages, then `passage`, each with a `title` of
its own for the headings it stands under, and `end`; all of them on "page" 1.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, groupby
from typing import Any, BinaryIO

from services.common.errors import InvalidRequestError
from workers.opening.documents.blocks import Block, Heading, markdown_blocks, plain_blocks
from workers.opening.documents.clean import clean, one_line
from workers.opening.documents.encodings import SAMPLE_BYTES, detect
from workers.opening.documents.passages import cut
from workers.opening.documents.sections import sections
from workers.opening.documents.titles import Titled, file_title, section_title
from workers.sandbox.parts import Part

_READ_CHARS = 65_536
_PAGE = 1


def open_parts(file: BinaryIO, arguments: Mapping[str, Any]) -> Iterator[Part]:
    """See the module.

    Args:
        file: The text.
        arguments: `name` of the file, `tokens` of a passage, `markdown` or not.

    Raises:
        InvalidRequestError: It is not a text, or not further on, or there is none in it.
    """
    lines = _lines(file, detect(file.read(SAMPLE_BYTES)))
    blocks = markdown_blocks(lines) if arguments["markdown"] else plain_blocks(lines)
    title, blocks = _title(iter(blocks), arguments["name"])
    yield Part({"kind": "document", "title": title, "pages": 0})
    number = 0
    for number, passage in enumerate(_passages(blocks, title, int(arguments["tokens"])), start=1):
        yield Part({"kind": "passage", "page": _PAGE, "number": number} | passage)
    if not number:
        raise InvalidRequestError("There are no words in it.")
    yield Part({"kind": "end", "page": _PAGE})


def _passages(blocks: Iterable[Block], title: str, tokens: int) -> Iterator[dict[str, str]]:
    """A passage ends with its section, so that its headings are those above all of it."""
    for section, group in groupby(sections(blocks), key=lambda pair: pair[0]):
        titled = Titled.of(section_title(title, section.headings), tokens)
        for passage in cut((paragraph for _, paragraph in group), titled.passage_tokens):
            yield {"title": titled.title, "text": passage.text}


def _title(blocks: Iterator[Block], name: str) -> tuple[str, Iterator[Block]]:
    """The first heading, if the text begins with it, else the file's name; and the same blocks."""
    first = next(blocks, None)
    if first is None:
        return file_title(name), iter(())
    stated = one_line(first.text) if isinstance(first, Heading) and first.level == 1 else ""
    return stated or file_title(name), chain([first], blocks)


def _lines(file: BinaryIO, encoding: str) -> Iterator[str]:
    """Clean lines without their ends; a very long one in several."""
    file.seek(0)
    with io.TextIOWrapper(file, encoding=encoding, errors="strict", newline=None) as text:
        try:
            while line := text.readline(_READ_CHARS):
                yield from clean(line).removesuffix("\n").split("\n")
        except UnicodeDecodeError as error:
            raise InvalidRequestError(
                f"The text is not {encoding.upper()} all the way: it cannot be read on near byte {file.tell():,}. "
                "Save it as UTF-8."
            ) from error
