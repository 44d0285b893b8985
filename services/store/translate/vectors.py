"""Vectors, checked before the engine sees them.

The checks are not politeness. A multivector with uneven rows, or a sparse vector with more indices than values,
panics the engine after the write is in its log, and from then on the shard cannot be loaded. A vector that does
not fit leaves its batch half applied, and NaN is stored as it comes. (Measured with qdrant-edge-py 0.9.0.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import qdrant_edge as edge
from qdrant_client.http import models as m

from services.common.errors import InvalidVectorError, UnimplementedError

EngineVector = list[float] | list[list[float]] | edge.SparseVector
"""A vector as the engine takes it."""
_UINT32 = 2**32


@dataclass(frozen=True, slots=True)
class VectorField:
    """One named vector of a collection.

    Attributes:
        name: Empty for the unnamed one.
        size: Dimension; None for a sparse vector.
        multi: Whether a point holds several rows of `size`.
    """

    name: str
    size: int | None
    multi: bool = False


VectorFields = Mapping[str, VectorField]


def field_named(name: str | None, fields: VectorFields) -> VectorField:
    """The field of that name; None and "" are the unnamed vector.

    Raises:
        InvalidVectorError: The collection has no such vector.
    """
    field = fields.get(name or "")
    if field is None:
        raise InvalidVectorError(f"Not existing vector name error: {name or ''}")
    return field


def check_names(names: Sequence[str], fields: VectorFields) -> list[str]:
    """Return `names` if the collection has them all.

    Raises:
        InvalidVectorError: It has not.
    """
    return [field_named(name, fields).name for name in names]


def point_vectors(source: m.VectorStruct, fields: VectorFields) -> dict[str, EngineVector]:
    """The vectors of one point by name.

    Args:
        source: An unnamed vector, or a mapping from names; an empty mapping is a point without vectors.
        fields: The collection's vectors.

    Raises:
        InvalidVectorError: One does not fit its field.
        UnimplementedError: A text or picture that the server should embed.
    """
    if not isinstance(source, dict):
        return {"": engine_vector(source, field_named("", fields))}
    return {name: engine_vector(vector, field_named(name, fields)) for name, vector in source.items()}


def engine_vector(source: object, field: VectorField) -> EngineVector:
    """Check one vector against its field, stored or asked with.

    Args:
        source: A list of numbers, a list of rows, or `models.SparseVector`.
        field: What it has to fit.

    Raises:
        InvalidVectorError: It does not fit.
        UnimplementedError: A text or picture that the server should embed.
    """
    if isinstance(source, m.Document | m.Image | m.InferenceObject):
        raise UnimplementedError(f"Server-side inference ({type(source).__name__}) is not offered by this store")
    if isinstance(source, m.SparseVector):
        return _sparse(source, field)
    if not isinstance(source, list):
        raise InvalidVectorError(f"{type(source).__name__} is no vector")
    if field.size is None:
        raise InvalidVectorError(f"Vector {field.name!r} is sparse: indices and values are expected")
    rows = source if source and isinstance(source[0], list) else [source]
    if field.multi:
        _check_rows(rows, field)
        return rows
    if rows is source:
        raise InvalidVectorError(f"Vector {field.name!r} is no multivector: one row is expected")
    _check_rows(rows, field)
    return source


def _check_rows(rows: list[list[float]], field: VectorField) -> None:
    for row in rows:
        if not isinstance(row, list) or len(row) != field.size:
            found = len(row) if isinstance(row, list) else 0
            raise InvalidVectorError(f"Vector dimension error: expected dim: {field.size}, got {found}")
    _check_numbers([number for row in rows for number in row] if len(rows) > 1 else rows[0], field.name)


def _check_numbers(numbers: Sequence[float], name: str) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        row = np.asarray(numbers, dtype=np.float32)
        # One product finds NaN, infinity, and numbers whose squares overflow: those become NaN when normalised.
        finite = bool(np.isfinite(np.dot(row, row)))
    if not finite:
        raise InvalidVectorError(f"Vector {name!r} holds NaN, an infinite or a too large number")


def _sparse(source: m.SparseVector, field: VectorField) -> edge.SparseVector:
    if field.size is not None:
        raise InvalidVectorError(f"Vector {field.name!r} is dense: a list of {field.size} numbers is expected")
    if len(source.indices) != len(source.values):
        raise InvalidVectorError(
            f"Sparse vector {field.name!r}: {len(source.indices)} indices but {len(source.values)} values"
        )
    if len(set(source.indices)) != len(source.indices):
        raise InvalidVectorError(f"Sparse vector {field.name!r}: indices must be unique")
    if source.indices and not (min(source.indices) >= 0 and max(source.indices) < _UINT32):
        raise InvalidVectorError(f"Sparse vector {field.name!r}: indices must lie in 0..{_UINT32 - 1}")
    _check_numbers(source.values, field.name)
    return edge.SparseVector(source.indices, source.values)
