"""Vectors are checked before they are sent: a bad one can make an embedded store unreadable for good."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.common.domain import IndexedItem, SparseVector, Vector
from services.common.errors import InvalidVectorError
from services.common.index.contract import EmbeddingContract

_UNIT_TOLERANCE = 1e-3


def check_vectors(contract: EmbeddingContract, items: Sequence[IndexedItem]) -> None:
    """Check every vector of every item.

    Raises:
        InvalidVectorError: Wrong shape, not finite, not of unit length, or a malformed sparse vector.
    """
    for indexed in items:
        vectors = indexed.vectors
        for name, dense in (("image", vectors.image), ("text", vectors.text)):
            if dense is not None:
                _check_dense(name, dense, contract.dim)
        if vectors.semantic is not None:
            _check_semantic(contract, vectors.semantic)
        if vectors.bm25 is not None:
            check_sparse(vectors.bm25)


def _check_semantic(contract: EmbeddingContract, vector: Vector) -> None:
    if contract.semantic is None:
        raise InvalidVectorError("The collection holds no semantic vectors: it was made without a second encoder.")
    _check_dense("semantic", vector, contract.semantic.dim)


def _check_dense(name: str, vector: Vector, dim: int) -> None:
    if vector.shape != (dim,):
        raise InvalidVectorError(f"The {name} vector has shape {vector.shape}; the collection holds ({dim},).")
    if not np.isfinite(vector).all():
        raise InvalidVectorError(f"The {name} vector holds a value that is not a finite number.")
    length = float(np.linalg.norm(vector))
    if abs(length - 1) > _UNIT_TOLERANCE:
        raise InvalidVectorError(f"The {name} vector has length {length:.4f}; only unit vectors are stored.")


def check_sparse(vector: SparseVector) -> None:
    """Check one sparse vector.

    Raises:
        InvalidVectorError: Indices repeat, are out of range or do not pair with finite values.
    """
    if len(vector.indices) != len(vector.values):
        raise InvalidVectorError("A sparse vector needs one value for each index.")
    if len(set(vector.indices)) != len(vector.indices):
        raise InvalidVectorError("A sparse vector names an index twice.")
    if any(not 0 <= index < 1 << 32 for index in vector.indices):
        raise InvalidVectorError("A sparse index is an unsigned 32-bit integer.")
    if not np.isfinite(vector.values).all():
        raise InvalidVectorError("A sparse vector holds a value that is not a finite number.")
