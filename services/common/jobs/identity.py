"""The key of a line, and with it the id of its item: the gateway promises it, the workers keep it."""

from __future__ import annotations

import hashlib

from services.common.index.ids import content_key
from services.common.jobs.records import ManifestLine


def key_of(line: ManifestLine, picture_sha256: str) -> str:
    """The client's own key; without one what the item consists of: its picture's bytes, else its words.

    Args:
        line: What was accepted.
        picture_sha256: Hex digest of the picture as received; empty if the line has none.
    """
    if line.key:
        return line.key
    words = "\n".join((line.title, line.text, *line.tags))
    digest = picture_sha256 or hashlib.sha256(words.encode()).hexdigest()
    return content_key(digest, line.key_column)
