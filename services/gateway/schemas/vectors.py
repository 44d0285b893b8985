"""Vectors and what they were made by, in JSON."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from pydantic import Field

from services.common.catalogue import SemanticVectors, VectorContract
from services.common.domain import ItemVectors, SparseVector, Vector
from services.common.errors import InvalidVectorError
from services.common.rpc.tensors import tensor_to_proto, vector_from_bytes
from services.gateway.schemas.base import RequestModel

_Packed = Annotated[str, Field(max_length=1_000_000)]


class SemanticModel(RequestModel):
    """The second text encoder."""

    fingerprint: str = Field(max_length=1000)
    dim: int = Field(ge=1, le=65_536)


class ContractModel(RequestModel):
    """What the vectors were made by. Vectors of another contract are refused."""

    joint: str = Field(min_length=1, max_length=1000)
    """Fingerprint of the encoder that makes `image` and `text`."""
    dim: int = Field(ge=1, le=65_536)
    bm25: str = Field(max_length=200)
    """Version of the tokenizer and weights."""
    semantic: SemanticModel | None = None

    def contract(self) -> VectorContract:
        """The domain's form."""
        semantic = self.semantic
        return VectorContract(
            self.joint,
            self.dim,
            self.bm25,
            SemanticVectors(semantic.fingerprint, semantic.dim) if semantic else None,
        )


class WordsModel(RequestModel):
    """A sparse vector: unique 32-bit indices with a weight each."""

    indices: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field(max_length=100_000)
    values: list[float] = Field(max_length=100_000)


class VectorsModel(RequestModel):
    """The named vectors of an item; dense ones are unit vectors as base64 of little-endian float32."""

    image: _Packed | None = None
    text: _Packed | None = None
    semantic: _Packed | None = None
    bm25: WordsModel | None = None

    def vectors(self) -> ItemVectors:
        """The domain's form.

        Raises:
            InvalidVectorError: One is no base64 of float32.
        """
        words = self.bm25
        return ItemVectors(
            image=_unpacked(self.image),
            text=_unpacked(self.text),
            semantic=_unpacked(self.semantic),
            bm25=SparseVector(tuple(words.indices), tuple(words.values)) if words else None,
        )


def contract_model(contract: VectorContract) -> ContractModel:
    """The JSON form of `contract`."""
    semantic = contract.semantic
    return ContractModel(
        joint=contract.joint,
        dim=contract.dim,
        bm25=contract.bm25,
        semantic=SemanticModel(fingerprint=semantic.fingerprint, dim=semantic.dim) if semantic else None,
    )


def vectors_model(vectors: ItemVectors) -> VectorsModel:
    """The JSON form of `vectors`."""
    words = vectors.bm25
    return VectorsModel(
        image=_packed(vectors.image),
        text=_packed(vectors.text),
        semantic=_packed(vectors.semantic),
        bm25=WordsModel(indices=list(words.indices), values=list(words.values)) if words else None,
    )


def _packed(vector: Vector | None) -> str | None:
    return None if vector is None else base64.b64encode(tensor_to_proto(vector).data).decode()


def _unpacked(text: str | None) -> Vector | None:
    if not text:
        return None
    try:
        return vector_from_bytes(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise InvalidVectorError("A vector is no base64.") from None
