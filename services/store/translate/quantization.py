"""Quantisation settings; the engine applies them when it builds its index."""

from __future__ import annotations

import qdrant_edge as edge
from qdrant_client.http import models as m

from services.common.errors import UnimplementedError

_COMPRESSIONS = {
    m.CompressionRatio.X4: edge.CompressionRatio.X4,
    m.CompressionRatio.X8: edge.CompressionRatio.X8,
    m.CompressionRatio.X16: edge.CompressionRatio.X16,
    m.CompressionRatio.X32: edge.CompressionRatio.X32,
    m.CompressionRatio.X64: edge.CompressionRatio.X64,
}
_ENCODINGS = {
    m.BinaryQuantizationEncoding.ONE_BIT: edge.BinaryQuantizationEncoding.OneBit,
    m.BinaryQuantizationEncoding.TWO_BITS: edge.BinaryQuantizationEncoding.TwoBits,
    m.BinaryQuantizationEncoding.ONE_AND_HALF_BITS: edge.BinaryQuantizationEncoding.OneAndHalfBits,
}


def engine_quantization(source: m.QuantizationConfig | None) -> edge.QuantizationConfigType | None:
    """Translate scalar, product and binary quantisation.

    Raises:
        UnimplementedError: Another kind.
    """
    match source:
        case None:
            return None
        case m.ScalarQuantization(scalar=scalar):
            return edge.ScalarQuantizationConfig(
                type=edge.ScalarType.Int8, quantile=scalar.quantile, always_ram=scalar.always_ram
            )
        case m.ProductQuantization(product=product):
            return edge.ProductQuantizationConfig(
                compression=_COMPRESSIONS[product.compression], always_ram=product.always_ram
            )
        case m.BinaryQuantization(binary=binary) if binary.query_encoding is None:
            encoding = None if binary.encoding is None else _ENCODINGS[binary.encoding]
            return edge.BinaryQuantizationConfig(always_ram=binary.always_ram, encoding=encoding)
    raise UnimplementedError(f"{type(source).__name__} with these options is not offered by this store")
