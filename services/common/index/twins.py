"""Items whose pictures are the same, or look the same: asked before another one like them is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from services.common.domain import DuplicateKind, DuplicateOf, LegName, Position, Vector
from services.common.index import schema
from services.common.index.calls import store_call
from services.common.index.catalogue import Collection
from services.common.index.payload import JOB_ID, LINE, PICTURE_BANDS, to_duplicate, to_position
from services.common.index.tenancy import scoped

MAX_COPIES = 512
"""Items with the same bytes that are looked at in one answer."""
MAX_ALIKE = 16
_SHA256 = "media.sha256"
_HASH = "media.perceptual_hash"
_LINK = "duplicate_of"
_LINK_KIND = "duplicate_of.kind"
_POSITION = "position"
_FIELDS = [schema.REVISION, JOB_ID, LINE, _SHA256, _HASH, _LINK, _POSITION]
_INDEXED = (_SHA256, PICTURE_BANDS)


@dataclass(frozen=True)
class Twin:
    """An item in the store, as far as it matters to a picture like its own.

    Attributes:
        id: Of the item.
        revision: Of its last write.
        job_id: The job that wrote it.
        line: The manifest line that wrote it.
        sha256: Hex digest of its picture; empty if it has none.
        perceptual_hash: Of its picture.
        position: Where inside its document it stands.
        duplicate_of: Set if it is itself linked to another item.
        similarity: Cosine of the image vectors; 1 where it was not asked by one.
    """

    id: str
    revision: int
    job_id: str
    line: int
    sha256: str
    perceptual_hash: str = ""
    position: Position | None = None
    duplicate_of: DuplicateOf | None = None
    similarity: float = 1.0


@dataclass(frozen=True)
class Look:
    """A picture that others are looked for.

    Attributes:
        item_id: Its own item, which is no answer.
        sha256: Its digest: items with the same bytes are no answer either.
        vector: Its image vector, shape (dim,) float32.
        keywords: An answer has one of them among its bands.
    """

    item_id: str
    sha256: str
    vector: Vector
    keywords: Sequence[str]


class Twins:
    """Asks the store. Every call restricts to one tenant, and none finds a deleted item.

    Args:
        client: Open.
    """

    def __init__(self, client: AsyncQdrantClient) -> None:
        self._client = client
        self._prepared: set[str] = set()

    async def prepare(self, collection: Collection) -> None:
        """Have the store index what is asked for here; it takes a moment on a large collection, once."""
        if collection.name in self._prepared:
            return
        with store_call("get_collection", collection.name):
            info = await self._client.get_collection(collection.name)
        for field in _INDEXED:
            if field not in info.payload_schema:
                with store_call("create_payload_index", collection.name):
                    await self._client.create_payload_index(
                        collection.name, field, field_schema=models.PayloadSchemaType.KEYWORD, wait=True
                    )
        self._prepared.add(collection.name)

    async def of_ids(self, collection: Collection, tenant: str, ids: Sequence[str]) -> dict[str, Twin]:
        """The items of these ids that are there; at most `MAX_COPIES` ids."""
        found = await self._scroll(collection, scoped(tenant, ids=ids), len(ids)) if ids else []
        return {twin.id: twin for twin in found}

    async def same(self, collection: Collection, tenant: str, digests: Sequence[str]) -> list[Twin]:
        """Items whose pictures have these bytes.

        Of a picture with many copies not all are found, but always some that are no linked copies, if there are.

        Args:
            collection: Where to look.
            tenant: Whose items.
            digests: Hex digests, at most a few hundred.
        """
        if not digests:
            return []
        condition = _any_of(_SHA256, digests)
        found = await self._scroll(collection, scoped(tenant, models.Filter(must=[condition])), MAX_COPIES)
        if len(found) < MAX_COPIES:
            return found
        linked = models.FieldCondition(key=_LINK_KIND, match=models.MatchValue(value=DuplicateKind.EXACT.value))
        for digest in digests:
            originals = models.Filter(must=[_any_of(_SHA256, [digest])], must_not=[linked])
            found += await self._scroll(collection, scoped(tenant, originals), MAX_COPIES)
        return list({twin.id: twin for twin in found}.values())

    async def alike(
        self,
        collection: Collection,
        tenant: str,
        looks: Sequence[Look],
        least_similarity: float,
        *,
        unlinked: bool = False,
    ) -> list[list[Twin]]:
        """Items whose pictures have other bytes, a band in common and a vector near by; in one round trip.

        Args:
            collection: Where to look.
            tenant: Whose items.
            looks: Pictures.
            least_similarity: Smallest cosine of the image vectors.
            unlinked: Only items that are linked to no other one.

        Returns:
            For each look the most similar items, most similar first, up to `MAX_ALIKE`.
        """
        if not looks:
            return []
        requests = [_request(tenant, look, least_similarity, unlinked=unlinked) for look in looks]
        with store_call("query_batch_points", collection.name, len(requests)):
            answers = await self._client.query_batch_points(collection.name, requests=requests)
        return [[_twin(str(p.id), p.payload or {}, p.score) for p in answer.points] for answer in answers]

    async def _scroll(self, collection: Collection, condition: models.Filter, limit: int) -> list[Twin]:
        with store_call("scroll", collection.name):
            records, _ = await self._client.scroll(
                collection.name, scroll_filter=condition, limit=limit, with_payload=_FIELDS, with_vectors=False
            )
        return [_twin(str(record.id), record.payload or {}) for record in records]


def _request(tenant: str, look: Look, least_similarity: float, *, unlinked: bool) -> models.QueryRequest:
    must: list[models.Condition] = [_any_of(PICTURE_BANDS, look.keywords)]
    must_not: list[models.Condition] = [
        models.HasIdCondition(has_id=[look.item_id]),
        _any_of(_SHA256, [look.sha256]),
    ]
    if unlinked:
        must.append(models.IsEmptyCondition(is_empty=models.PayloadField(key=_LINK_KIND)))
    return models.QueryRequest(
        query=look.vector.tolist(),
        using=LegName.IMAGE.value,
        filter=scoped(tenant, models.Filter(must=must, must_not=must_not)),
        limit=MAX_ALIKE,
        score_threshold=least_similarity,
        with_payload=_FIELDS,
    )


def _any_of(key: str, values: Sequence[str]) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))


def _twin(item_id: str, payload: Mapping[str, Any], similarity: float = 1.0) -> Twin:
    media, link, position = payload.get("media") or {}, payload.get(_LINK), payload.get(_POSITION)
    return Twin(
        id=item_id,
        revision=int(payload[schema.REVISION]),
        job_id=payload.get(JOB_ID, ""),
        line=int(payload.get(LINE, -1)),
        sha256=media.get("sha256", ""),
        perceptual_hash=media.get("perceptual_hash", ""),
        position=to_position(position) if position else None,
        duplicate_of=to_duplicate(link) if link else None,
        similarity=similarity,
    )
