"""The index as its callers see it: write and read items, ask legs. Tenants and revisions are enforced here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from qdrant_client import AsyncQdrantClient, models

from services.common.domain import IndexedItem, Item, JsonObject, LegName, SparseVector, Vector
from services.common.index import catalogue, schema
from services.common.index.calls import carry_context, store_call
from services.common.index.catalogue import Collection
from services.common.index.checks import check_vectors
from services.common.index.connection import connect
from services.common.index.contract import DEFAULT_ALIAS, EmbeddingContract
from services.common.index.filters import field_path, parse_filter
from services.common.index.inspection import inspect
from services.common.index.layout import ONE_NODE, WRITE_ORDERING, Layout
from services.common.index.payload import JOB_ID, LINE, to_item, to_point, to_sparse, tombstone
from services.common.index.replacing import older, older_or_incomplete
from services.common.index.standing import Stored as Stored
from services.common.index.tenancy import scoped
from services.common.index.transfer import Page, read_page, take_over
from services.common.index.twins import Twins
from services.common.standing import Standing

_READ_BATCH = 256


@dataclass(frozen=True)
class Leg:
    """One query vector against one named vector.

    Attributes:
        vector: Shape (dim,) float32 for a dense leg, term weights for `bm25`.
        limit: Most candidates to return.
    """

    name: LegName
    vector: Vector | SparseVector
    limit: int


@dataclass(frozen=True)
class Candidate:
    """An item as one leg found it: raw score, cosine or BM25; larger is better."""

    id: str
    score: float


@dataclass(frozen=True)
class FacetValue:
    """A distinct value of a field and how many items have it."""

    value: str
    count: int


class Index:
    """Items in Qdrant. An async context manager; open it in the process and event loop that uses it.

    Args:
        url: Of Qdrant's REST interface.
        api_key: Sent with every call if given.
        timeout_s: Longest wait for an answer.
        alias: Leads to the collection in use; two clusters on one Qdrant take two.
        ca_path: Authority of an https address, PEM; None: the public ones.
        layout: How a collection that is made here is spread over Qdrant's nodes.

    Attributes:
        twins: Looks for pictures that are the same, while the index is open.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout_s: int = 10,
        alias: str = DEFAULT_ALIAS,
        ca_path: Path | None = None,
        layout: Layout = ONE_NODE,
    ) -> None:
        self._alias, self._layout = alias, layout
        self._open = partial(
            connect, url, api_key=api_key, timeout_s=timeout_s, ca_path=ca_path, on_request=carry_context
        )

    async def __aenter__(self) -> Self:
        self._client: AsyncQdrantClient = self._open()
        self.twins = Twins(self._client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def resolve(self) -> Collection | None:
        """The collection in use; None before the first item was stored."""
        return await catalogue.resolve(self._client, self._alias)

    async def ensure(self, contract: EmbeddingContract) -> Collection:
        """The collection of this contract, made if nothing is in use yet.

        Raises:
            FingerprintMismatchError: Another contract is in use.
        """
        return await catalogue.ensure(self._client, self._alias, contract, self._layout)

    async def upsert(self, collection: Collection, tenant: str, items: Sequence[IndexedItem]) -> dict[str, Stored]:
        """Write items unless something newer stands under their id; on return they survive a crash.

        An item that lacks an enrichment is also replaced by its own line at its own revision, see `replacing`.

        Args:
            collection: Where to.
            tenant: Whose items; each item must be this tenant's.
            items: Of one job and one revision, at most a few hundred.

        Returns:
            What stands under each id now, read back: an item was applied if its own job and line stand there.

        Raises:
            InvalidVectorError: A vector does not fit the collection; nothing was written.
            ValueError: Items of another tenant, of several revisions or of several jobs.
        """
        if not items:
            return {}
        _check_write(tenant, items)
        check_vectors(collection.contract, items)
        # Of two items with one id the first stays: the second write would find an equal revision.
        points = {indexed.item.id: to_point(indexed) for indexed in reversed(items)}
        await self._write(collection, tenant, list(points.values()), older_or_incomplete(items))
        return await self.stored(collection, tenant, list(points))

    async def page(
        self, collection: Collection, tenant: str, start: str, limit: int, *, with_vectors: bool
    ) -> Page:
        """The tenant's items from an id on; see `read_page`."""
        return await read_page(self._client, collection.name, tenant, start, limit, with_vectors=with_vectors)

    async def take_over(
        self, collection: Collection, tenant: str, items: Sequence[IndexedItem]
    ) -> dict[str, Stored]:
        """Write items of any revisions unless something as new stands under their ids; see `take_over`.

        Raises:
            InvalidVectorError: A vector does not fit the collection; nothing was written.
            ValueError: Items of another tenant.
        """
        if any(indexed.item.tenant != tenant for indexed in items):
            raise ValueError("one call carries items of one tenant")
        check_vectors(collection.contract, items)
        return await take_over(
            items, partial(self._write_over_older, collection, tenant), partial(self.stored, collection, tenant)
        )

    async def delete(self, collection: Collection, tenant: str, item_id: str, revision: int) -> bool:
        """Leave a tombstone unless something newer stands there; False if there was nothing to delete."""
        before = (await self.stored(collection, tenant, [item_id])).get(item_id)
        if before is None or before.deleted or before.revision >= revision:
            return False
        await self._write_over_older(collection, tenant, [tombstone(tenant, item_id, revision)], revision)
        return True

    async def bury(self, collection: Collection, tenant: str, item_id: str, revision: int) -> None:
        """Leave a tombstone even where nothing stands yet, unless something newer does."""
        await self._write_over_older(collection, tenant, [tombstone(tenant, item_id, revision)], revision)

    async def inspect(self, collection: Collection, tenant: str, ids: Sequence[str]) -> dict[str, Standing]:
        """What is there of each id, tombstones too; ids without anything are absent.

        Args:
            collection: Where to look.
            tenant: Whose items.
            ids: At most 256.
        """
        if not ids:
            return {}
        semantic = [LegName.SEMANTIC] if collection.contract.semantic else []
        vectors = [LegName.IMAGE, LegName.TEXT, *semantic, LegName.BM25]
        return await inspect(self._client, collection.name, tenant, ids, vectors)

    async def stored(self, collection: Collection, tenant: str, ids: Sequence[str]) -> dict[str, Stored]:
        """What stands under each id, tombstones too; ids without anything are absent."""
        fields = [schema.REVISION, schema.DELETED, JOB_ID, LINE]
        found: dict[str, Stored] = {}
        for start in range(0, len(ids), _READ_BATCH):
            condition = scoped(tenant, ids=ids[start : start + _READ_BATCH], with_tombstones=True)
            for record in await self._scroll(collection, condition, _READ_BATCH, fields):
                payload = record.payload or {}
                found[str(record.id)] = Stored(
                    revision=int(payload[schema.REVISION]),
                    deleted=bool(payload.get(schema.DELETED, False)),
                    job_id=payload.get(JOB_ID, ""),
                    line=int(payload.get(LINE, -1)),
                )
        return found

    async def items(self, collection: Collection, tenant: str, ids: Sequence[str]) -> dict[str, Item]:
        """The items of these ids that the tenant has; at most 256 ids."""
        if not ids:
            return {}
        records = await self._scroll(collection, scoped(tenant, ids=ids), len(ids), True)
        return {str(record.id): to_item(str(record.id), record.payload or {}) for record in records}

    async def ask(
        self, collection: Collection, tenant: str, legs: Sequence[Leg], condition: JsonObject | None = None
    ) -> list[list[Candidate]]:
        """Ask all legs in one round trip.

        Returns:
            One list a leg, best first; equal scores ordered by id, so that the same query gives the same ranks.

        Raises:
            InvalidFilterError: See `parse_filter`.
        """
        within = scoped(tenant, parse_filter(condition))
        requests = [_request(leg, within, tenant) for leg in legs]
        with store_call("query_batch_points", collection.name, len(requests)):
            answers = await self._client.query_batch_points(collection.name, requests=requests)
        return [
            sorted((Candidate(str(p.id), p.score) for p in answer.points), key=lambda c: (-c.score, c.id))
            for answer in answers
        ]

    async def facet(
        self, collection: Collection, tenant: str, field: str, condition: JsonObject | None, limit: int
    ) -> list[FacetValue]:
        """The most frequent values of a field.

        Raises:
            InvalidFilterError: The field or the filter is not one we know.
        """
        path, within = field_path(field), scoped(tenant, parse_filter(condition))
        if path.startswith(f"{schema.METADATA}.") and not await self._index_field(collection, tenant, field, path):
            return []
        with store_call("facet", collection.name):
            answer = await self._client.facet(
                collection.name, key=path, facet_filter=within, limit=limit, exact=True
            )
        return [FacetValue(str(hit.value), hit.count) for hit in answer.hits]

    async def _index_field(self, collection: Collection, tenant: str, field: str, path: str) -> bool:
        """Let Qdrant count a field of the user's own; False if no item has it: guesses are not indexed."""
        present = scoped(tenant, parse_filter({field: {"exists": True}}))
        with store_call("count", collection.name):
            found = await self._client.count(collection.name, count_filter=present, exact=True)
        if found.count == 0:
            return False
        with store_call("create_payload_index", collection.name):
            await self._client.create_payload_index(
                collection.name, path, field_schema=models.PayloadSchemaType.KEYWORD, wait=True
            )
        return True

    async def count(self, collection: Collection, tenant: str) -> int:
        """How many items the tenant has."""
        with store_call("count", collection.name):
            answer = await self._client.count(collection.name, count_filter=scoped(tenant), exact=True)
        return answer.count

    async def _write_over_older(
        self, collection: Collection, tenant: str, points: list[models.PointStruct], revision: int
    ) -> None:
        await self._write(collection, tenant, points, older(revision))

    async def _write(
        self, collection: Collection, tenant: str, points: list[models.PointStruct], replaces: models.Filter
    ) -> None:
        condition = scoped(tenant, replaces, with_tombstones=True)
        with store_call("upsert", collection.name, len(points)):
            await self._client.upsert(
                collection.name, points, wait=True, update_filter=condition, ordering=WRITE_ORDERING
            )

    async def _scroll(
        self, collection: Collection, condition: models.Filter, limit: int, fields: bool | list[str]
    ) -> list[models.Record]:
        with store_call("scroll", collection.name):
            records, _ = await self._client.scroll(
                collection.name, scroll_filter=condition, limit=limit, with_payload=fields, with_vectors=False
            )
        return records


def _check_write(tenant: str, items: Sequence[IndexedItem]) -> None:
    writes = {(indexed.item.tenant, indexed.item.revision, indexed.job_id) for indexed in items}
    if len(writes) != 1 or items[0].item.tenant != tenant:
        raise ValueError("one upsert carries items of one tenant, one revision and one job")


def _request(leg: Leg, within: models.Filter, tenant: str) -> models.QueryRequest:
    sparse = isinstance(leg.vector, SparseVector)
    vector = to_sparse(leg.vector) if isinstance(leg.vector, SparseVector) else leg.vector.tolist()
    return models.QueryRequest(
        query=vector,
        using=leg.name.value,
        filter=within,
        limit=leg.limit,
        with_payload=False,
        params=_word_statistics(tenant) if sparse else None,
    )


def _word_statistics(tenant: str) -> models.SearchParams:
    """How rare a word is, counted over the tenant's own items: another tenant's words must not show."""
    return models.SearchParams(idf=models.IdfCorpusParams(corpus=scoped(tenant)))
