"""Dense vectors on the wire: packed little-endian float32 with their shape."""

from __future__ import annotations

import math

import numpy as np
from imagerag.v1 import types_pb2

from services.common.domain import Vector
from services.common.errors import InvalidVectorError

_WIRE = np.dtype("<f4")


def tensor_to_proto(vectors: Vector) -> types_pb2.FloatTensor:
    """Pack an array of any shape."""
    return types_pb2.FloatTensor(data=np.ascontiguousarray(vectors, dtype=_WIRE).tobytes(), shape=vectors.shape)


def tensor_from_proto(tensor: types_pb2.FloatTensor) -> Vector:
    """Unpack into a read-only float32 array.

    Raises:
        InvalidVectorError: The number of bytes does not fit the shape.
    """
    shape = tuple(tensor.shape)
    if len(tensor.data) != _WIRE.itemsize * math.prod(shape):
        raise InvalidVectorError(f"{len(tensor.data)} bytes cannot be a float32 tensor of shape {shape}.")
    return np.frombuffer(tensor.data, dtype=_WIRE).astype(np.float32, copy=False).reshape(shape)


def vector_from_bytes(data: bytes) -> Vector:
    """Unpack one vector, shape (dim,), into a read-only float32 array.

    Raises:
        InvalidVectorError: The bytes are no whole number of values, or none at all.
    """
    if not data or len(data) % _WIRE.itemsize:
        raise InvalidVectorError(f"{len(data)} bytes cannot be a float32 vector.")
    return np.frombuffer(data, dtype=_WIRE).astype(np.float32, copy=False)
