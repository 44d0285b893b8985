"""Which encoder makes the vectors and which collection takes them, kept until something goes wrong."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from services.common.clients.encoder import EncoderDescription, Space
from services.common.clients.encoder_preparer import Preparer, preparer
from services.common.errors import ConflictError, UnimplementedError
from services.common.index.catalogue import Collection
from services.common.index.contract import EmbeddingContract, SemanticContract
from workers.ingest.ports import Encoder, ItemIndex

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Target:
    """Where items go.

    Attributes:
        fingerprint: Of the joint space.
        max_call_items: Most inputs of one call to the encoder.
        collection: Takes the vectors.
        preparer: Makes the encoder's input of pictures here, where they are decoded anyway; None: the encoder
            takes originals alone.
    """

    fingerprint: str
    max_call_items: int
    collection: Collection
    preparer: Preparer | None = None

    def fingerprint_of(self, space: Space) -> str | None:
        """Expected of the encoder with every call for a space; None: the collection has no such vectors."""
        if space is Space.JOINT:
            return self.fingerprint
        semantic = self.collection.contract.semantic
        return semantic.fingerprint if semantic else None


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
            contract = EmbeddingContract(described.fingerprint, described.dim, semantic=_semantic(described))
            collection = await self._index.ensure(contract)
            self._current = Target(
                described.fingerprint, described.max_batch_items, collection, _preparer(described)
            )
        return self._current

    def forget(self) -> None:
        """Ask again next time."""
        self._current = None


def _preparer(described: EncoderDescription) -> Preparer | None:
    try:
        return preparer(described)
    except UnimplementedError:
        return None
    except ConflictError as error:
        log.warning("originals_go_to_the_encoder", reason=error.message)
        return None


def _semantic(described: EncoderDescription) -> SemanticContract | None:
    served = described.semantic
    return SemanticContract(served.fingerprint, served.dim) if served else None
