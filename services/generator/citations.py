"""Citations `[n]` in an answer: those that name an allowed source stay, every other bracket is made harmless.

What is allowed is decided by retrieval, never by the text: a generator that was talked into citing something else,
or into writing a Markdown link, changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Set

_CITATION = re.compile(r"\[ *[0-9]+(?: *, *[0-9]+)* *\]")
_PART = re.compile(rf"(?P<before>[ \t]*)(?P<citation>{_CITATION.pattern})|(?P<bracket>[\[\]])")
_UNDECIDED = re.compile(r"[ \t]*(?:\[[0-9, ]*)?\Z")
_NUMBER = re.compile(r"[0-9]+")
_DIGITS_LIMIT = 9
"""A longer number names no source; converting it would only cost time."""


def cited_numbers(text: str) -> tuple[int, ...]:
    """The source numbers that `text` cites, each once, in order of first mention."""
    found = dict.fromkeys(number for match in _CITATION.finditer(text) for number in _numbers(match[0]))
    return tuple(found)


def checked(text: str, allowed: Set[int]) -> str:
    """`text` with only allowed citations.

    "[1, 9]" becomes "[1]" where 9 is not allowed. A citation without any allowed number is dropped together with
    the blanks before it. Every other square bracket becomes a round one, so that what is dropped cannot make
    its neighbours into a citation ("[[9]7]") and no Markdown link survives.
    """
    return _PART.sub(lambda match: _replacement(match, allowed), text)


class CitationFilter:
    """`checked` for a text that arrives in pieces: what is passed on is never taken back.

    Args:
        allowed: Numbers of the sources that may be cited.
    """

    def __init__(self, allowed: Set[int]) -> None:
        self._allowed = allowed
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take the next piece; return what is decided by now, maybe nothing."""
        text = self._held + piece
        undecided = _UNDECIDED.search(text)
        end = undecided.start() if undecided else len(text)
        self._held = text[end:]
        return checked(text[:end], self._allowed)

    def finish(self) -> str:
        """The end of the text: return what was held back."""
        text, self._held = self._held, ""
        return checked(text, self._allowed)


def cut(text: str, limit_chars: int) -> str:
    """At most `limit_chars` characters of a checked text, never ending inside a citation."""
    return text if len(text) <= limit_chars else _UNDECIDED.sub("", text[:limit_chars])


def _replacement(match: re.Match[str], allowed: Set[int]) -> str:
    if match["bracket"]:
        return "(" if match["bracket"] == "[" else ")"
    kept = [number for number in dict.fromkeys(_numbers(match["citation"])) if number in allowed]
    return match["before"] + "".join(f"[{number}]" for number in kept) if kept else ""


def _numbers(citation: str) -> list[int]:
    return [int(digits) for digits in _NUMBER.findall(citation) if len(digits) <= _DIGITS_LIMIT]
