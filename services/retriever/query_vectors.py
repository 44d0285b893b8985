"""Queries to vectors, through a cache: the same question is encoded once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Protocol

import numpy as np

from services.common.clients.encoder import EncoderClient, Lane, TextRole
from services.common.domain import Vector
from services.common.errors import ImageragError

_WIRE = np.dtype("<f4")


class Cache(Protocol):
    """Byte strings that may be forgotten at any time."""

    async def get(self, name: str) -> bytes | None:
        """The bytes under `name`, or None."""

    async def set(self, name: str, data: bytes) -> None:
        """Keep `data` under `name` for a while."""


class QueryVectors:
    """Encodes what is asked.

    Args:
        encoder: Does the work.
        cache: Keeps embeddings by fingerprint and content, so vectors of different models never mix.
    """

    def __init__(self, encoder: EncoderClient, cache: Cache) -> None:
        self._encoder, self._cache = encoder, cache

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

        def encode() -> Awaitable[list[Vector | ImageragError]]:
            return self._encoder.encode_texts(
                [text], role=TextRole.QUERY, lane=Lane.INTERACTIVE, expected_fingerprint=fingerprint
            )

        return await self._cached(_name(fingerprint, "query", text.encode()), encode)

    async def _image(self, image: bytes | None, fingerprint: str) -> Vector | None:
        if not image:
            return None

        def encode() -> Awaitable[list[Vector | ImageragError]]:
            return self._encoder.encode_images([image], lane=Lane.INTERACTIVE, expected_fingerprint=fingerprint)

        return await self._cached(_name(fingerprint, "image", image), encode)

    async def _cached(self, name: str, encode: Callable[[], Awaitable[list[Vector | ImageragError]]]) -> Vector:
        kept = await self._cache.get(name)
        if kept is not None:
            return np.frombuffer(kept, dtype=_WIRE)
        (part,) = await encode()
        if isinstance(part, ImageragError):
            raise part
        await self._cache.set(name, part.astype(_WIRE).tobytes())
        return part


def _name(fingerprint: str, kind: str, content: bytes) -> str:
    return f"imagerag:embedding:{fingerprint}:{kind}:{hashlib.sha256(content).hexdigest()}"
