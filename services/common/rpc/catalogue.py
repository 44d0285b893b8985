"""Whole items between the domain and the wire."""

from __future__ import annotations

from dataclasses import replace

from imagerag.v1 import catalogue_pb2, types_pb2

from services.common.catalogue import (
    CatalogueEntry,
    CataloguePage,
    Imported,
    SemanticVectors,
    VectorContract,
)
from services.common.domain import IndexedItem, Item, ItemVectors, SparseVector, Vector
from services.common.errors import InvalidVectorError, rebuild
from services.common.rpc.items import item_from_proto, item_to_proto
from services.common.rpc.tensors import tensor_to_proto, vector_from_bytes


def contract_to_proto(contract: VectorContract) -> catalogue_pb2.EmbeddingContract:
    """The wire form of `contract`."""
    semantic = contract.semantic
    return catalogue_pb2.EmbeddingContract(
        joint=contract.joint,
        dim=contract.dim,
        bm25=contract.bm25,
        semantic=None
        if semantic is None
        else catalogue_pb2.EmbeddingContract.Semantic(fingerprint=semantic.fingerprint, dim=semantic.dim),
    )


def contract_from_proto(message: catalogue_pb2.EmbeddingContract) -> VectorContract:
    """The contract that a message describes."""
    semantic = message.semantic
    return VectorContract(
        message.joint,
        message.dim,
        message.bm25,
        SemanticVectors(semantic.fingerprint, semantic.dim) if message.HasField("semantic") else None,
    )


def entry_to_proto(entry: CatalogueEntry) -> catalogue_pb2.CatalogueEntry:
    """The wire form of `entry`."""
    indexed = entry.indexed
    media = indexed.item.media
    return catalogue_pb2.CatalogueEntry(
        item=item_to_proto(indexed.item),
        perceptual_hash=media.perceptual_hash if media else "",
        job_id=indexed.job_id,
        line=max(indexed.line, 0),
        vectors=_vectors_to_proto(indexed.vectors),
        duplicate_of_key=entry.duplicate_of_key,
    )


def entry_from_proto(tenant: str, message: catalogue_pb2.CatalogueEntry) -> CatalogueEntry:
    """The entry that a message of `tenant` describes.

    Raises:
        InvalidRequestError: A part of the item or a vector is malformed.
    """
    item = _with_hash(item_from_proto(tenant, message.item), message.perceptual_hash)
    vectors = _vectors_from_proto(message.vectors)
    return CatalogueEntry(IndexedItem(item, vectors, message.job_id, message.line), message.duplicate_of_key)


def page_to_proto(page: CataloguePage) -> catalogue_pb2.ListItemsResponse:
    """The wire form of `page`."""
    return catalogue_pb2.ListItemsResponse(
        contract=None if page.contract is None else contract_to_proto(page.contract),
        entries=map(entry_to_proto, page.entries),
        next=page.following,
        total=page.total,
    )


def page_from_proto(tenant: str, message: catalogue_pb2.ListItemsResponse) -> CataloguePage:
    """The page that a message describes."""
    return CataloguePage(
        contract_from_proto(message.contract) if message.HasField("contract") else None,
        [entry_from_proto(tenant, entry) for entry in message.entries],
        message.next,
        message.total,
    )


def imported_to_proto(imported: Imported) -> catalogue_pb2.ImportItemsResponse.Result:
    """The wire form of `imported`."""
    error = imported.error
    return catalogue_pb2.ImportItemsResponse.Result(
        id=imported.item_id,
        stored=imported.stored,
        error=None if error is None else types_pb2.PartError(code=error.code, message=error.message),
    )


def imported_from_proto(message: catalogue_pb2.ImportItemsResponse.Result) -> Imported:
    """What became of an entry, as a message says it."""
    error = rebuild(message.error.code, message.error.message) if message.HasField("error") else None
    return Imported(message.id, message.stored, error)


def _with_hash(item: Item, perceptual_hash: str) -> Item:
    if item.media is None or not perceptual_hash:
        return item
    return replace(item, media=replace(item.media, perceptual_hash=perceptual_hash))


def _vectors_to_proto(vectors: ItemVectors) -> catalogue_pb2.Vectors | None:
    words = vectors.bm25
    if words is None and all(vector is None for vector in (vectors.image, vectors.text, vectors.semantic)):
        return None
    return catalogue_pb2.Vectors(
        image=_packed(vectors.image),
        text=_packed(vectors.text),
        semantic=_packed(vectors.semantic),
        bm25_indices=words.indices if words else (),
        bm25_values=words.values if words else (),
    )


def _vectors_from_proto(message: catalogue_pb2.Vectors) -> ItemVectors:
    if len(message.bm25_indices) != len(message.bm25_values):
        raise InvalidVectorError("A sparse vector needs one value for each index.")
    words = SparseVector(tuple(message.bm25_indices), tuple(message.bm25_values)) if message.bm25_indices else None
    return ItemVectors(
        image=_unpacked(message.image),
        text=_unpacked(message.text),
        semantic=_unpacked(message.semantic),
        bm25=words,
    )


def _packed(vector: Vector | None) -> bytes:
    return b"" if vector is None else tensor_to_proto(vector).data


def _unpacked(data: bytes) -> Vector | None:
    return vector_from_bytes(data) if data else None
