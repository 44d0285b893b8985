"""Write requests to engine operations: everything is checked here, before the first operation is applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import qdrant_edge as edge
from qdrant_client.http import models as m

from services.common.errors import InvalidRequestError
from services.store.translate.filters import engine_filter
from services.store.translate.ids import EngineId, point_id, point_ids
from services.store.translate.limits import check_payload
from services.store.translate.vectors import VectorFields, check_names, point_vectors

R = TypeVar("R")
_MODES = {
    m.UpdateMode.UPSERT: edge.UpdateMode.Upsert,
    m.UpdateMode.INSERT_ONLY: edge.UpdateMode.InsertOnly,
    m.UpdateMode.UPDATE_ONLY: edge.UpdateMode.UpdateOnly,
}


@dataclass(frozen=True, slots=True)
class Write:
    """One checked operation.

    Attributes:
        operation: For the engine.
        points: How many points it may write vectors of; feeds the decision to build an index.
    """

    operation: edge.UpdateOperation
    points: int = 0


def upsert(source: m.PointInsertOperations, fields: VectorFields) -> Write:
    """Points as a list or as columns, with their condition and mode.

    Raises:
        InvalidRequestError: An id, a vector, a payload or the filter is wrong; nothing of the batch is applied.
        UnimplementedError: A text or picture that the server should embed.
    """
    rows = source.points if isinstance(source, m.PointsList) else _rows(source.batch)
    points = [_point(row, fields) for row in rows]
    operation = edge.UpdateOperation.upsert_points(
        points,
        condition=engine_filter(source.update_filter),
        update_mode=None if source.update_mode is None else _MODES[source.update_mode],
    )
    return Write(operation, len(points))


def _point(row: m.PointStruct, fields: VectorFields) -> edge.Point:
    check_payload(row.payload)
    return edge.Point(point_id(row.id), point_vectors(row.vector, fields), row.payload)


def _rows(batch: m.Batch) -> list[m.PointStruct]:
    count = len(batch.ids)
    payloads: Sequence[m.Payload | None] = batch.payloads or [None] * count
    _check_length("payloads", len(payloads), count)
    vectors = _vector_rows(batch.vectors, count)
    return [
        m.PointStruct.model_construct(id=identifier, vector=vector, payload=payload)
        for identifier, vector, payload in zip(batch.ids, vectors, payloads, strict=True)
    ]


def _vector_rows(vectors: m.BatchVectorStruct, count: int) -> list[m.VectorStruct]:
    if not isinstance(vectors, dict):
        _check_length("vectors", len(vectors), count)
        return list(vectors)
    for name, column in vectors.items():
        _check_length(f"vectors {name!r}", len(column), count)
    return [{name: column[row] for name, column in vectors.items()} for row in range(count)]


def _check_length(what: str, found: int, expected: int) -> None:
    if found != expected:
        raise InvalidRequestError(f"number of ids and {what} must be equal ({expected} != {found})")


def update_vectors(source: m.UpdateVectors, fields: VectorFields) -> Write:
    """Vectors of points that exist; vectors not named stay."""
    points = [
        edge.PointVectors(point_id(point.id), point_vectors(point.vector, fields)) for point in source.points
    ]
    operation = edge.UpdateOperation.update_vectors(points, engine_filter(source.update_filter))
    return Write(operation, len(points))


def delete_vectors(source: m.DeleteVectors, fields: VectorFields) -> Write:
    """Take named vectors from points."""
    names = check_names(source.vector, fields)
    return Write(
        _selected(
            source.points,
            source.filter,
            lambda ids: edge.UpdateOperation.delete_vectors(ids, names),
            lambda condition: edge.UpdateOperation.delete_vectors_by_filter(condition, names),
        )
    )


def delete_points(source: m.PointsSelector) -> Write:
    """Delete points by ids or by filter."""
    operations = edge.UpdateOperation
    return Write(_selected(*_parts(source), operations.delete_points, operations.delete_points_by_filter))


def clear_payload(source: m.PointsSelector) -> Write:
    """Empty the payload of points."""
    operations = edge.UpdateOperation
    return Write(_selected(*_parts(source), operations.clear_payload, operations.clear_payload_by_filter))


def set_payload(source: m.SetPayload) -> Write:
    """Merge into the payload of points, at `key` if given."""
    check_payload(source.payload)
    return Write(
        _selected(
            source.points,
            source.filter,
            lambda ids: edge.UpdateOperation.set_payload(ids, source.payload, source.key),
            lambda found: edge.UpdateOperation.set_payload_by_filter(found, source.payload, source.key),
        )
    )


def overwrite_payload(source: m.SetPayload) -> Write:
    """Replace the payload of points."""
    check_payload(source.payload)
    return Write(
        _selected(
            source.points,
            source.filter,
            lambda ids: edge.UpdateOperation.overwrite_payload(ids, source.payload, source.key),
            lambda found: edge.UpdateOperation.overwrite_payload_by_filter(found, source.payload, source.key),
        )
    )


def delete_payload(source: m.DeletePayload) -> Write:
    """Remove keys from the payload of points."""
    return Write(
        _selected(
            source.points,
            source.filter,
            lambda ids: edge.UpdateOperation.delete_payload(ids, source.keys),
            lambda found: edge.UpdateOperation.delete_payload_by_filter(found, source.keys),
        )
    )


def _parts(source: m.PointsSelector) -> tuple[list[m.ExtendedPointId] | None, m.Filter | None]:
    if isinstance(source, m.PointIdsList):
        return source.points, None
    return None, source.filter


def _selected(
    ids: Sequence[m.ExtendedPointId] | None,
    condition: m.Filter | None,
    by_ids: Callable[[list[EngineId]], R],
    by_filter: Callable[[edge.Filter], R],
) -> R:
    if ids is not None:
        return by_ids(point_ids(ids))
    found = engine_filter(condition)
    if found is None:
        raise InvalidRequestError("Either list of ids or filter should be provided")
    return by_filter(found)


def operation_of(source: m.UpdateOperation, fields: VectorFields) -> Write:
    """One element of `points/batch`."""
    match source:
        case m.UpsertOperation():
            return upsert(source.upsert, fields)
        case m.DeleteOperation():
            return delete_points(source.delete)
        case m.SetPayloadOperation():
            return set_payload(source.set_payload)
        case m.OverwritePayloadOperation():
            return overwrite_payload(source.overwrite_payload)
        case m.DeletePayloadOperation():
            return delete_payload(source.delete_payload)
        case m.ClearPayloadOperation():
            return clear_payload(source.clear_payload)
        case m.UpdateVectorsOperation():
            return update_vectors(source.update_vectors, fields)
        case m.DeleteVectorsOperation():
            return delete_vectors(source.delete_vectors, fields)
    raise InvalidRequestError(f"Unknown operation {type(source).__name__}")
