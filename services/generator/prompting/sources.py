"""Sources as blocks of a prompt, cut to the tokens that are left for them, best first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from services.common.answer import Source
from services.common.domain import Item, Position
from services.generator.prompting.fencing import Escaped, escaped, escaped_line
from services.generator.prompting.tokens import cut_to_tokens, estimated_tokens
from services.generator.quoting import ELLIPSIS

_TITLE_LIMIT_CHARS = 200
_TAGS_LIMIT_CHARS = 200
_FIELD_LIMIT_CHARS = 120
_FIELDS_LIMIT = 16
TEXT_LIMIT_CHARS = 6_000
_CAPTION_LIMIT_CHARS = 3_000
_MIN_TEXT_TOKENS = 24
"""A shorter rest of a text says nothing."""
_FRAME_TOKENS = 80
"""The tags around a block and the names of its fields."""


@dataclass(frozen=True)
class SourceBlock:
    """One source as the prompt shows it; everything in it is escaped.

    Attributes:
        fields: The user's own fields, `name: value`.
        caption: Written by a vision model.
        has_picture: Its picture follows the texts.
        tokens: What the block takes, estimated.
    """

    number: int
    kind: Escaped
    title: Escaped
    tags: Escaped
    place: Escaped
    fields: tuple[Escaped, ...]
    text: Escaped
    caption: Escaped
    ocr_text: Escaped
    has_picture: bool
    tokens: int


def fit_sources(
    sources: Sequence[Source], room_tokens: int, with_picture: frozenset[int] = frozenset()
) -> list[SourceBlock]:
    """The blocks that fit into `room_tokens`.

    A source takes what it needs, but its texts at most half of what is left, so that one long text does not leave
    the others out; the last one may take all of it.

    Args:
        sources: Best first.
        room_tokens: For all blocks together.
        with_picture: Numbers of those whose picture is sent.
    """
    blocks = []
    for index, source in enumerate(sources):
        head = _head(source, has_picture=source.number in with_picture)
        left = room_tokens - head.tokens
        if left < 0:
            break
        is_last = index == len(sources) - 1
        block = _with_texts(head, source.item, left if is_last else left // 2)
        room_tokens -= block.tokens
        blocks.append(block)
    return blocks


def _head(source: Source, *, has_picture: bool) -> SourceBlock:
    item = source.item
    block = SourceBlock(
        number=source.number,
        kind=Escaped(item.kind.value),
        title=escaped_line(item.title or _file_name(item), _TITLE_LIMIT_CHARS),
        tags=escaped_line(", ".join(item.tags), _TAGS_LIMIT_CHARS),
        place=_place(item.position),
        fields=tuple(_fields(item)),
        text=Escaped(""),
        caption=Escaped(""),
        ocr_text=Escaped(""),
        has_picture=has_picture,
        tokens=0,
    )
    shown = "\n".join((block.kind, block.title, block.tags, block.place, *block.fields))
    return replace(block, tokens=_FRAME_TOKENS + estimated_tokens(shown))


def _with_texts(head: SourceBlock, item: Item, room_tokens: int) -> SourceBlock:
    text = _cut(escaped(item.text, TEXT_LIMIT_CHARS), room_tokens)
    left = room_tokens - estimated_tokens(text)
    caption = _cut(escaped(_description(item), _CAPTION_LIMIT_CHARS), left)
    left -= estimated_tokens(caption)
    ocr_text = _cut(escaped(item.ocr_text, TEXT_LIMIT_CHARS), left)
    tokens = head.tokens + sum(map(estimated_tokens, (text, caption, ocr_text)))
    return replace(head, text=text, caption=caption, ocr_text=ocr_text, tokens=tokens)


def _description(item: Item) -> str:
    """What a vision model wrote about the picture; its reading of the text only where nothing better read it."""
    if item.caption is None:
        return ""
    read = "" if item.ocr_text else item.caption.text_content
    parts = (item.caption.detailed or item.caption.brief, *item.caption.data_points, read)
    return "\n".join(filter(None, parts))


def _cut(text: Escaped, room_tokens: int) -> Escaped:
    if estimated_tokens(text) <= room_tokens:
        return text
    if room_tokens < _MIN_TEXT_TOKENS:
        return Escaped("")
    return Escaped(cut_to_tokens(text, room_tokens - estimated_tokens(ELLIPSIS)).rstrip() + ELLIPSIS)


def _fields(item: Item) -> Iterator[Escaped]:
    for name, value in list(item.metadata.items())[:_FIELDS_LIMIT]:
        if isinstance(value, str | int | float | bool):
            yield escaped_line(f"{name}: {value}", _FIELD_LIMIT_CHARS)
        elif isinstance(value, list | tuple):
            listed = ", ".join(str(part) for part in value[:_FIELDS_LIMIT] if isinstance(part, str | int | float))
            yield escaped_line(f"{name}: {listed}", _FIELD_LIMIT_CHARS)


def _place(position: Position | None) -> Escaped:
    if position is not None and position.page is not None:
        return Escaped(f"page {position.page}")
    if position is not None and position.timestamp_s is not None:
        return Escaped(f"at {position.timestamp_s:.0f} s")
    return Escaped("")


def _file_name(item: Item) -> str:
    return item.source_uri.rstrip("/").rsplit("/", 1)[-1]
