"""What the engine returns, as JSON of Qdrant's API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import qdrant_edge as edge

from services.store.translate.ids import PointId

Json = dict[str, Any]
"""A JSON object; numbers in vectors are float32 widened to float64."""


def plain_id(value: int | str | UUID) -> PointId:
    """An id as the wire has it."""
    return value if isinstance(value, int) else str(value)


def vector_json(value: object) -> object:
    """A vector, or vectors by name."""
    if isinstance(value, dict):
        return {name: vector_json(vector) for name, vector in value.items()}
    if isinstance(value, edge.SparseVector):
        return {"indices": value.indices, "values": value.values}
    return value


def record_json(record: edge.Record) -> Json:
    """A point without a score."""
    result: Json = {"id": plain_id(record.id)}
    if record.payload is not None:
        result["payload"] = record.payload
    if record.vector is not None:
        result["vector"] = vector_json(record.vector)
    if record.order_value is not None:
        result["order_value"] = record.order_value
    return result


def scored_json(point: edge.ScoredPoint, with_vector: bool | list[str] | None) -> Json:
    """A point with its score. The engine's MMR returns vectors unasked: those are left out."""
    result: Json = {"id": plain_id(point.id), "version": point.version, "score": point.score}
    if point.payload is not None:
        result["payload"] = point.payload
    if with_vector and point.vector is not None:
        result["vector"] = vector_json(point.vector)
    if point.order_value is not None:
        result["order_value"] = point.order_value
    return result


def facet_json(hits: Iterable[edge.FacetHit], limit: int) -> Json:
    """The `limit` most frequent values; the engine leaves ties in no order, here the value decides."""
    counted = [{"value": _facet_value(hit.value), "count": hit.count} for hit in hits]
    counted.sort(key=_facet_order)
    return {"hits": counted[:limit]}


def _facet_value(value: object) -> object:
    return str(value) if isinstance(value, UUID) else value


def _facet_order(hit: Json) -> tuple[int, bool, Any]:
    return -hit["count"], isinstance(hit["value"], str), hit["value"]
