"""gRPC to domain and back, for the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from imagerag.v1 import catalogue_pb2, catalogue_pb2_grpc

from services.common.rpc.catalogue import (
    contract_from_proto,
    entry_from_proto,
    imported_to_proto,
    page_to_proto,
)
from services.common.tenant import check_tenant
from services.retriever.catalogue import CatalogueService

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]


class CatalogueServicer(catalogue_pb2_grpc.CatalogueServicer):
    """See `protos/imagerag/v1/catalogue.proto`."""

    def __init__(self, service: CatalogueService) -> None:
        self._service = service

    async def ListItems(  # noqa: N802
        self, request: catalogue_pb2.ListItemsRequest, context: Context
    ) -> catalogue_pb2.ListItemsResponse:
        """A page of items."""
        tenant = check_tenant(request.context.tenant)
        page = await self._service.page(tenant, request.cursor, request.limit, with_vectors=request.with_vectors)
        return page_to_proto(page)

    async def ImportItems(  # noqa: N802
        self, request: catalogue_pb2.ImportItemsRequest, context: Context
    ) -> catalogue_pb2.ImportItemsResponse:
        """Items with vectors from elsewhere."""
        tenant = check_tenant(request.context.tenant)
        entries = [entry_from_proto(tenant, entry) for entry in request.entries]
        results = await self._service.take(tenant, contract_from_proto(request.contract), entries)
        return catalogue_pb2.ImportItemsResponse(results=map(imported_to_proto, results))
