"""What a vision model wrote, as a caption. Pure. None of it is trusted: every field is checked and cut."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from services.common.domain import Caption
from workers.enrich.captions.loose_json import find_object, without_thoughts

BRIEF_CHARS = 400
DETAILED_CHARS = 2_000
TEXT_CHARS = 4_000
KEYWORDS = 24
KEYWORD_CHARS = 60
DATA_POINTS = 60
DATA_POINT_CHARS = 200
_READ_CHARS = 20_000
_FIELDS = frozenset({"brief", "detailed", "keywords", "text_content", "data_points"})
_ACTING = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
"""Control, format (bidirectional overrides, zero width), private, unassigned; line and paragraph separators."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
_SEPARATORS = re.compile(r"[,;、，；\n]+")
_LETTERS = re.compile(r"\w.*\w", re.DOTALL)
_REFUSAL = re.compile(
    r"(I['’]?m|I am) (sorry|unable|not able)|I (cannot|can['’]t|can not|won['’]t)|sorry\b|as an AI\b|"
    r"很?抱歉|对不起|我(无法|不能)",
    re.IGNORECASE,
)
"""How models decline; what comes with it describes nothing."""
_FENCE = re.compile(r"^```\w*\s*|\s*```$")


def read_caption(answer: str, model: str) -> Caption | None:
    """The caption in a model's answer.

    A model that was asked for JSON and answers in prose has still described the picture: its first sentence is the
    brief one.

    Args:
        answer: Anything.
        model: Id of who wrote it.

    Returns:
        None if there is no description in it.
    """
    text = without_thoughts(answer[:_READ_CHARS]).strip()
    fields = find_object(text, _FIELDS)
    caption = _of_fields(fields, model) if fields is not None else _of_prose(text, model)
    return caption if _says_something(caption) else None


def _says_something(caption: Caption) -> bool:
    said = caption.brief or caption.detailed
    return any(map(str.isalnum, said)) and not _REFUSAL.match(said)


def _of_fields(fields: Mapping[str, Any], model: str) -> Caption:
    brief, detailed = _line(fields.get("brief"), BRIEF_CHARS), _line(fields.get("detailed"), DETAILED_CHARS)
    return Caption(
        brief=brief or _cut(_first_sentence(detailed), BRIEF_CHARS),
        detailed=detailed,
        keywords=_entries(fields.get("keywords"), KEYWORDS, KEYWORD_CHARS, split=True),
        text_content=_lines(fields.get("text_content")),
        data_points=_entries(fields.get("data_points"), DATA_POINTS, DATA_POINT_CHARS, split=False),
        model=model,
    )


def _of_prose(text: str, model: str) -> Caption:
    plain = _FENCE.sub("", text)
    # What looks like JSON and could not be read is no sentence.
    if plain.startswith(("{", "[")) or not _LETTERS.search(plain):
        return Caption(model=model)
    said = _line(plain, DETAILED_CHARS)
    brief = _cut(_first_sentence(said), BRIEF_CHARS)
    return Caption(brief=brief, detailed="" if said == brief else said, model=model)


def _first_sentence(text: str) -> str:
    return _SENTENCE_END.split(text, maxsplit=1)[0]


def _line(value: Any, limit_chars: int) -> str:
    return _cut(" ".join(_plain(_said(value)).split()), limit_chars)


def _lines(value: Any) -> str:
    """Text as it stands in the picture, line by line."""
    lines = (" ".join(_plain(line).split()) for line in _said(value).splitlines())
    return _cut("\n".join(filter(None, lines)), TEXT_CHARS)


def _entries(value: Any, limit: int, limit_chars: int, *, split: bool) -> tuple[str, ...]:
    """A list of short texts, each once; a model may have written one text instead of a list."""
    if isinstance(value, Mapping):
        value = [f"{name}: {_said(held)}" for name, held in value.items()]
    if not isinstance(value, list):
        said = _said(value)
        value = _SEPARATORS.split(said) if split else said.splitlines()
    entries = (_line(entry, limit_chars) for entry in value[: limit * 2])
    return tuple(dict.fromkeys(filter(None, entries)))[:limit]


def _said(value: Any) -> str:
    """A value of any type as text; what holds no text is empty."""
    match value:
        case str():
            return value
        case bool() | None:
            return ""
        case int() | float():
            return str(value)
        case list():
            return "\n".join(filter(None, map(_said, value)))
        case dict():
            return ", ".join(f"{name}: {_said(held)}" for name, held in value.items())
    return ""


def _plain(text: str) -> str:
    shown = (" " if unicodedata.category(character) in _ACTING else character for character in text[:_READ_CHARS])
    return "".join(shown)


def _cut(text: str, limit_chars: int) -> str:
    return text if len(text) <= limit_chars else text[: limit_chars - 1].rstrip() + "…"
