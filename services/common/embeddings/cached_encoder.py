"""The encoder as its callers see it, asked only for what nobody has asked before.

The cache is here, at the callers, and not in the encoder: a hit costs no upload of the picture, no place in the
encoder's queue, and works while the encoder is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol, TypeVar

import numpy as np

from services.common.clients.encoder import EncoderDescription, Lane, Space, TextRole
from services.common.clients.encoder_inputs import Encoded, EncoderInput
from services.common.domain import Vector
from services.common.embeddings import metrics
from services.common.embeddings.cached_stream import CachedStream, Sought
from services.common.embeddings.flights import Flights
from services.common.embeddings.keys import image_key, normalised, text_key
from services.common.embeddings.memory import RecentVectors
from services.common.embeddings.shared import SharedVectors
from services.common.errors import ImageragError

_HASH_HERE_BYTES = 1 << 20
"""Half a millisecond of SHA-256 with the processor's own instructions, 3 ms without; more goes to a thread."""
Input = TypeVar("Input", bytes, str)
K = TypeVar("K")
Encode = Callable[[Sequence[Input]], Awaitable[list[Encoded]]]


class Encoder(Protocol):
    """Pictures and texts to unit vectors; see `services.common.clients.encoder.EncoderClient`."""

    async def describe(self, *, deadline_s: float | None = None) -> EncoderDescription:
        """What is served."""

    async def encode_images(
        self, images: Sequence[bytes], *, lane: Lane, expected_fingerprint: str, deadline_s: float | None = None
    ) -> list[Encoded]:
        """One vector or error a picture."""

    async def encode_texts(
        self,
        texts: Sequence[str],
        *,
        role: TextRole,
        lane: Lane,
        expected_fingerprint: str,
        space: Space = Space.JOINT,
        deadline_s: float | None = None,
    ) -> list[Encoded]:
        """One vector or error a text."""

    def encode_stream(
        self, inputs: AsyncIterable[tuple[str, EncoderInput]], *, expected_fingerprint: str, lane: Lane
    ) -> AsyncGenerator[tuple[str, Encoded], None]:
        """Each vector or error as soon as it is ready."""


