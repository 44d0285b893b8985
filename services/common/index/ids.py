"""Item ids: the same thing under the same tenant always has the same id, so that ingesting twice stores once."""

from __future__ import annotations

import uuid

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://imagerag.dev/items")
"""Root of all item ids. Changing it orphans every stored point."""


def item_id(tenant: str, key: str) -> str:
    """uuid5(uuid5(namespace, tenant), key), as RFC 4122 text."""
    return str(uuid.uuid5(uuid.uuid5(NAMESPACE, tenant), key))


def content_key(sha256: str, key_column: str = "") -> str:
    """The key of an item whose client gave none: its bytes and the manifest's key column.

    One picture under two products stays two items.
    """
    return f"sha256:{sha256}:{key_column}" if key_column else f"sha256:{sha256}"
