"""Text of strangers as it stands in a prompt: it cannot end its block, nor look like one of ours."""

from __future__ import annotations

import re
import secrets

from services.generator.grounding.segments import LINE_ENDS
from services.generator.quoting import ELLIPSIS, as_data

_LINE_END = re.compile(f"[{LINE_ENDS}]+")
_BOUNDARY_BYTES = 8
_READ_FACTOR = 2
"""Escaping drops characters; of a text twice its limit enough is left."""


class Escaped(str):
    """Text that may stand in a prompt; only `escaped` and `escaped_line` make it of a stranger's."""

    __slots__ = ()


def new_boundary() -> str:
    """The name of one request's blocks; nobody who wrote a source could know it."""
    return secrets.token_hex(_BOUNDARY_BYTES)


def escaped(text: str, limit_chars: int) -> Escaped:
    """`text` in lines, each as harmless as `as_data` makes it: no bracket of a tag or citation is left.

    Args:
        text: Of anyone.
        limit_chars: The result is cut here and marked with an ellipsis.
    """
    lines = (as_data(line) for line in _LINE_END.split(text[: limit_chars * _READ_FACTOR]))
    plain = "\n".join(filter(None, lines))
    is_whole = len(plain) <= limit_chars and len(text) <= limit_chars * _READ_FACTOR
    return Escaped(plain if is_whole else plain[: max(limit_chars - 1, 0)].rstrip() + ELLIPSIS)


def escaped_line(text: str, limit_chars: int) -> Escaped:
    """`text` on one line."""
    return Escaped(escaped(text, limit_chars).replace("\n", " "))
