"""Which encoder makes the vectors and which collection takes them, kept until something goes wrong."""

from __future__ import annotations

from dataclasses import dataclass

from services.common.index.catalogue import Collection
from services.common.index.contract import EmbeddingContract
from workers.ingest.ports import Encoder, ItemIndex


@dataclass(frozen=True)
class Target:
    """Where items go.

    Attributes:
        fingerprint: Expected of the encoder with every call.
        max_call_items: Most inputs of one call to the encoder.
        collection: Takes the vectors.
    """

    fingerprint: str
    max_call_items: int
    collection: Collection


class Targets:
    """Asks the encoder once and makes its collection if there is none yet."""

    def __init__(self, encoder: Encoder, index: ItemIndex) -> None:
        self._encoder, self._index = encoder, index
        self._current: Target | None = None

    async def current(self) -> Target:
        """Where items go now.

        Raises:
            FingerprintMismatchError: The data was made by another model.
            ImageragError: Encoder or store do not answer.
        """
        if self._current is None:
            described = await self._encoder.describe()
            contract = EmbeddingContract(described.fingerprint, described.dim)
            collection = await self._index.ensure(contract)
            self._current = Target(described.fingerprint, described.max_batch_items, collection)
        return self._current

    def forget(self) -> None:
        """Ask again next time."""
        self._current = None
