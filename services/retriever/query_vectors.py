"""Queries to vectors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from services.common.clients.encoder import Lane, Space, TextRole
from services.common.clients.encoder_inputs import Encoded
from services.common.domain import Direction, LegName, SparseVector, Vector
from services.common.embeddings.cached_encoder import CachedEncoder
from services.common.errors import ImageragError
from services.common.index import bm25
from services.common.index.contract import EmbeddingContract
from services.common.search import SearchQuery
from services.retriever.planning import PlannedLeg

_BY_PICTURE = frozenset({Direction.IMAGE_TO_IMAGE, Direction.IMAGE_TO_TEXT})


@dataclass(frozen=True)
class AskedVectors:
    """A query as vectors, each as far as a leg asks with it.

    Attributes:
        text: Of the words in the joint space, shape (dim,).
        image: Of the picture, shape (dim,).
        semantic: Of the words by the second text encoder, shape (its own dim,).
        words: Term weights; None for a query of punctuation alone too.
    """

    text: Vector | None = None
    image: Vector | None = None
    semantic: Vector | None = None
    words: SparseVector | None = None

    def of(self, leg: PlannedLeg) -> Vector | SparseVector | None:
        """What a leg asks with."""
        if leg.name is LegName.BM25:
            return self.words
        if leg.name is LegName.SEMANTIC:
            return self.semantic
        return self.image if leg.direction in _BY_PICTURE else self.text


class QueryVectors:
    """Encodes what is asked.

    Args:
        encoder: Does the work, the same question once.
    """

    def __init__(self, encoder: CachedEncoder) -> None:
        self._encoder = encoder

    async def of(
        self, query: SearchQuery, legs: Sequence[PlannedLeg], contract: EmbeddingContract
    ) -> AskedVectors:
        """Unit vectors of what the legs ask with, encoded at the same time.

        Raises:
            ImageError: The picture cannot be used.
            FingerprintMismatchError: The encoder serves another contract.
        """
        names = {leg.name for leg in legs}
        by_picture = any(leg.direction in _BY_PICTURE for leg in legs)
        by_text = any(
            leg.name in (LegName.IMAGE, LegName.TEXT) and leg.direction not in _BY_PICTURE for leg in legs
        )
        semantic = contract.semantic if LegName.SEMANTIC in names else None
        text, image, meaning = await asyncio.gather(
            self._text(query.text if by_text else "", contract.joint, Space.JOINT),
            self._image(query.image if by_picture else None, contract.joint),
            self._text(query.text if semantic else "", semantic.fingerprint if semantic else "", Space.SEMANTIC),
        )
        return AskedVectors(text, image, meaning, bm25.encode_query(query.text))

    async def _text(self, text: str, fingerprint: str, space: Space) -> Vector | None:
        if not text.strip():
            return None
        return await _single(
            self._encoder.encode_texts(
                [text], role=TextRole.QUERY, lane=Lane.INTERACTIVE, expected_fingerprint=fingerprint, space=space
            )
        )

    async def _image(self, image: bytes | None, fingerprint: str) -> Vector | None:
        if not image:
            return None
        return await _single(
            self._encoder.encode_images([image], lane=Lane.INTERACTIVE, expected_fingerprint=fingerprint)
        )


async def _single(encoding: Awaitable[list[Encoded]]) -> Vector:
    (part,) = await encoding
    if isinstance(part, ImageragError):
        raise part
    return part
