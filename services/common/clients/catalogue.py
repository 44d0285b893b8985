"""The catalogue as its callers see it; the retriever serves it."""

from __future__ import annotations

from collections.abc import Sequence

from imagerag.v1 import catalogue_pb2, catalogue_pb2_grpc, types_pb2

from services.common.catalogue import CatalogueEntry, CataloguePage, Imported, VectorContract
from services.common.rpc.catalogue import (
    contract_to_proto,
    entry_to_proto,
    imported_from_proto,
    page_from_proto,
)
from services.common.rpc.channel import call_metadata, unary
from services.common.rpc.client import RpcClient

_NAME = "retriever"


class CatalogueClient(RpcClient):
    """Calls one retriever, or every replica behind one name."""

    @property
    def _stub(self) -> catalogue_pb2_grpc.CatalogueAsyncStub:
        return catalogue_pb2_grpc.CatalogueStub(self.channel)

    async def page(self, tenant: str, cursor: str, limit: int, *, with_vectors: bool) -> CataloguePage:
        """A page of the tenant's items.

        Args:
            tenant: Whose items.
            cursor: `following` of the page before; empty: the first one.
            limit: At most `MAX_ENTRIES`.
            with_vectors: Read these, too.

        Raises:
            InvalidRequestError: There is no such cursor.
            UnavailableError: The retriever or the store does not answer.
        """
        request = catalogue_pb2.ListItemsRequest(
            context=types_pb2.RequestContext(tenant=tenant), cursor=cursor, limit=limit, with_vectors=with_vectors
        )
        call = self._stub.ListItems(request, timeout=self._deadline_s, metadata=call_metadata())
        return page_from_proto(tenant, await unary(_NAME, call))

    async def take(
        self, tenant: str, contract: VectorContract, entries: Sequence[CatalogueEntry]
    ) -> list[Imported]:
        """Store items with vectors of this contract; one answer an entry.

        Raises:
            FingerprintMismatchError: Collection or encoder are of another contract; nothing was stored.
            UnavailableError: The retriever, the store or the encoder does not answer.
        """
        request = catalogue_pb2.ImportItemsRequest(
            context=types_pb2.RequestContext(tenant=tenant),
            contract=contract_to_proto(contract),
            entries=map(entry_to_proto, entries),
        )
        call = self._stub.ImportItems(request, timeout=self._deadline_s, metadata=call_metadata())
        return [imported_from_proto(result) for result in (await unary(_NAME, call)).results]
