"""gRPC to domain and back; nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from imagerag.v1 import retriever_pb2, retriever_pb2_grpc, types_pb2

from services.common.rpc.items import item_to_proto
from services.common.rpc.searches import filter_from_json, query_from_proto, result_to_proto
from services.common.rpc.standings import standing_to_proto
from services.common.tenant import check_tenant
from services.retriever.service import SearchService

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]


class RetrieverServicer(retriever_pb2_grpc.RetrieverServicer):
    """See `protos/imagerag/v1/retriever.proto`."""

    def __init__(self, service: SearchService) -> None:
        self._service = service

    async def Search(  # noqa: N802
        self, request: retriever_pb2.SearchRequest, context: Context
    ) -> retriever_pb2.SearchResponse:
        """One search."""
        query = query_from_proto(_tenant(request.context), request)
        return result_to_proto(await self._service.search(query, request.context.expected_fingerprint))

    async def BatchSearch(  # noqa: N802
        self, request: retriever_pb2.BatchSearchRequest, context: Context
    ) -> retriever_pb2.BatchSearchResponse:
        """Independent searches of one tenant."""
        tenant = _tenant(request.context)
        queries = [query_from_proto(tenant, search) for search in request.searches]
        results = await self._service.batch(queries, request.context.expected_fingerprint)
        return retriever_pb2.BatchSearchResponse(responses=map(result_to_proto, results))

    async def GetItem(  # noqa: N802
        self, request: retriever_pb2.GetItemRequest, context: Context
    ) -> retriever_pb2.GetItemResponse:
        """One item by id."""
        item = await self._service.item(_tenant(request.context), request.id)
        return retriever_pb2.GetItemResponse(item=item_to_proto(item))

    async def DeleteItem(  # noqa: N802
        self, request: retriever_pb2.DeleteItemRequest, context: Context
    ) -> retriever_pb2.DeleteItemResponse:
        """Delete by id."""
        deleted, revision = await self._service.delete(_tenant(request.context), request.id, request.revision)
        return retriever_pb2.DeleteItemResponse(deleted=deleted, revision=revision)

    async def InspectItems(  # noqa: N802
        self, request: retriever_pb2.InspectItemsRequest, context: Context
    ) -> retriever_pb2.InspectItemsResponse:
        """What stands under ids."""
        found = await self._service.inspect(_tenant(request.context), list(request.ids))
        return retriever_pb2.InspectItemsResponse(items=[standing_to_proto(*each) for each in found.items()])

    async def Facet(  # noqa: N802
        self, request: retriever_pb2.FacetRequest, context: Context
    ) -> retriever_pb2.FacetResponse:
        """Values of a field with their counts."""
        condition = filter_from_json(request.filter_json)
        values = await self._service.facet(_tenant(request.context), request.field, condition, request.limit or 10)
        return retriever_pb2.FacetResponse(
            values=[retriever_pb2.FacetResponse.Value(value=value.value, count=value.count) for value in values]
        )


def _tenant(context: types_pb2.RequestContext) -> str:
    return check_tenant(context.tenant)
