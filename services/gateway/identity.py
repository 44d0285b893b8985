"""The id that an accepted line will have once it is stored."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from services.common.index.ids import content_key, item_id
from services.common.jobs.records import ManifestLine


def identified(tenant: str, line: ManifestLine) -> tuple[str, ManifestLine]:
    """The item id of `line`, and the line with all that the id follows from.

    A picture without a client's key goes by its bytes. A text without one goes by its words: the same text
    posted twice is one item.
    """
    if line.key:
        return item_id(tenant, line.key), line
    if line.sha256:
        return item_id(tenant, content_key(line.sha256, line.key_column)), line
    words = hashlib.sha256(f"{line.title}\0{line.text}".encode()).hexdigest()
    keyed = replace(line, key=content_key(words, line.key_column))
    return item_id(tenant, keyed.key), keyed
