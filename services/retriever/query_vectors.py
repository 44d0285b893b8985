"""Queries to vectors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from services.common.clients.encoder import Lane, TextRole
from services.common.clients.encoder_inputs import Encoded
from services.common.domain import Vector
from services.common.embeddings.cached_encoder import CachedEncoder
from services.common.errors import ImageragError


class QueryVectors:
    """Encodes what is asked.

    Args:
        encoder: Does the work, the same question once.
    """

    def __init__(self, encoder: CachedEncoder) -> None:
        self._encoder = encoder

    async def of(self, text: str, image: bytes | None, fingerprint: str) -> tuple[Vector | None, Vector | None]:
        """Unit vectors of the text and of the picture, shape (dim,) each; None for what is not asked.

        Raises:
            ImageError: The picture cannot be used.
            FingerprintMismatchError: The encoder serves another contract.
        """
        return await asyncio.gather(self._text(text, fingerprint), self._image(image, fingerprint))

    async def _text(self, text: str, fingerprint: str) -> Vector | None:
        if not text.strip():
            return None
        return await _single(
            self._encoder.encode_texts(
                [text], role=TextRole.QUERY, lane=Lane.INTERACTIVE, expected_fingerprint=fingerprint
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
