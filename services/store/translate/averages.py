"""The `average_vector` strategy of recommendation: 2 * mean(positives) - mean(negatives), as the server has it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import qdrant_edge as edge

from services.common.errors import InvalidRequestError
from services.store.translate.vectors import EngineVector


def recommended_vector(positives: Sequence[EngineVector], negatives: Sequence[EngineVector]) -> EngineVector:
    """The one vector to search with.

    Args:
        positives: At least one.
        negatives: None or more, of the same kind.

    Raises:
        InvalidRequestError: No positive example, or kinds that do not go together.
    """
    if not positives:
        raise InvalidRequestError("At least one positive vector ID required with this strategy")
    kinds = {_kind(vector) for vector in [*positives, *negatives]}
    if len(kinds) > 1:
        raise InvalidRequestError("The examples must be vectors of one kind")
    match kinds.pop():
        case "sparse":
            return _sparse(_only_sparse(positives), _only_sparse(negatives))
        case "rows":
            return [row for vector in positives for row in _rows(vector)] + [
                [-number for number in row] for vector in negatives for row in _rows(vector)
            ]
    return _dense([_numbers(vector) for vector in positives], [_numbers(vector) for vector in negatives])


def _kind(vector: EngineVector) -> str:
    if isinstance(vector, edge.SparseVector):
        return "sparse"
    return "rows" if vector and isinstance(vector[0], list) else "numbers"


def _only_sparse(vectors: Sequence[EngineVector]) -> list[edge.SparseVector]:
    return [vector for vector in vectors if isinstance(vector, edge.SparseVector)]


def _rows(vector: EngineVector) -> list[list[float]]:
    return [row for row in vector if isinstance(row, list)] if isinstance(vector, list) else []


def _numbers(vector: EngineVector) -> list[float]:
    return [n for n in vector if not isinstance(n, list)] if isinstance(vector, list) else []


def _dense(positives: list[list[float]], negatives: list[list[float]]) -> list[float]:
    mean = _mean(positives)
    if not negatives:
        return mean
    return [2 * wanted - unwanted for wanted, unwanted in zip(mean, _mean(negatives), strict=True)]


def _mean(vectors: list[list[float]]) -> list[float]:
    return [math.fsum(column) / len(vectors) for column in zip(*vectors, strict=True)]


def _sparse(positives: list[edge.SparseVector], negatives: list[edge.SparseVector]) -> edge.SparseVector:
    total: defaultdict[int, float] = defaultdict(float)
    positive_weight = (2 if negatives else 1) / len(positives)
    for vector in positives:
        for index, value in zip(vector.indices, vector.values, strict=True):
            total[index] += positive_weight * value
    for vector in negatives:
        for index, value in zip(vector.indices, vector.values, strict=True):
            total[index] -= value / len(negatives)
    indices = sorted(total)
    return edge.SparseVector(indices, [total[index] for index in indices])
