"""The vocabulary in the joint space of the encoder that is served."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from services.common.clients.encoder import EncoderDescription, Lane, TextRole
from services.common.domain import Direction, Vector
from services.common.errors import ImageragError
from workers.enrich.labels.vocabulary import as_query


class Encoder(Protocol):
    """Texts to unit vectors; see `services.common.clients.encoder.EncoderClient`."""

    async def describe(self) -> EncoderDescription:
        """What is served."""

    async def encode_texts(
        self, texts: Sequence[str], *, role: TextRole, lane: Lane, expected_fingerprint: str
    ) -> list[Vector | ImageragError]:
        """One vector or error a text."""


@dataclass(frozen=True)
class Words:
    """A vocabulary as one encoder sees it.

    Attributes:
        fingerprint: Of the joint space.
        rows: A unit vector a label, shape (m, dim) float32.
        floor: Score that unrelated pairs of text and picture stay below; -1: not measured.
        is_sentence_space: Its texts are sentence embeddings, as the starter's.
    """

    fingerprint: str
    rows: Vector
    floor: float
    is_sentence_space: bool


class Vocabulary:
    """Encodes the labels once for each space. Belongs to one event loop.

    Args:
        encoder: Of the joint space.
        labels: The words, at least two.
    """

    def __init__(self, encoder: Encoder, labels: Sequence[str]) -> None:
        self._encoder, self._labels = encoder, labels
        self._words: Words | None = None
        self._reading = asyncio.Lock()

    async def words(self, fingerprint: str) -> Words:
        """The labels in the space of this fingerprint; the first call takes some seconds for a thousand.

        Raises:
            ImageragError: The encoder cannot work now, or serves another space.
        """
        async with self._reading:
            if self._words is None or self._words.fingerprint != fingerprint:
                self._words = await self._read(fingerprint)
            return self._words

    async def _read(self, fingerprint: str) -> Words:
        described = await self._encoder.describe()
        rows: list[Vector] = []
        step = described.max_batch_items
        for start in range(0, len(self._labels), step):
            rows.extend(await self._rows(self._labels[start : start + step], fingerprint))
        return Words(
            fingerprint,
            np.stack(rows),
            described.noise_floors.get(Direction.TEXT_TO_IMAGE, -1.0),
            described.text_is_sentence_space,
        )

    async def _rows(self, labels: Sequence[str], fingerprint: str) -> list[Vector]:
        found = await self._encoder.encode_texts(
            [as_query(label) for label in labels],
            role=TextRole.QUERY,
            lane=Lane.BULK,
            expected_fingerprint=fingerprint,
        )
        rows = []
        for row in found:
            if isinstance(row, ImageragError):
                raise row
            rows.append(row)
        return rows
