"""How a text's bytes are to be read. Pure."""

from __future__ import annotations

import codecs
import unicodedata

from services.common.errors import InvalidRequestError

SAMPLE_BYTES = 1024 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LATIN_SHARE = 0.3
"""Of the characters: above, it is UTF-16 without a mark. Two bytes of anything else are a rare character."""
_CHINESE_SHARE = 0.8
"""Of what is not ASCII. Latin-1 passes for GB18030, but its letters become rare characters."""
_UNREADABLE = "This is not a text in UTF-8, UTF-16 or GB18030. Save it as UTF-8."


def detect(sample: bytes) -> str:
    """The name of Python's codec.

    Args:
        sample: The first `SAMPLE_BYTES` of a text, or all of it.

    Raises:
        InvalidRequestError: None of UTF-8, UTF-16, UTF-32 (with a mark) and GB18030.
    """
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    if b"\x00" in sample:
        return _unmarked_utf_16(sample)
    if _decoded(sample, "utf-8") is not None:
        return "utf-8"
    if _is_chinese(_decoded(sample, "gb18030") or ""):
        return "gb18030"
    raise InvalidRequestError(_UNREADABLE)


def _unmarked_utf_16(sample: bytes) -> str:
    for name in ("utf-16-le", "utf-16-be"):
        text = _decoded(sample, name)
        if text and "\x00" not in text and sum(map(_is_latin, text)) > len(text) * _LATIN_SHARE:
            return name
    raise InvalidRequestError(_UNREADABLE)


def _is_latin(character: str) -> bool:
    """A letter, digit, sign or blank of Latin-1; its control characters stand in no text."""
    return character in "\t\n\r\f" or (character < "\u0100" and unicodedata.category(character) != "Cc")


def _decoded(sample: bytes, name: str) -> str | None:
    """Without a character that the end of the sample may have cut."""
    try:
        return codecs.getincrementaldecoder(name)("strict").decode(sample, final=len(sample) < SAMPLE_BYTES)
    except UnicodeDecodeError:
        return None


def _is_chinese(text: str) -> bool:
    others = [character for character in text if not character.isascii()]
    usual = sum(_is_usual(character) for character in others)
    return bool(others) and usual >= len(others) * _CHINESE_SHARE


def _is_usual(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True
