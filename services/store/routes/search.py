"""Reads of points."""

from __future__ import annotations

from pydantic import TypeAdapter
from qdrant_client.http import models as m

from services.store.reads import StoreReads
from services.store.routes.call import Call, Endpoint

_RETRIEVE = TypeAdapter(m.PointRequest)
_QUERY = TypeAdapter(m.QueryRequest)
_QUERY_BATCH = TypeAdapter(m.QueryRequestBatch)
_QUERY_GROUPS = TypeAdapter(m.QueryGroupsRequest)
_SCROLL = TypeAdapter(m.ScrollRequest)
_COUNT = TypeAdapter(m.CountRequest)
_FACET = TypeAdapter(m.FacetRequest)


class SearchRoutes:
    """Translates reads.

    Args:
        reads: Carries them out.
    """

    def __init__(self, reads: StoreReads) -> None:
        self._reads = reads

    def endpoints(self) -> list[Endpoint]:
        """The table of paths."""
        points = "/collections/{name}/points"
        return [
            Endpoint("POST", points, self._retrieve),
            Endpoint("POST", f"{points}/query", self._query),
            Endpoint("POST", f"{points}/query/batch", self._query_batch),
            Endpoint("POST", f"{points}/query/groups", self._query_groups),
            Endpoint("POST", f"{points}/scroll", self._scroll),
            Endpoint("POST", f"{points}/count", self._count),
            Endpoint("POST", "/collections/{name}/facet", self._facet),
            Endpoint("GET", f"{points}/{{id}}", self._get_point),
        ]

    def _retrieve(self, call: Call) -> object:
        return self._reads.retrieve(call.collection, call.body(_RETRIEVE))

    def _get_point(self, call: Call) -> object:
        return self._reads.get_point(call.collection, call.path["id"])

    def _query(self, call: Call) -> object:
        return self._reads.query(call.collection, [call.body(_QUERY)])[0]

    def _query_batch(self, call: Call) -> object:
        return self._reads.query(call.collection, call.body(_QUERY_BATCH).searches)

    def _query_groups(self, call: Call) -> object:
        return self._reads.query_groups(call.collection, call.body(_QUERY_GROUPS))

    def _scroll(self, call: Call) -> object:
        return self._reads.scroll(call.collection, call.body(_SCROLL))

    def _count(self, call: Call) -> object:
        return self._reads.count(call.collection, call.body(_COUNT))

    def _facet(self, call: Call) -> object:
        return self._reads.facet(call.collection, call.body(_FACET))
