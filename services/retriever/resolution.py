"""From the alias to the collection to the encoder that made it, by fingerprint."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol

from services.common.clients.encoder import EncoderDescription
from services.common.errors import FingerprintMismatchError
from services.common.index.catalogue import Collection
from services.common.index.index import Index
from services.retriever.planning import NO_FLOOR


@dataclass(frozen=True)
class Resolved:
    """What a search runs against.

    Attributes:
        collection: None before the first item was stored.
    """

    collection: Collection | None
    encoder: EncoderDescription


def semantic_floor(resolved: Resolved) -> float | None:
    """The noise floor of the leg `semantic`; None if the collection has no such vectors.

    Raises:
        FingerprintMismatchError: It has, and the encoder does not serve the text encoder that made them.
    """
    stored = resolved.collection.contract.semantic if resolved.collection else None
    if stored is None:
        return None
    served = resolved.encoder.semantic
    if served is None or served.fingerprint != stored.fingerprint:
        actual = served.fingerprint if served else "no second text encoder"
        raise FingerprintMismatchError.between(stored.fingerprint, actual)
    return NO_FLOOR if served.noise_floor is None else served.noise_floor


class Describer(Protocol):
    """Tells what an encoder serves."""

    async def describe(self) -> EncoderDescription:
        """What is served."""


class Resolver:
    """Remembers the answer for a short time, so that a search does not pay for it.

    Args:
        index: Knows the alias.
        encoder: Says what it serves.
        ttl_s: How long an answer is believed.
    """

    def __init__(self, index: Index, encoder: Describer, *, ttl_s: float) -> None:
        self._index, self._encoder, self._ttl_s = index, encoder, ttl_s
        self._known: Resolved | None = None
        self._until_s = 0.0
        self._lock = asyncio.Lock()

    async def current(self) -> Resolved:
        """What is in use, at most `ttl_s` old; while one search asks again, others go on with what was known."""
        if self._known is None or time.monotonic() >= self._until_s:
            if self._known is not None and self._known.collection is not None and self._lock.locked():
                return self._known
            async with self._lock:
                if self._known is None or time.monotonic() >= self._until_s:
                    return await self.refresh()
        return self._known

    async def refresh(self) -> Resolved:
        """Ask again now: after a mismatch, the alias may have moved to another model's collection."""
        collection, encoder = await asyncio.gather(self._index.resolve(), self._encoder.describe())
        self._known = Resolved(collection, encoder)
        # An empty index fills at any moment: do not believe in it.
        self._until_s = time.monotonic() + (self._ttl_s if collection else 0.0)
        return self._known
