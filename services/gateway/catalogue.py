"""The use case: all items of a tenant with their vectors, out and in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from services.common.catalogue import CatalogueEntry, CataloguePage, Imported, VectorContract
from services.common.clients.catalogue import CatalogueClient
from services.common.media.store import MediaStore

_LOOKS_AT_ONCE = 16


class Catalogue:
    """Lists and imports.

    Args:
        client: Of the retriever.
        media: Where the items' pictures are kept.
    """

    def __init__(self, client: CatalogueClient, media: MediaStore) -> None:
        self._client, self._media = client, media

    async def page(self, tenant: str, cursor: str, limit: int, *, with_vectors: bool) -> CataloguePage:
        """A page of the tenant's items; see `CatalogueClient.page`."""
        return await self._client.page(tenant, cursor, limit, with_vectors=with_vectors)

    async def take(
        self, tenant: str, contract: VectorContract, entries: Sequence[CatalogueEntry]
    ) -> tuple[list[Imported], list[str]]:
        """Store items with their vectors.

        Returns:
            What became of each, and the pictures that they name and that are not kept here.

        Raises:
            FingerprintMismatchError: The vectors were made by another model; nothing was stored.
        """
        results = await self._client.take(tenant, contract, entries)
        named = {entry.indexed.item.media.sha256 for entry in entries if entry.indexed.item.media}
        return results, await self._missing(tenant, sorted(named))

    async def _missing(self, tenant: str, digests: Sequence[str]) -> list[str]:
        missing: list[str] = []
        for start in range(0, len(digests), _LOOKS_AT_ONCE):
            some = digests[start : start + _LOOKS_AT_ONCE]
            there = await asyncio.gather(*self._looks(tenant, some))
            missing += [digest for digest, is_there in zip(some, there, strict=True) if not is_there]
        return missing

    def _looks(self, tenant: str, digests: Iterable[str]) -> Iterable[asyncio.Future[bool]]:
        return (asyncio.ensure_future(asyncio.to_thread(self._media.exists, tenant, each)) for each in digests)