class CachedEncoder:
    """Has the interface of `EncoderClient`. Belongs to one event loop.

    The same input, twice in one call or from several callers at once, is encoded once. Errors are not kept.

    Args:
        encoder: Does the work.
        memory: Keeps what was used last in this process; None: nothing is kept here.
        shared: Keeps vectors for all processes; None: no cache server.
    """

    def __init__(
        self, encoder: Encoder, *, memory: RecentVectors | None = None, shared: SharedVectors | None = None
    ) -> None:
        self._encoder, self._memory, self._shared = encoder, memory, shared
        # One for each lane: a query must not wait for a bulk batch that has the same picture.
        self._flights: Mapping[Lane, Flights[Encoded]] = {lane: Flights() for lane in Lane}
        self._dims: dict[str, int] = {}
        if memory is not None:
            metrics.begin("memory")

    async def describe(self, *, deadline_s: float | None = None) -> EncoderDescription:
        """What the encoder serves; what is kept must have the dimension it says."""
        described = await self._encoder.describe(deadline_s=deadline_s)
        self._dims[described.fingerprint] = described.dim
        if described.semantic is not None:
            self._dims[described.semantic.fingerprint] = described.semantic.dim
        return described

    async def encode_images(
        self, images: Sequence[bytes], *, lane: Lane, expected_fingerprint: str, deadline_s: float | None = None
    ) -> list[Encoded]:
        """As `EncoderClient.encode_images`.

        Args:
            images: Encoded bytes.
            lane: Who waits for it.
            expected_fingerprint: Only vectors of this contract are used; empty: none that were kept.
            deadline_s: Longest wait for the encoder.
        """
        encode = partial(
            self._encoder.encode_images,
            lane=lane,
            expected_fingerprint=expected_fingerprint,
            deadline_s=deadline_s,
        )
        if not expected_fingerprint:
            return await encode(images)
        keys = await _image_keys(expected_fingerprint, images)
        return await self._encoded(keys, images, lane, self._dims.get(expected_fingerprint), encode)

    async def encode_texts(
        self,
        texts: Sequence[str],
        *,
        role: TextRole,
        lane: Lane,
        expected_fingerprint: str,
        space: Space = Space.JOINT,
        deadline_s: float | None = None,
    ) -> list[Encoded]:
        """As `EncoderClient.encode_texts`, of the texts in their normal form; arguments as in `encode_images`."""
        encode = partial(
            self._encoder.encode_texts,
            role=role,
            lane=lane,
            expected_fingerprint=expected_fingerprint,
            space=space,
            deadline_s=deadline_s,
        )
        texts = [normalised(text) for text in texts]
        if not expected_fingerprint:
            return await encode(texts)
        keys = [text_key(expected_fingerprint, text, role, space) for text in texts]
        return await self._encoded(keys, texts, lane, self._dims.get(expected_fingerprint), encode)

    def encode_stream(
        self, groups: AsyncIterable[Sequence[Sought[K]]], *, expected_fingerprint: str, lane: Lane
    ) -> AsyncGenerator[tuple[K, Encoded], None]:
        """As `EncoderClient.encode_stream`, of what is not in the cache server.

        Args:
            groups: Inputs; those of a group are looked up together.
            expected_fingerprint: The contract that the names of the inputs were made under.
            lane: Who waits for it.
        """
        stream: CachedStream[K] = CachedStream(self._shared, self._dims.get(expected_fingerprint))
        open_stream = partial(self._encoder.encode_stream, expected_fingerprint=expected_fingerprint, lane=lane)
        return stream.outcomes(groups, open_stream)

    async def _encoded(
        self, keys: Sequence[str], inputs: Sequence[Input], lane: Lane, dim: int | None, encode: Encode[Input]
    ) -> list[Encoded]:
        by_key = dict(zip(keys, inputs, strict=True))
        found = self._remembered(by_key, dim)

        async def fetch(wanted: Sequence[str]) -> Mapping[str, Encoded]:
            return await self._fetch({key: by_key[key] for key in wanted}, dim, encode)

        found |= await self._flights[lane].results([key for key in by_key if key not in found], fetch)
        return [found[key] for key in keys]

    def _remembered(self, keys: Iterable[str], dim: int | None) -> dict[str, Encoded]:
        if self._memory is None:
            return {}
        held = {key: self._memory.get(key) for key in keys}
        found: dict[str, Encoded] = {
            key: vector for key, vector in held.items() if vector is not None and dim in (None, vector.size)
        }
        metrics.count("memory", hits=len(found), misses=len(held) - len(found))
        return found

    async def _fetch(
        self, inputs: Mapping[str, Input], dim: int | None, encode: Encode[Input]
    ) -> Mapping[str, Encoded]:
        """From the cache server, and the rest from the encoder."""
        kept = {} if self._shared is None else await self._shared.get(list(inputs), dim)
        missing = [key for key in inputs if key not in kept]
        parts = await encode([inputs[key] for key in missing]) if missing else []
        made = dict(zip(missing, parts, strict=True))
        fresh = {
            key: part for key, part in made.items() if not isinstance(part, ImageragError) and _fits(part, dim)
        }
        if self._memory is not None:
            for key, vector in (kept | fresh).items():
                self._memory.put(key, vector)
        if self._shared is not None:
            await self._shared.put(fresh)
        return {**kept, **made}


async def _image_keys(fingerprint: str, images: Sequence[bytes]) -> list[str]:
    def hashed() -> list[str]:
        return [image_key(fingerprint, data) for data in images]

    if sum(map(len, images)) <= _HASH_HERE_BYTES:
        return hashed()
    return await asyncio.to_thread(hashed)


def _fits(vector: Vector, dim: int | None) -> bool:
    return dim in (None, vector.size) and bool(np.isfinite(vector).all())
