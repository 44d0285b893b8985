"""One embedding as bytes. Whatever is torn, foreign or of another version reads as nothing, never as a vector.

Layout, little-endian: version u8, dtype u8, reserved u16, dim u32, checksum u32, then dim float32. The checksum is
CRC-32 over the key, the head's other fields and the floats: a value under another's key is foreign too.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from services.common.domain import Vector

_VERSION, _FLOAT32 = 1, 1
_FIELDS = struct.Struct("<BBHI")
_CHECKSUM = struct.Struct("<I")
_HEAD_BYTES = _FIELDS.size + _CHECKSUM.size
WIRE = np.dtype("<f4")
"""How the floats are kept."""


def pack(key: str, vector: Vector) -> bytes:
    """The bytes to keep under `key`.

    Args:
        key: Under which they will be kept.
        vector: float32, shape (dim,).
    """
    fields = _FIELDS.pack(_VERSION, _FLOAT32, 0, vector.size)
    floats = vector.astype(WIRE).tobytes()
    return fields + _CHECKSUM.pack(_checksum(key, fields, floats)) + floats


def unpack(key: str, kept: bytes, dim: int | None) -> Vector | None:
    """The vector that was packed under `key`; None if these bytes are anything else.

    Args:
        key: Under which they were found.
        kept: What was found.
        dim: Length that the vector must have; None: any.

    Returns:
        float32, shape (dim,), read-only.
    """
    if len(kept) < _HEAD_BYTES:
        return None
    fields, floats = kept[: _FIELDS.size], kept[_HEAD_BYTES:]
    version, dtype, _, length = _FIELDS.unpack(fields)
    (checksum,) = _CHECKSUM.unpack_from(kept, _FIELDS.size)
    if (version, dtype) != (_VERSION, _FLOAT32) or length * WIRE.itemsize != len(floats):
        return None
    if dim not in (None, length) or checksum != _checksum(key, fields, floats):
        return None
    return np.frombuffer(floats, WIRE)


def _checksum(key: str, fields: bytes, floats: bytes) -> int:
    return zlib.crc32(floats, zlib.crc32(fields, zlib.crc32(key.encode())))
