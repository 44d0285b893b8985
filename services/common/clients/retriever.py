"""The retriever as its callers see it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from imagerag.v1 import retriever_pb2, retriever_pb2_grpc, types_pb2

from services.common.domain import Item, JsonObject
from services.common.rpc.channel import call_metadata, unary
from services.common.rpc.client import RpcClient
from services.common.rpc.items import item_from_proto
from services.common.rpc.searches import query_to_proto, result_from_proto
from services.common.rpc.standings import standing_from_proto
from services.common.search import Facet, SearchQuery, SearchResult
from services.common.standing import Standing

_NAME = "retriever"


class RetrieverClient(RpcClient):
    """Calls one retriever, or every replica behind one name.

    Its health name is that of the process: without its store a retriever still says what is missing.
    """

    @property
    def _stub(self) -> retriever_pb2_grpc.RetrieverAsyncStub:
        return retriever_pb2_grpc.RetrieverStub(self.channel)

    async def search(self, query: SearchQuery) -> SearchResult:
        """Search.

        Raises:
            InvalidRequestError: The query, filter or picture is not usable.
            UnavailableError: The retriever, the store or the encoder does not answer.
            DeadlineError: The answer did not come in time.
        """
        call = self._stub.Search(query_to_proto(query), timeout=self._deadline_s, metadata=call_metadata())
        return result_from_proto(query.tenant, await unary(_NAME, call))

    async def get_item(self, tenant: str, item_id: str) -> Item:
        """One item.

        Raises:
            NotFoundError: The tenant has none of this id.
        """
        request = retriever_pb2.GetItemRequest(context=_context(tenant), id=item_id)
        call = self._stub.GetItem(request, timeout=self._deadline_s, metadata=call_metadata())
        return item_from_proto(tenant, (await unary(_NAME, call)).item)

    async def delete_item(self, tenant: str, item_id: str, revision: int = 0) -> bool:
        """Delete an item for good; False if there was nothing to delete.

        Args:
            tenant: Whose item.
            item_id: Which one.
            revision: Of the delete; 0 takes the next one.
        """
        request = retriever_pb2.DeleteItemRequest(context=_context(tenant), id=item_id, revision=revision)
        call = self._stub.DeleteItem(request, timeout=self._deadline_s, metadata=call_metadata())
        return (await unary(_NAME, call)).deleted

    async def inspect_items(self, tenant: str, ids: Sequence[str]) -> dict[str, Standing]:
        """What stands under each of at most 256 ids, deleted items too; ids without anything are absent."""
        request = retriever_pb2.InspectItemsRequest(context=_context(tenant), ids=ids)
        call = self._stub.InspectItems(request, timeout=self._deadline_s, metadata=call_metadata())
        return dict(standing_from_proto(found) for found in (await unary(_NAME, call)).items)

    async def facet(
        self, tenant: str, field: str, *, condition: JsonObject | None = None, limit: int = 10
    ) -> list[Facet]:
        """The most frequent values of a field.

        Raises:
            InvalidRequestError: The field, the filter or the limit is not usable.
        """
        request = retriever_pb2.FacetRequest(
            context=_context(tenant),
            field=field,
            filter_json=json.dumps(condition) if condition else "",
            limit=limit,
        )
        call = self._stub.Facet(request, timeout=self._deadline_s, metadata=call_metadata())
        return [Facet(value.value, value.count) for value in (await unary(_NAME, call)).values]


def _context(tenant: str) -> types_pb2.RequestContext:
    return types_pb2.RequestContext(tenant=tenant)
