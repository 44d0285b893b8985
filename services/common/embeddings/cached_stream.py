"""One stream of inputs to an encoder, of which only what is not kept goes to it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from services.common.clients.encoder_inputs import Encoded, EncoderInput
from services.common.domain import Vector
from services.common.embeddings.shared import SharedVectors
from services.common.errors import ImageragError

K = TypeVar("K")
_KEPT_AT_ONCE = 32
"""Fresh vectors of one round trip to the cache server."""


@dataclass(frozen=True, eq=False)
class Sought(Generic[K]):
    """An input whose vector is wanted.

    Attributes:
        key: The caller's; it comes back with the outcome.
        name: Of the embedding, see `keys`: inputs of one name have one vector.
        content: What the encoder makes it of, if nobody has kept it.
    """

    key: K
    name: str
    content: EncoderInput


OpenStream = Callable[[AsyncIterable[tuple[str, EncoderInput]]], AsyncGenerator[tuple[str, Encoded], None]]
"""Begins the stream to the encoder: inputs and outcomes by name."""


class CachedStream(Generic[K]):
    """The vectors of any number of inputs, each as soon as it is known. For one use.

    Inputs of the same name are encoded once, however many there are of it. Errors are not kept.

    Args:
        shared: Keeps vectors for all processes; None: nothing is looked up or kept.
        dim: Length that a kept vector must have; None: any.
    """

    def __init__(self, shared: SharedVectors | None, dim: int | None) -> None:
        self._shared, self._dim = shared, dim
        self._known: dict[str, Encoded] = {}
        self._waiting: dict[str, list[K]] = {}
        self._answered: deque[tuple[K, Encoded]] = deque()
        self._fresh: dict[str, Vector] = {}

    async def outcomes(
        self, groups: AsyncIterable[Sequence[Sought[K]]], open_stream: OpenStream
    ) -> AsyncGenerator[tuple[K, Encoded], None]:
        """Answer everything in `groups`, in no order.

        Args:
            groups: Each is looked up in one round trip.
            open_stream: To the encoder.

        Yields:
            The key of an input and its vector or error.

        Raises:
            ImageragError: As the stream to the encoder.
        """
        async with aclosing(open_stream(self._unknown(groups))) as answers:
            async for name, encoded in answers:
                await self._receive(name, encoded)
                while self._answered:
                    yield self._answered.popleft()
        await self._keep()
        while self._answered:
            yield self._answered.popleft()

    async def _unknown(
        self, groups: AsyncIterable[Sequence[Sought[K]]]
    ) -> AsyncIterator[tuple[str, EncoderInput]]:
        async for group in groups:
            await self._look_up(group)
            for sought in group:
                if sought.name in self._known:
                    self._answered.append((sought.key, self._known[sought.name]))
                elif sought.name in self._waiting:
                    self._waiting[sought.name].append(sought.key)
                else:
                    self._waiting[sought.name] = [sought.key]
                    yield sought.name, sought.content

    async def _look_up(self, group: Sequence[Sought[K]]) -> None:
        names = dict.fromkeys(sought.name for sought in group)
        missing = [name for name in names if name not in self._known and name not in self._waiting]
        if self._shared is not None and missing:
            self._known.update(await self._shared.get(missing, self._dim))

    async def _receive(self, name: str, encoded: Encoded) -> None:
        self._answered.extend((key, encoded) for key in self._waiting.pop(name, []))
        self._known[name] = encoded
        if isinstance(encoded, ImageragError) or not self._fits(encoded):
            return
        self._fresh[name] = encoded
        if len(self._fresh) >= _KEPT_AT_ONCE:
            await self._keep()

    async def _keep(self) -> None:
        fresh, self._fresh = self._fresh, {}
        if self._shared is not None and fresh:
            await self._shared.put(fresh)

    def _fits(self, vector: Vector) -> bool:
        return self._dim in (None, vector.size) and bool(np.isfinite(vector).all())
