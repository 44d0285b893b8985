"""What is there of items, without reading their vectors: a filter tells who has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from services.common.domain import LegName
from services.common.index import schema
from services.common.index.calls import store_call
from services.common.index.payload import JOB_ID, LINE
from services.common.index.tenancy import scoped
from services.common.standing import Standing

_SHA256 = "media.sha256"
_FIELDS = [schema.REVISION, schema.DELETED, JOB_ID, LINE, _SHA256]


async def inspect(
    client: AsyncQdrantClient, collection: str, tenant: str, ids: Sequence[str], vectors: Sequence[LegName]
) -> dict[str, Standing]:
    """What stands under each id, deleted items too; ids without anything are absent.

    Args:
        client: Of the store.
        collection: Physical name.
        tenant: Whose items.
        ids: At most `MAX_INSPECTED_IDS`.
        vectors: Names to look for.
    """
    payloads = await _scroll(client, collection, scoped(tenant, ids=ids, with_tombstones=True), len(ids), _FIELDS)
    having: dict[str, set[str]] = {name: set() for name in payloads}
    for vector in vectors:
        present = models.Filter(must=[models.HasVectorCondition(has_vector=vector.value)])
        found = await _scroll(client, collection, scoped(tenant, present, ids=ids), len(ids), [])
        for name in found.keys() & having.keys():
            having[name].add(vector.value)
    return {name: _standing(payload, frozenset(having[name])) for name, payload in payloads.items()}


async def _scroll(
    client: AsyncQdrantClient, collection: str, condition: models.Filter, limit: int, fields: list[str]
) -> dict[str, Mapping[str, Any]]:
    with store_call("scroll", collection):
        records, _ = await client.scroll(
            collection, scroll_filter=condition, limit=limit, with_payload=fields or False, with_vectors=False
        )
    return {str(record.id): record.payload or {} for record in records}


def _standing(payload: Mapping[str, Any], vectors: frozenset[str]) -> Standing:
    return Standing(
        revision=int(payload[schema.REVISION]),
        deleted=bool(payload.get(schema.DELETED, False)),
        job_id=payload.get(JOB_ID, ""),
        line=int(payload.get(LINE, 0)),
        vectors=vectors,
        sha256=(payload.get("media") or {}).get("sha256", ""),
    )
