"""What ingest needs of the services it calls."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from typing import Protocol, TypeVar

from services.common.clients.encoder import EncoderDescription, Lane, Space, TextRole
from services.common.clients.encoder_inputs import Encoded
from services.common.domain import IndexedItem
from services.common.embeddings.cached_stream import Sought
from services.common.index.catalogue import Collection
from services.common.index.contract import EmbeddingContract
from services.common.index.index import Stored

K = TypeVar("K")


class Encoder(Protocol):
    """Pictures and texts to unit vectors; see `services.common.embeddings.cached_encoder.CachedEncoder`."""

    async def describe(self) -> EncoderDescription:
        """What is served."""

    def encode_stream(
        self, groups: AsyncIterable[Sequence[Sought[K]]], *, expected_fingerprint: str, lane: Lane
    ) -> AsyncGenerator[tuple[K, Encoded], None]:
        """A vector or error for each input, in no order."""

    async def encode_texts(
        self,
        texts: Sequence[str],
        *,
        role: TextRole,
        lane: Lane,
        expected_fingerprint: str,
        space: Space = Space.JOINT,
    ) -> list[Encoded]:
        """One vector or error a text."""


class ItemIndex(Protocol):
    """Items in the store; see `services.common.index.index.Index`."""

    async def resolve(self) -> Collection | None:
        """The collection in use."""

    async def ensure(self, contract: EmbeddingContract) -> Collection:
        """The collection of a contract, made if there is none."""

    async def upsert(self, collection: Collection, tenant: str, items: Sequence[IndexedItem]) -> dict[str, Stored]:
        """Write unless something newer stands there; what stands there now."""

    async def stored(self, collection: Collection, tenant: str, ids: Sequence[str]) -> dict[str, Stored]:
        """What stands under each id."""
