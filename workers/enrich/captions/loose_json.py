"""The JSON object in what a model wrote, whatever stands around it and even if its end is missing. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_THOUGHTS = re.compile(r"^\s*<think>.*?(</think>|\Z)", re.DOTALL)
_TRIED_STARTS = 4
_TRIED_CUTS = 12
_CLOSERS = {"{": "}", "[": "]"}
_DECODER = json.JSONDecoder(strict=False)
"""Not strict: models write line breaks into strings as they are."""


def without_thoughts(text: str) -> str:
    """`text` without the reasoning that some servers send before the answer; all of it, if that never ends."""
    return _THOUGHTS.sub("", text, count=1)


def find_object(text: str, known: frozenset[str]) -> Mapping[str, Any] | None:
    """The first JSON object that has one of the `known` fields; None if there is none.

    An object that breaks off, because the model may write no more, is taken up to the last value that is whole; a
    string in the middle of which it breaks off counts as far as it goes.
    """
    starts = [match.start() for match in re.finditer(r"\{", text)][:_TRIED_STARTS]
    for start in starts:
        found = _decoded(text[start:])
        if found is not None and known & found.keys():
            return found
    for start in starts:
        for candidate in _completed(text[start:]):
            found = _decoded(candidate)
            if found is not None and known & found.keys():
                return found
    return None


def _decoded(text: str) -> Mapping[str, Any] | None:
    try:
        found, _ = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _completed(text: str) -> Iterator[str]:
    """`text` with its strings and brackets closed, cut ever shorter until what is left may be whole."""
    cuts = [len(text), *(match.start() for match in _last_commas(text))]
    for cut in cuts[:_TRIED_CUTS]:
        yield _closed(text[:cut])


def _last_commas(text: str) -> list[re.Match[str]]:
    return list(re.finditer(",", text))[::-1]


def _closed(text: str) -> str:
    open_brackets: list[str] = []
    in_string = escaped = False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = not escaped and character == "\\"
        elif character == '"':
            in_string = True
        elif character in _CLOSERS:
            open_brackets.append(_CLOSERS[character])
        elif open_brackets and character == open_brackets[-1]:
            open_brackets.pop()
    whole = text[:-1] if escaped else text
    return whole + ('"' if in_string else "") + "".join(reversed(open_brackets))
