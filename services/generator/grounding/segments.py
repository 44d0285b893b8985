"""Sentences of a text that arrives in pieces.

A sentence is the unit of release: only at its end does one know which source it cites. Where a sentence ends is
decided by the text alone, never by how it was cut into pieces.
"""

from __future__ import annotations

import re

SEGMENT_LIMIT_CHARS = 1_200
"""A longer sentence is cut here: what is held back must be bounded."""
QUOTE_LIMIT_CHARS = 300
"""A quotation mark that nothing closes within this distance opens nothing."""

LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_QUOTES = {"“": "”", "「": "」", "『": "』", "«": "»", '"': '"'}
_HARD_STOPS = "。！？"
_SOFT_STOPS = ".!?…"
_CLOSERS = "\"'”’」』»)）*_"
_CITATIONS = re.compile(r"(?:[ \t]*\[ *[0-9]+(?: *, *[0-9]+)* *\])*")
_CITATION_BEGUN = re.compile(r"[ \t]*(?:\[[0-9, ]*)?\Z")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|No|Nos|Fig|vs|approx|etc|cf|al|Inc|Ltd|Co|Vol|pp?|e\.g|i\.e|[A-Z])"
    r"|(?:^|[\s(])[0-9]{1,3})\Z"
)
"""What stands before a full stop that ends no sentence: an abbreviation, an initial, the number of a list."""


class Segmenter:
    """Cuts a stream of pieces into sentences and lines; together they are the text, character by character."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> list[str]:
        """Take the next piece; return the segments that are complete by now."""
        self._held += piece
        return self._complete(last=False)

    def finish(self) -> list[str]:
        """The end of the text: return the rest."""
        segments = self._complete(last=True)
        rest, self._held = self._held, ""
        return [*segments, rest] if rest else segments

    def _complete(self, *, last: bool) -> list[str]:
        segments = []
        while (end := _first_end(self._held, last=last)) is not None:
            segments.append(self._held[:end])
            self._held = self._held[end:]
        return segments


def split_segments(text: str) -> list[str]:
    """The segments of a whole text."""
    segmenter = Segmenter()
    return [*segmenter.feed(text), *segmenter.finish()]


def _first_end(text: str, *, last: bool) -> int | None:
    """Where the first segment of `text` ends; None if that is not decided yet."""
    if len(text) >= SEGMENT_LIMIT_CHARS:
        return _natural_end(text[:SEGMENT_LIMIT_CHARS], last=True) or SEGMENT_LIMIT_CHARS
    return _natural_end(text, last=last)


def _natural_end(text: str, *, last: bool) -> int | None:
    closing, opened_at = "", 0
    for index, character in enumerate(text):
        if character in LINE_ENDS:
            return index + 1
        if closing and index - opened_at > QUOTE_LIMIT_CHARS:
            closing = ""
        if closing:
            closing = "" if character == closing else closing
        elif character in _QUOTES and _opens(text, index):
            closing, opened_at = _QUOTES[character], index
        elif character in _HARD_STOPS or character in _SOFT_STOPS:
            end = _end_after(text, index, last=last)
            if end is None:
                return None
            if end:
                return end
    return None


def _opens(text: str, index: int) -> bool:
    # A straight mark after a letter or digit closes, or means inches.
    return text[index] != '"' or index == 0 or text[index - 1].isspace() or text[index - 1] in "(（[:："


def _end_after(text: str, index: int, *, last: bool) -> int | None:
    """Where a segment ends whose stop stands at `index`; 0 if none ends there, None if that is not decided."""
    end = index + 1
    while end < len(text) and (text[end] in _HARD_STOPS or text[end] in _SOFT_STOPS or text[end] in _CLOSERS):
        end += 1
    cited = _CITATIONS.match(text, end)
    after = cited.end() if cited else end
    if not last and (after == len(text) or _CITATION_BEGUN.match(text, after)):
        return None
    if after > end or text[index] in _HARD_STOPS or text[end - 1] in _HARD_STOPS:
        return after
    return _soft_end(text, index, end, last=last)


def _soft_end(text: str, index: int, end: int, *, last: bool) -> int | None:
    if end == len(text):
        return end if last else None
    if not text[end].isspace():
        return 0
    if text[:index].endswith("]"):  # a citation ends what it stands for, whatever follows
        return end
    if text[index] == "." and end == index + 1 and _ABBREVIATION.search(text[:index]):
        return 0
    following = len(text) - len(text[end:].lstrip(" \t"))
    if following == len(text) and not last:
        return None
    # "approx. ten": a sentence does not begin with a small letter.
    return 0 if following < len(text) and text[following].islower() else end
