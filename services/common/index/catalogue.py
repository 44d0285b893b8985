"""Which collection is in use: made from an embedding contract, found through one alias."""

from __future__ import annotations

from dataclasses import dataclass

from qdrant_client import AsyncQdrantClient, models

from services.common.errors import FingerprintMismatchError
from services.common.index.calls import store_call
from services.common.index.connection import StoreExistsError, StoreNotFoundError
from services.common.index.contract import EmbeddingContract
from services.common.index.layout import ONE_NODE, Layout
from services.common.index.schema import PAYLOAD_INDEXES, collection_arguments


@dataclass(frozen=True)
class Collection:
    """A physical collection and what its vectors were made by."""

    name: str
    contract: EmbeddingContract


async def resolve(client: AsyncQdrantClient, alias: str) -> Collection | None:
    """The collection behind the alias; None before the first item was stored."""
    try:
        with store_call("get_collection", alias):
            info = await client.get_collection(alias)
    except StoreNotFoundError:
        return None
    contract = EmbeddingContract.from_metadata(info.config.metadata)
    return Collection(contract.collection_name(alias), contract) if contract else None


async def ensure(
    client: AsyncQdrantClient, alias: str, contract: EmbeddingContract, layout: Layout = ONE_NODE
) -> Collection:
    """Make the contract's collection and the alias if they are not there; safe to call from many processes.

    Raises:
        FingerprintMismatchError: The alias serves another contract.
    """
    current = await resolve(client, alias)
    if current is None:
        name = contract.collection_name(alias)
        await _create(client, name, contract, layout)
        await _point_alias(client, name, alias)
        current = await resolve(client, alias)
    if current is None or current.contract != contract:
        actual = current.contract.label if current else "nothing"
        raise FingerprintMismatchError.between(expected=actual, actual=contract.label)
    return current


async def _create(client: AsyncQdrantClient, name: str, contract: EmbeddingContract, layout: Layout) -> None:
    try:
        with store_call("create_collection", name):
            await client.create_collection(name, **collection_arguments(contract, layout))
    except StoreExistsError:
        pass  # another worker was faster, or died before the rest: go on where it stopped
    for field, schema in PAYLOAD_INDEXES.items():
        with store_call("create_payload_index", name):
            await client.create_payload_index(name, field, field_schema=schema, wait=True)


async def _point_alias(client: AsyncQdrantClient, name: str, alias: str) -> None:
    operation = models.CreateAliasOperation(
        create_alias=models.CreateAlias(collection_name=name, alias_name=alias)
    )
    with store_call("update_collection_aliases"):
        await client.update_collection_aliases(change_aliases_operations=[operation])
