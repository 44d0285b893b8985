"""The store's reads: retrieve, query, groups, scroll, count, facet. Every method runs on the engine's thread."""

from __future__ import annotations

from collections.abc import Sequence

import qdrant_edge as edge
from qdrant_client.http import models as m

from services.common.errors import InvalidVectorError, NotFoundError, UnimplementedError
from services.store.collection import Collection
from services.store.engine import engine_errors
from services.store.grouping import Group, complete, grouped
from services.store.registry import Registry
from services.store.translate.filters import engine_filter
from services.store.translate.ids import PointId, point_id, point_ids
from services.store.translate.limits import check_range
from services.store.translate.queries import DEFAULT_LIMIT, QueryTranslator
from services.store.translate.results import Json, facet_json, plain_id, record_json, scored_json
from services.store.translate.selection import order_by, with_payload, with_vector
from services.store.translate.vectors import EngineVector

_FACET_READ = 10_000
"""Values that are read to order ties: the engine cuts among them at random."""
_GROUP_SIZE = 3
_GROUP_READ_LIMIT = 20_000
"""Hits below a grouping at most."""


class StoreReads:
    """Reads of points.

    Args:
        registry: The open data folder.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def retrieve(self, name: str, request: m.PointRequest) -> list[Json]:
        """Points by id, as far as they exist."""
        collection = self._registry.get(name)
        payload = with_payload(request.with_payload, default=True)
        vectors = with_vector(request.with_vector, collection.fields)
        return [record_json(found) for found in collection.retrieve(point_ids(request.ids), payload, vectors)]

    def get_point(self, name: str, identifier: str) -> Json:
        """One point with all it has.

        Raises:
            NotFoundError: It is not there.
        """
        own = point_id(int(identifier) if identifier.isdecimal() else identifier)
        found = self._registry.get(name).retrieve([own], True, True)
        if not found:
            raise NotFoundError(f"Point with id {identifier} does not exists!")
        return record_json(found[0])

    def query(self, name: str, requests: Sequence[m.QueryRequest]) -> list[Json]:
        """Hits of each request."""
        collection = self._registry.get(name)
        translator = self._translator(collection)
        with engine_errors():
            translated = [translator.query(request) for request in requests]
        if not translated:
            return []
        return [
            {"points": [scored_json(point, request.with_vector) for point in points]}
            for request, points in zip(requests, collection.query(translated), strict=True)
        ]

    def query_groups(self, name: str, request: m.QueryGroupsRequest) -> Json:
        """Hits in groups. Reads more and more hits until the groups are full."""
        if request.with_lookup is not None:
            raise UnimplementedError("with_lookup of query groups is not offered by this store")
        collection = self._registry.get(name)
        limit = check_range(DEFAULT_LIMIT if request.limit is None else request.limit, "limit", minimum=1)
        size = check_range(
            _GROUP_SIZE if request.group_size is None else request.group_size, "group_size", minimum=1
        )
        groups = self._groups(collection, request, limit, size)
        return {"groups": [self._group_json(collection, request, group) for group in groups]}

    def _groups(self, collection: Collection, request: m.QueryGroupsRequest, limit: int, size: int) -> list[Group]:
        translator = self._translator(collection)
        wanted = min(limit * size, _GROUP_READ_LIMIT)
        while True:
            with engine_errors():
                translated = translator.grouped(request, wanted)
            points = collection.query([translated])[0]
            groups = grouped(points, request.group_by, limit, size)
            if complete(groups, limit, size) or len(points) < wanted or wanted >= _GROUP_READ_LIMIT:
                return groups
            wanted = min(wanted * 4, _GROUP_READ_LIMIT)

    def _group_json(self, collection: Collection, request: m.QueryGroupsRequest, group: Group) -> Json:
        payload = with_payload(request.with_payload, default=False)
        vectors = with_vector(request.with_vector, collection.fields)
        ids = [plain_id(hit.id) for hit in group.hits]
        records = {plain_id(found.id): record_json(found) for found in collection.retrieve(ids, payload, vectors)}
        hits = [records[plain_id(hit.id)] | {"version": hit.version, "score": hit.score} for hit in group.hits]
        return {"id": group.key, "hits": hits}

    def scroll(self, name: str, request: m.ScrollRequest) -> Json:
        """A page of points in the order of ids, or of a field."""
        collection = self._registry.get(name)
        with engine_errors():
            translated = edge.ScrollRequest(
                offset=None if request.offset is None else point_id(request.offset),
                limit=check_range(DEFAULT_LIMIT if request.limit is None else request.limit, "limit", minimum=1),
                filter=engine_filter(request.filter),
                with_payload=with_payload(request.with_payload, default=True),
                with_vector=with_vector(request.with_vector, collection.fields),
                order_by=None if request.order_by is None else order_by(request.order_by),
            )
        records, following = collection.scroll(translated)
        return {
            "points": [record_json(record) for record in records],
            "next_page_offset": None if following is None else plain_id(following),
        }

    def count(self, name: str, request: m.CountRequest) -> Json:
        """How many points match."""
        collection = self._registry.get(name)
        with engine_errors():
            translated = edge.CountRequest(exact=request.exact is not False, filter=engine_filter(request.filter))
        return {"count": collection.count(translated)}

    def facet(self, name: str, request: m.FacetRequest) -> Json:
        """The most frequent values of an indexed field."""
        collection = self._registry.get(name)
        limit = check_range(DEFAULT_LIMIT if request.limit is None else request.limit, "limit", minimum=1)
        with engine_errors():
            translated = edge.FacetRequest(
                request.key,
                limit=max(limit, _FACET_READ),
                exact=bool(request.exact),
                filter=engine_filter(request.filter),
            )
        return facet_json(collection.facet(translated), limit)

    def _translator(self, collection: Collection) -> QueryTranslator:
        def lookup(identifier: PointId, using: str | None, elsewhere: m.LookupLocation | None) -> EngineVector:
            if elsewhere is None:
                return _stored_vector(collection, identifier, using or "")
            name = using if elsewhere.vector is None else elsewhere.vector
            return _stored_vector(self._registry.get(elsewhere.collection), identifier, name or "")

        return QueryTranslator(collection.fields, lookup)


def _stored_vector(collection: Collection, identifier: PointId, name: str) -> EngineVector:
    if name not in collection.fields:
        raise InvalidVectorError(f"Not existing vector name error: {name}")
    found = collection.retrieve([identifier], False, [name])
    if not found:
        raise NotFoundError(f"No point with id {identifier} found")
    stored = found[0].vector
    vector = stored.get(name) if isinstance(stored, dict) else stored
    if vector is None:
        raise NotFoundError(f"Point with id {identifier} has no vector {name!r}")
    own: EngineVector = vector
    return own
