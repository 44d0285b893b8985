"""Whole items out of a collection, page by page, and into one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from qdrant_client import AsyncQdrantClient, models

from services.common.domain import IndexedItem, ItemVectors, LegName, SparseVector, Vector
from services.common.index.calls import store_call
from services.common.index.payload import JOB_ID, LINE, to_item, to_point
from services.common.index.standing import Stored
from services.common.index.tenancy import scoped

MAX_PAGE_ITEMS = 256
Write = Callable[[list[models.PointStruct], int], Awaitable[None]]
"""Writes points where nothing stands, or something older than a revision."""
Look = Callable[[Sequence[str]], Awaitable[dict[str, Stored]]]
"""What stands under ids."""


@dataclass(frozen=True)
class Page:
    """Some items of a tenant.

    Attributes:
        items: In the order of their ids; without vectors if none were asked for.
        following: Id that the next page begins with; empty: there is none.
    """

    items: Sequence[IndexedItem]
    following: str


async def read_page(
    client: AsyncQdrantClient, collection: str, tenant: str, start: str, limit: int, *, with_vectors: bool
) -> Page:
    """The tenant's items from an id on; deleted ones are left out.

    Args:
        client: Of the store.
        collection: Physical name.
        tenant: Whose items.
        start: The id to begin with; empty: the first.
        limit: At most `MAX_PAGE_ITEMS`.
        with_vectors: Read these, too.
    """
    with store_call("scroll", collection):
        records, following = await client.scroll(
            collection,
            scroll_filter=scoped(tenant),
            limit=limit,
            offset=start or None,
            with_payload=True,
            with_vectors=with_vectors,
        )
    return Page([_indexed(record) for record in records], "" if following is None else str(following))


async def take_over(items: Sequence[IndexedItem], write: Write, look: Look) -> dict[str, Stored]:
    """Write items of different revisions, each unless something as new stands there.

    A write carries one condition for all its points, and pages of a collection have many revisions. So all are
    written where nothing stands, or something older than the oldest of them; what then still stands in the way of
    a newer one is written over by its own revision.

    Args:
        items: Of one tenant; of two with one id the newest counts.
        write: See `Write`.
        look: See `Look`.

    Returns:
        What stands under each id then.
    """
    newest = {item.item.id: item for item in sorted(items, key=lambda item: item.item.revision)}
    if not newest:
        return {}
    await write([to_point(item) for item in newest.values()], min(item.item.revision for item in items))
    found = await look(list(newest))
    behind: dict[int, list[models.PointStruct]] = defaultdict(list)
    for name, item in newest.items():
        if name not in found or found[name].revision < item.item.revision:
            behind[item.item.revision].append(to_point(item))
    for revision, points in behind.items():
        await write(points, revision)
    return await look(list(newest)) if behind else found


def _indexed(record: models.Record) -> IndexedItem:
    payload = record.payload or {}
    named = record.vector if isinstance(record.vector, dict) else {}
    return IndexedItem(
        to_item(str(record.id), payload), _vectors(named), payload.get(JOB_ID, ""), int(payload.get(LINE, 0))
    )


def _vectors(named: Mapping[str, Any]) -> ItemVectors:
    return ItemVectors(
        image=_dense(named.get(LegName.IMAGE.value)),
        text=_dense(named.get(LegName.TEXT.value)),
        semantic=_dense(named.get(LegName.SEMANTIC.value)),
        bm25=_sparse(named.get(LegName.BM25.value)),
    )


def _dense(values: Any) -> Vector | None:
    return None if values is None else np.asarray(values, dtype=np.float32)


def _sparse(vector: Any) -> SparseVector | None:
    return SparseVector(tuple(vector.indices), tuple(vector.values)) if vector is not None else None
