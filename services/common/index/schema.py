"""The shape of a collection: named vectors, sparse vector, payload indexes."""

from __future__ import annotations

from typing import Any

from qdrant_client import models

from services.common.domain import LegName
from services.common.index.contract import EmbeddingContract
from services.common.index.layout import ONE_NODE, Layout

TENANT = "tenant"
REVISION = "revision"
DELETED = "deleted"
METADATA = "metadata"

PAYLOAD_INDEXES: dict[str, models.PayloadSchemaType | models.KeywordIndexParams] = {
    # Qdrant keeps the points of one tenant together on disk and counts word statistics by it.
    TENANT: models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
    REVISION: models.PayloadSchemaType.INTEGER,
    DELETED: models.PayloadSchemaType.BOOL,
    "kind": models.PayloadSchemaType.KEYWORD,
    "key": models.PayloadSchemaType.KEYWORD,
    "document_id": models.PayloadSchemaType.KEYWORD,
    "tags": models.PayloadSchemaType.KEYWORD,
    "labels": models.PayloadSchemaType.KEYWORD,
    "incomplete": models.PayloadSchemaType.KEYWORD,
    "source_uri": models.PayloadSchemaType.KEYWORD,
    "ingested_at": models.PayloadSchemaType.DATETIME,
}
"""Fields of ours that a filter may name, with their types. The user's own stand under `metadata`."""


def collection_arguments(contract: EmbeddingContract, layout: Layout = ONE_NODE) -> dict[str, Any]:
    """Keyword arguments of `create_collection` for this contract, spread over the nodes like this."""
    joint = models.VectorParams(size=contract.dim, distance=models.Distance.COSINE)
    dense = {LegName.IMAGE.value: joint, LegName.TEXT.value: joint}
    if contract.semantic:
        dense[LegName.SEMANTIC.value] = models.VectorParams(
            size=contract.semantic.dim, distance=models.Distance.COSINE
        )
    return {
        "vectors_config": dense,
        "sparse_vectors_config": {LegName.BM25.value: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        "metadata": contract.to_metadata(),
        "shard_number": layout.shards,
        "replication_factor": layout.replicas,
        "write_consistency_factor": layout.write_consistency,
    }
